"""What there is to encode: distinct texts that no store holds, and their tokens."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tcf.encode.source import Source
from tcf.encode.spec import EncoderSpec
from tcf.encode.texts import as_texts
from tcf.errors import EncoderError

__all__ = ["Workload"]

_CHARACTERS_A_TOKEN = 4.0
_SPECIAL_TOKENS = 2


@dataclass(frozen=True, eq=False)
class Workload:
    """What there is to encode.

    Attributes:
        num_texts: Texts given.
        num_distinct: Different ones among them.
        num_stored: Of the distinct ones, how many the store holds; None: unknown, because the key
            hashes weights that are not here yet.
        lengths: ``(n,)`` int, tokens of each distinct text that is not stored.
        counted: False: the tokens are estimated from characters, four a token, because no tokenizer
            is here yet.
    """

    num_texts: int
    num_distinct: int
    num_stored: int | None
    lengths: np.ndarray
    counted: bool

    @property
    def num_tokens(self) -> int:
        """Tokens to encode, padding left out."""
        return int(self.lengths.sum())

    @classmethod
    def of(
        cls, texts: Any, spec: EncoderSpec, source: Source, *, device: str, cache: Path | None
    ) -> "Workload":
        """Look into the store and count tokens.

        Args:
            texts: As `encode_items` takes them.
            spec: The encoder and how it is read.
            source: What of it is here.
            device: Where it would run; the number format, and so the key, can depend on it.
            cache: Folder of stores, or None.

        Raises:
            ValueError: If a text has no meaning.
            CacheError: If the store is damaged.
        """
        given = as_texts(texts)
        unique = list(dict.fromkeys(given))
        stored = _stored(spec, source, unique, device=device, cache=cache)
        left = [spec.prompt.replace("{text}", text) for text in unique]
        if stored is not None:
            left = [text for text, here in zip(left, stored, strict=True) if not here]
        lengths, counted = _lengths(source, left, max_tokens=spec.max_tokens)
        num_stored = None if stored is None else int(stored.sum())
        return cls(len(given), len(unique), num_stored, lengths, counted)


def _stored(
    spec: EncoderSpec, source: Source, texts: list[str], *, device: str, cache: Path | None
) -> np.ndarray | None:
    """Which texts the store holds; None where only weights that are not here could say."""
    from tcf.encode.backends.protocol import Reading
    from tcf.encode.harvest import Harvest, Where

    if cache is None or not (cache / "embeddings").is_dir():
        return np.zeros(len(texts), bool)
    if not source.weights:
        return None
    here = spec.model_copy(update={"name": str(source.folder), "revision": None})
    reading = Reading(spec.layer, spec.pooling, spec.prompt)
    where = Where(placement="resident", device=device, cache=cache)  # placed: no part of the key
    return Harvest(texts, here, [reading], {}, where).stored()


def _lengths(source: Source, texts: list[str], *, max_tokens: int) -> tuple[np.ndarray, bool]:
    """Tokens of each text, and whether a tokenizer counted them."""
    from tcf.encode.backends.loading import load_tokenizer
    from tcf.encode.backends.tokens import Tokens

    if not texts:
        return np.zeros(0, np.int64), True
    if source.folder is not None:
        try:
            tokenizer = load_tokenizer(source.folder)
        except EncoderError:
            pass  # a config alone is enough for a plan
        else:
            return Tokens.of(tokenizer, texts, max_tokens=max_tokens).lengths, True
    characters = np.fromiter(map(len, texts), float, len(texts))
    tokens = np.ceil(characters / _CHARACTERS_A_TOKEN) + _SPECIAL_TOKENS
    return np.minimum(tokens, max_tokens).astype(np.int64), False
