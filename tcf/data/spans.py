"""Pieces of flat arrays: where the elements of several spans lie. Loads no torch."""

import numpy as np

__all__ = ["span_places"]


def span_places(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the place of every element of the spans ``starts[n]:ends[n]``, span after span.

    Args:
        starts: ``(n,)`` int.
        ends: ``(n,)`` int, none before its start.

    Returns:
        ``(sum of the lengths,)`` int64.
    """
    lengths = ends - starts
    found = np.repeat((starts - (np.cumsum(lengths) - lengths)).astype(np.int64), lengths)
    found += np.arange(len(found))
    return found
