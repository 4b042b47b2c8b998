"""Vectors as a few codes each, coarse to fine: residual quantisation. Loads no torch."""

from typing import Any

import numpy as np

__all__ = ["num_sharing", "residual_codes"]

_MAX_ROUNDS = 20  # of k-means: on 19,158 titles read with MiniLM further ones gain nothing


def residual_codes(
    vectors: np.ndarray, *, num_levels: int, num_codes: int, fit_on: np.ndarray, seed: int
) -> np.ndarray:
    """Return each vector's codes: its nearest centre, then that of what is left, and so on.

    The centres of a level are those of k-means, fitted on the different residuals of the rows
    ``fit_on``, each counting as often as it occurs; where a deeper level has fewer of these than
    ``num_codes``, it has as many codes. One thread and ``seed`` decide everything.

    Args:
        vectors: ``(N, E)`` float32.
        num_levels: Codes of a vector L.
        num_codes: Different codes of a level.
        fit_on: ``(n,)`` rows to fit on; all others are only looked up.
        seed: Draws the vectors from which k-means starts.

    Returns:
        ``(N, L)`` int64, each in [0, num_codes).

    Raises:
        ValueError: If a number is below 1, or ``num_codes`` exceeds the number of different vectors
            to fit on.

    Source: residual vector quantisation (Juang & Gray, ICASSP 1982).
    """
    for name, value in (("num_levels", num_levels), ("num_codes", num_codes)):
        if value < 1:
            raise ValueError(f"residual codes need {name} of at least 1; got {value}")
    different = len(np.unique(vectors[fit_on], axis=0))
    if num_codes > different:
        raise ValueError(
            f"num_codes must be at most the number of different vectors to fit on, {different} of "
            f"{len(fit_on)} training items; got {num_codes}: take fewer codes and more levels"
        )
    left, codes = np.array(vectors, np.float32, order="C"), []
    for _ in range(num_levels):
        chosen, centres = _nearest(left, num_codes=num_codes, fit_on=fit_on, seed=seed)
        codes.append(chosen)
        left -= centres[chosen]
    return np.stack(codes, axis=1)


def num_sharing(codes: np.ndarray) -> int:
    """Return how many rows of ``(N, L)`` codes have another row with the same ones."""
    _, counts = np.unique(codes, axis=0, return_counts=True)
    return int(counts[counts > 1].sum())


def _nearest(
    left: np.ndarray, *, num_codes: int, fit_on: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(N,)`` codes of one level and its ``(num_codes, E)`` centres."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    points, counts = np.unique(left[fit_on], axis=0, return_counts=True)
    # starting from random vectors is as good here as k-means++, at a third of the time
    settings: Any = {"init": "random", "n_init": 1, "max_iter": _MAX_ROUNDS, "random_state": seed}
    means = KMeans(min(num_codes, len(points)), **settings)
    with threadpool_limits(1):  # threads add up in any order
        means.fit(points, sample_weight=counts)
        return np.asarray(means.predict(left), np.int64), means.cluster_centers_
