"""The three methods that make an object an encoder, and what a harvest asks of a transformer."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

__all__ = ["Backend", "Reader", "Reading"]


@runtime_checkable
class Backend(Protocol):
    """What `encode_items` asks of an encoder; any object with these methods can be passed as one.

    The prompt, the dedupe of identical texts, normalisation, the store and the order of the result
    are the caller's work, so a backend only turns texts into vectors.
    """

    def identity(self) -> dict[str, Any]:
        """Return everything that shapes a vector besides its text, as a JSON-able dict.

        Two backends with equal identities must give equal vectors: the store's key is its hash.
        Names and paths do not belong in it; hashes of weights do.
        """
        ...

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ``(positions, vectors)`` until every wanted text has its vector, in any order.

        ``texts`` are all distinct texts of the call, so that batches can be cut from the whole plan
        and an interrupted call cuts them alike; ``wanted`` is ``(n,)`` int, the places in ``texts``
        that need a vector. ``positions`` is ``(B,)`` int, places in ``texts``; ``vectors`` is
        ``(B, E)`` float. Yielding often is what lets finished work survive a crash.
        """
        ...

    def parameters(self) -> dict[str, int]:
        """Count what shapes a vector: ``{"total": ..., "without_embeddings": ...}``.

        Empty where nobody knows: tables then leave the place blank, and a plot over parameters
        says that it needs the number.
        """
        ...


class Reading(NamedTuple):
    """One way to read an encoder; the key of each matrix that a harvest returns.

    Attributes:
        layer: As in `encode_items`.
        pooling: As in `encode_items`; None is the encoder's own.
        prompt: As in `encode_items`.
    """

    layer: int = -1
    pooling: str | None = None
    prompt: str = "{text}"


class Reader(Protocol):
    """A transformer that many readings share, so that one pass over the texts serves them all."""

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray, readings: Sequence[Reading]
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Yield ``(positions, vectors)``, one ``(B, E)`` float32 array a reading.

        ``texts`` and ``wanted`` are those of `Backend.encode`; a reading's prompt is already
        around the texts, and its pooling is never None.
        """
        ...

    def parameters(self, layer: int) -> dict[str, int]:
        """Count the parameters used up to a layer, as `Backend.parameters` does."""
        ...
