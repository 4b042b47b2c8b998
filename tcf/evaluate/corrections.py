"""p-values of many comparisons, corrected for their number. Loads no torch, and no SciPy.

scipy.stats has `benjamini_hochberg`, and takes half a second to load, which every table would wait
for; a test holds ours to it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["benjamini_hochberg", "holm"]


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Return p-values that hold all together: below 0.05, the chance of any error is below 0.05.

    Args:
        p: ``(num_comparisons,)`` p-values of any dependence.

    Returns:
        ``(num_comparisons,)`` adjusted p-values, in the order given.

    Raises:
        ValueError: If a p-value is not in [0, 1].

    Source: Holm, Scandinavian Journal of Statistics (1979).
    """
    values = _checked(p)
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return adjusted


def benjamini_hochberg(p: ArrayLike) -> NDArray[np.float64]:
    """Return p-values that bound the share of errors: of those below 0.05, 5% are false.

    Args, returns, raises: as `holm`; for p-values that are independent or positively dependent.

    Source: Benjamini & Hochberg, Journal of the Royal Statistical Society B (1995).
    """
    values = _checked(p)
    order = np.argsort(values, kind="stable")[::-1]
    factors = len(values) / np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum.accumulate(values[order] * factors)
    return np.minimum(adjusted, 1)


def _checked(p: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p-values must be one-dimensional and lie in [0, 1]; got {values}")
    return values
