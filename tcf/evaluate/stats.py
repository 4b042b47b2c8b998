"""Intervals that name their question: trained models on new users, or new seeds and new users.

Two questions are told apart. *These trained models on new users*: the models stay as they are and
only the users vary (`bootstrap_mean`). *New seeds and new users*: the models are trained again as
well (`mean_interval`, from three seeds on). The second is what a comparison of encoders asks for;
the first is all that fewer than three seeds can give.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcf.evaluate.components import checked_values, components

__all__ = [
    "NEW_SEEDS",
    "NEW_USERS",
    "Interval",
    "bootstrap_mean",
    "hierarchical_bootstrap",
    "mean_interval",
]

NEW_USERS = "these trained models on new users"
NEW_SEEDS = "new seeds and new users"
MIN_SEEDS = 3  # one degree of freedom gives a t quantile of 12.7, which says nothing
_MAX_DISTINCT = 1024  # up to here counts of distinct values are the faster way to resample
_CHUNK = 1 << 20  # numbers in memory at a time when every user is drawn


@dataclass(frozen=True)
class Interval:
    """A mean and the interval around it.

    Attributes:
        mean: The estimate.
        low: Lower end.
        high: Upper end.
        level: Nominal coverage, such as 0.95.
        about: What varies when the experiment is repeated, in words.
    """

    mean: float
    low: float
    high: float
    level: float
    about: str


def bootstrap_mean(
    values: ArrayLike, *, seed: int, level: float = 0.95, num_resamples: int = 1000
) -> Interval:
    """Percentile-bootstrap interval over users of the mean of a per-user metric.

    Where the values are few (HR@k takes two, NDCG@k about k), a resample is drawn as the counts of
    the distinct values: a multinomial, which is the bootstrap's own distribution at a fraction of
    its cost. Otherwise users are drawn in chunks. The order of the users does not matter.

    Args:
        values: ``(num_users,)`` float, one number a user, such as NDCG@10.
        seed: Seed of the resampling; the same seed gives the same interval.
        level: Nominal coverage, between 0 and 1.
        num_resamples: Resamples drawn.

    Returns:
        The interval about "these trained models on new users".

    Raises:
        ValueError: If ``values`` is empty, not one-dimensional or not finite, or an argument is out
            of range.

    Source: Efron & Tibshirani (1993), chapter 13.
    """
    users = _checked(values, "values")
    check_level(level)
    _check_resamples(num_resamples)
    rng = np.random.default_rng(seed)
    distinct, counts = np.unique(users, return_counts=True)
    if len(distinct) <= _MAX_DISTINCT:
        draws = rng.multinomial(len(users), counts / len(users), size=num_resamples)
        means = draws @ distinct / len(users)
    else:
        means = _resampled_means(np.sort(users), num_resamples=num_resamples, rng=rng)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(users.mean()), float(low), float(high), level, NEW_USERS)


def mean_interval(values: ArrayLike, *, seed: int, level: float = 0.95) -> Interval:
    """Interval of an arm's mean: for new seeds and new users where there are three seeds.

    Three seeds and more: variance components of users and seeds (`Components`). Fewer say next to
    nothing about seeds, and the interval is the bootstrap over users of their means over seeds. How
    often each holds is measured in experiments/truth.

    Args:
        values: ``(num_seeds, num_users)`` fractions, the same users for every seed; one dimension
            is one seed.
        seed: Of the bootstrap.
        level: Nominal coverage, between 0 and 1.

    Returns:
        The interval, cut to [0, 1].

    Raises:
        ValueError: If there is no value, one is not finite or outside [0, 1], or ``level`` is out
            of range.
    """
    runs = checked_values(values, "values")
    check_level(level)
    if runs.min() < 0 or runs.max() > 1:
        raise ValueError(f"values must lie in [0, 1]; got {runs.min():g} to {runs.max():g}")
    if len(runs) < MIN_SEEDS:
        return bootstrap_mean(runs.mean(0), seed=seed, level=level)
    mean, half = float(runs.mean()), components(runs).half_width(level)
    return Interval(mean, max(0.0, mean - half), min(1.0, mean + half), level, NEW_SEEDS)


def hierarchical_bootstrap(
    values: ArrayLike, *, seed: int, level: float = 0.95, num_resamples: int = 1000
) -> Interval:
    """Percentile interval over seeds and users drawn with replacement: for comparison only.

    Where seeds are few and loud it is too narrow: a resample of S seeds varies by (S - 1) / S of
    what they do, and has no heavier tail for it. Where they are quiet it is too wide: what is left
    of a run and user enters with the users and again with the seeds (docs/decisions/0017, and
    experiments/truth).

    Args:
        values: ``(num_seeds, num_users)``.
        seed: Of the resampling.
        level: Nominal coverage.
        num_resamples: Resamples drawn.

    Raises:
        ValueError: If there is no value, one is not finite, or an argument is out of range.

    Source: Davison & Hinkley, Bootstrap Methods and their Application (1997), section 3.8.
    """
    runs = checked_values(values, "values")
    check_level(level)
    _check_resamples(num_resamples)
    num_seeds, num_users = runs.shape
    rng = np.random.default_rng(seed)
    means = np.empty(num_resamples)
    for n in range(num_resamples):
        seeds = np.bincount(rng.integers(num_seeds, size=num_seeds), minlength=num_seeds)
        users = np.bincount(rng.integers(num_users, size=num_users), minlength=num_users)
        means[n] = seeds @ (runs @ users) / runs.size
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(runs.mean()), float(low), float(high), level, NEW_SEEDS)


def _resampled_means(
    users: NDArray[np.float64], *, num_resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Means ``(num_resamples,)`` of users drawn with replacement, a bounded number at a time."""
    rows = max(1, _CHUNK // len(users))
    means = np.empty(num_resamples)
    for start in range(0, num_resamples, rows):
        size = min(rows, num_resamples - start)
        means[start : start + size] = users[rng.integers(len(users), size=(size, len(users)))].mean(
            1
        )
    return means


def _checked(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array: NDArray[Any] = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"{name} must be one-dimensional and not empty; got shape {array.shape}")
    if not np.isfinite(array).all():
        bad = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite; got {array[bad]} at position {bad}")
    return array


def check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1; got {level}")


def _check_resamples(num_resamples: int) -> None:
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be at least 1; got {num_resamples}")
