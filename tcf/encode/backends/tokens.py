"""Token ids of many texts in flat arrays, cut into padded batches."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tcf.errors import EncoderError

__all__ = ["TokenlessTextError", "Tokens"]

_CHUNK = 8192  # texts tokenised at once: their Python lists would outweigh everything else


class TokenlessTextError(EncoderError):
    """The tokenizer finds no token in some texts; ``positions`` are their places in its input."""

    def __init__(self, positions: list[int]) -> None:
        super().__init__(f"the tokenizer finds no token in the texts at {positions[:5]}")
        self.positions = positions


@dataclass(frozen=True)
class Tokens:
    """Token ids of ``n`` texts, without padding: one flat array a model input, and the offsets."""

    columns: dict[str, np.ndarray]  # "input_ids", and "token_type_ids" where the tokenizer has them
    offsets: np.ndarray  # (n + 1,)
    pad_id: int

    @classmethod
    def of(cls, tokenizer: Any, texts: Sequence[str], *, max_tokens: int) -> "Tokens":
        """Tokenise in bulk, cutting at ``max_tokens``, special tokens included.

        Raises:
            TokenlessTextError: If a text has no token.
        """
        lengths = np.empty(len(texts), np.int64)
        parts: dict[str, list[np.ndarray]] = {}
        for start in range(0, len(texts), _CHUNK):
            rows = tokenizer(
                list(texts[start : start + _CHUNK]),
                truncation=True,
                max_length=max_tokens,
                padding=False,
                return_attention_mask=False,
            )
            ids = rows["input_ids"]
            here = np.fromiter(map(len, ids), np.int64, len(ids))
            lengths[start : start + _CHUNK] = here
            for name in ("input_ids", "token_type_ids"):
                if name in rows:
                    flat = itertools.chain.from_iterable(rows[name])
                    parts.setdefault(name, []).append(np.fromiter(flat, np.int32, int(here.sum())))
        if not lengths.all():
            raise TokenlessTextError(np.flatnonzero(lengths == 0).tolist())
        columns = {name: np.concatenate(arrays) for name, arrays in parts.items()}
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        # Without a padding token any id serves: the mask hides it.
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        return cls(columns, offsets, pad)

    @property
    def lengths(self) -> np.ndarray:
        """``(n,)`` tokens of each text."""
        return np.diff(self.offsets)

    def padded(
        self, positions: np.ndarray, *, side: Literal["left", "right"]
    ) -> dict[str, np.ndarray]:
        """Return the ``(B, T)`` int64 model inputs of a batch, ``attention_mask`` among them."""
        lengths = self.lengths[positions]
        longest = int(lengths.max())
        column = np.arange(longest)
        first = longest - lengths if side == "left" else np.zeros_like(lengths)
        real = (column >= first[:, None]) & (column < (first + lengths)[:, None])
        source = (self.offsets[positions] - first)[:, None] + column
        result = {"attention_mask": real.astype(np.int64)}
        for name, flat in self.columns.items():
            fill = self.pad_id if name == "input_ids" else 0
            batch = np.full(real.shape, fill, np.int64)
            batch[real] = flat[source[real]]
            result[name] = batch
        return result
