"""The three methods that make an object an encoder."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np


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

    def encode(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ``(positions, vectors)`` until every text has its vector, in any order.

        ``positions`` is ``(B,)`` int, places in ``texts``; ``vectors`` is ``(B, E)`` float.
        Yielding often is what lets finished work survive a crash.
        """
        ...

    def parameters(self) -> dict[str, int]:
        """Count what shapes a vector: ``{"total": ..., "without_embeddings": ...}``."""
        ...
