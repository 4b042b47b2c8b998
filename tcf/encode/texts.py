"""What the caller calls texts, checked and made plain; each distinct text once."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

__all__ = ["as_texts", "digests", "distinct"]


def as_texts(texts: Any) -> list[str]:
    """Return the texts as a list of str, in the order given.

    Args:
        texts: Sequence of str, mapping item id -> str (its values, in its order), or a polars or
            pandas column.

    Raises:
        TypeError: If it is one str, or nothing that can be walked through.
        ValueError: If it is empty, or a text is not a str, is blank, or is not valid Unicode; the
            message names positions, counted from 0, and item ids where there are some.
    """
    if isinstance(texts, str | bytes):
        raise TypeError(f"texts must be a sequence of str, not one {type(texts).__name__}")
    if not isinstance(texts, Iterable):
        raise TypeError(f"texts must be a sequence of str; got {type(texts).__name__}")
    names = list(texts) if isinstance(texts, Mapping) else None
    values = list(texts.values() if isinstance(texts, Mapping) else texts)
    if not values:
        raise ValueError("texts must hold at least one text; got none")
    for position, value in enumerate(values):
        if not isinstance(value, str):
            where = _where([position], names)
            raise ValueError(f"every text must be a str; got {type(value).__name__} at {where}")
    blank = [position for position, value in enumerate(values) if not value.strip()]
    if blank:
        raise ValueError(
            f"every text must hold something to read; {len(blank)} blank at "
            f"{_where(blank, names)}. Drop these items or give them a title"
        )
    return values


def distinct(texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find each distinct text once.

    Returns:
        ``(num_distinct,)`` S32, the SHA-256 of each distinct text in order of appearance;
        ``(num_distinct,)`` int64, where each appears first; and ``(num_texts,)`` int64, each
        text's place among the distinct ones.

    Raises:
        ValueError: If a text holds a lone surrogate, which no tokenizer can read.
    """
    hashes, first, inverse = np.unique(digests(texts), return_index=True, return_inverse=True)
    order = np.argsort(first)  # by appearance, not by hash
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return hashes[order], first[order], place[inverse]


def digests(texts: list[str]) -> np.ndarray:
    """Return the ``(num_texts,)`` S32 SHA-256 of each text's UTF-8; compare, never unpack, them.

    Raises:
        ValueError: If a text holds a lone surrogate, which no tokenizer can read.
    """
    packed = bytearray(32 * len(texts))
    try:
        for n, text in enumerate(texts):
            packed[32 * n : 32 * n + 32] = hashlib.sha256(text.encode("utf-8")).digest()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"every text must be valid Unicode; {error.object[:40]!r} is not ({error.reason}). "
            "Read its file as UTF-8"
        ) from None
    return np.frombuffer(packed, "S32")


def _where(positions: list[int], names: list[Any] | None) -> str:
    shown = ", ".join(
        str(p) if names is None else f"{p} (item {names[p]!r})" for p in positions[:5]
    )
    plural = "positions" if len(positions) > 1 else "position"
    return f"{plural} {shown}" + (", ..." if len(positions) > 5 else "")
