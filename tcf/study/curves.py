"""A metric at several sizes, and how its means vary with users and seeds. Loads no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS

__all__ = ["SCATTER", "Curve"]

Floats = NDArray[np.float64]

MIN_SIZES = 4
SCATTER = "scatter around the curve; no seeds, no users"
_TINY = 1e-12  # share of the variance that keeps a covariance regular
_CHUNK = 1 << 24  # counts of users in memory at a time


@dataclass(frozen=True, eq=False)
class Curve:
    """Means of a metric over sizes, and of a baseline without a size, measured on the same users.

    The covariance of the means has two parts. All arms met the same users, so the users' part is
    shared: the covariance over users of their means over seeds, divided by their number. The seeds'
    part is independent: the variance between seeds, divided by the seeds. It is pooled over all
    arms, which two seeds each suffice for, and freed of the chance of user times seed, which is in
    the users' part already (Owen & Eckles, Annals of Applied Statistics, 2012, for the crossed
    design). Arms of one seed lend the pooled variance; one seed everywhere leaves the users alone.

    Attributes:
        sizes: ``(n,)``, ascending.
        means: ``(n,)``, or ``(n + 1,)`` with the baseline last.
        users: ``(num_users, n [+ 1])`` of each user the mean over seeds; None for numbers alone.
        num_seeds: ``(n [+ 1],)``.
        seed_variance: Between the seeds' means, of one seed; 0 where every arm has one.
        seed_df: Its degrees of freedom; 0 likewise.
        shared: What of ``seed_variance`` is user times seed.
    """

    sizes: Floats
    means: Floats
    users: Floats | None
    num_seeds: NDArray[np.int64]
    seed_variance: float
    seed_df: int
    shared: float

    @classmethod
    def of(
        cls, sizes: ArrayLike, values: Sequence[Any], *, baseline: ArrayLike | None = None
    ) -> "Curve":
        """Check and collect what was measured; sizes may come in any order.

        Args:
            sizes: ``(n,)``, at least four different positive numbers.
            values: ``(num_seeds, num_users)`` for each size, the same users in the same order, or
                for each size one number alone.
            baseline: Likewise, of what has no size, such as item IDs.

        Raises:
            ValueError: If sizes or values are not of this form, values are not finite or not in
                [0, 1], or arms have different numbers of users.
        """
        ns = _checked_sizes(sizes, len(values))
        order = np.argsort(ns)
        names = [f"values at size {n:g}" for n in ns] + ["baseline"]
        given = [*values, *([] if baseline is None else [baseline])]
        arms = [_checked_arm(arm, name) for arm, name in zip(given, names, strict=False)]
        _check_alike(arms, names)
        arms = [arms[i] for i in order] + arms[len(ns) :]
        means = np.array([arm.mean() for arm in arms])
        num_seeds = np.array([max(1, len(arm)) if arm.ndim else 1 for arm in arms])
        users = np.stack([arm.mean(0) for arm in arms], 1) if arms[0].ndim else None
        return cls(ns[order], means, users, num_seeds, *_between_seeds(arms, num_seeds))

    @property
    def num_users(self) -> int | None:
        """Users of every arm; None for numbers alone."""
        return None if self.users is None else len(self.users)

    @property
    def log_sizes(self) -> Floats:
        """Natural logarithms, ``(n,)``."""
        return np.log(self.sizes)

    @property
    def heights(self) -> Floats:
        """Means at the sizes, ``(n,)``."""
        return self.means[: len(self.sizes)]

    @property
    def baseline(self) -> float | None:
        """Mean of the baseline."""
        return float(self.means[-1]) if len(self.means) > len(self.sizes) else None

    @property
    def about(self) -> str:
        """What the covariance is about: new users, or new seeds as well."""
        if self.users is None:
            return SCATTER
        return NEW_SEEDS if self.seed_df else NEW_USERS

    @cached_property
    def covariance(self) -> Floats:
        """Of ``means``; only where there are users."""
        table = self._table()
        of_users = np.cov(table, rowvar=False) / len(table)
        return of_users + np.diag(self._seed_part(np.float64(self.seed_variance)))

    def noise(self, num_parameters: int, residual_sum: float) -> tuple[Floats, float]:
        """Covariance of ``means`` and its degrees of freedom, of the slope over log sizes.

        From numbers alone that is the scatter around a form of ``num_parameters``, and a baseline
        is taken as exact; else the form does not matter.
        """
        num_sizes = len(self.sizes)
        if self.users is None:
            df = num_sizes - num_parameters
            variance = np.zeros(len(self.means))
            variance[:num_sizes] = residual_sum / df
            covariance = np.diag(variance)
        else:
            contrast = np.zeros(len(self.means))
            contrast[:num_sizes] = self.log_sizes - self.log_sizes.mean()
            covariance, df = self.covariance, self.df(contrast)
        least = max(_TINY * covariance.diagonal().max(), np.finfo(float).tiny ** 0.5)
        return covariance + least * np.eye(len(covariance)), df

    def df(self, contrast: Floats) -> float:
        """Degrees of freedom of the variance of ``contrast @ means``.

        Source: Satterthwaite, Biometrics Bulletin (1946).
        """
        if not self.seed_df:
            return float(len(self._table()) - 1)
        whole = contrast @ self.covariance @ contrast
        seeds = contrast**2 @ (self.seed_variance / self.num_seeds)
        users = max(0.0, whole - seeds)
        spread = seeds**2 / self.seed_df + users**2 / (len(self._table()) - 1)
        return float(whole**2 / spread) if spread else np.inf

    def draw(self, num_resamples: int, *, rng: np.random.Generator) -> Floats:
        """Draw what ``means`` might have been; ``(num_resamples, n [+ 1])``.

        Users are drawn with replacement, once for all arms. Seeds are too few to be drawn: theirs
        is a normal error with a variance drawn from its own uncertainty, s² df / chi²(df).

        Source: Efron & Tibshirani (1993); Gelman et al., Bayesian Data Analysis (2013), chapter 3.
        """
        table = self._table()
        num_users = len(table)
        means = np.empty((num_resamples, table.shape[1]))
        rows = max(1, _CHUNK // num_users)
        for start in range(0, num_resamples, rows):
            size = min(rows, num_resamples - start)
            counts = np.empty((size, num_users))
            for row in counts:
                row[:] = np.bincount(rng.integers(num_users, size=num_users), minlength=num_users)
            means[start : start + size] = counts @ table / num_users
        if self.seed_df:
            chi2 = rng.chisquare(self.seed_df, (num_resamples, 1))
            spread = np.sqrt(self._seed_part(self.seed_variance * self.seed_df / chi2))
            means += spread * rng.standard_normal(means.shape)
        return means

    def _seed_part(self, variance: Any) -> Floats:
        return np.maximum(0.0, variance - self.shared) / self.num_seeds

    def _table(self) -> Floats:
        if self.users is None:
            raise ValueError("numbers alone have no covariance: give values of users and seeds")
        return self.users


def _checked_sizes(sizes: ArrayLike, num_values: int) -> Floats:
    ns = np.asarray(sizes, np.float64)
    if ns.ndim != 1 or len(ns) != num_values:
        raise ValueError(
            f"sizes and values must be as long as each other; got {ns.shape} and {num_values}"
        )
    if not (np.isfinite(ns) & (ns > 0)).all():
        bad = ns[~(np.isfinite(ns) & (ns > 0))][0]
        raise ValueError(f"sizes must be positive and finite; got {bad:g}")
    found, counts = np.unique(ns, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"each size must be given once; got {found[counts > 1][0]:g} "
            f"{counts.max()} times: average its arms or choose one of them"
        )
    if len(ns) < MIN_SIZES:
        raise ValueError(
            f"a curve needs at least {MIN_SIZES} sizes, got {len(ns)}: with fewer, even the "
            "constant and its scatter leave nothing to judge them by"
        )
    return ns


def _checked_arm(arm: ArrayLike, name: str) -> Floats:
    values = np.asarray(arm, np.float64)
    if values.ndim not in (0, 2) or not values.size:
        raise ValueError(
            f"{name} must be (num_seeds, num_users) or one number; got shape {values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite; got {values[~np.isfinite(values)].flat[0]}")
    if values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"{name} must lie in [0, 1], a fraction and not per cent; "
            f"got {values.min():g} to {values.max():g}"
        )
    return values


def _check_alike(arms: list[Floats], names: list[str]) -> None:
    """Raise unless all arms are numbers, or all have the same number of users."""
    for arm, name in zip(arms, names, strict=False):
        if arm.ndim != arms[0].ndim:
            raise ValueError(
                f"{names[0]} and {name} must both be numbers or both (num_seeds, num_users); "
                f"got shapes {arms[0].shape} and {arm.shape}"
            )
        if arm.shape[1:] != arms[0].shape[1:]:
            raise ValueError(
                f"all arms must be measured on the same users; {names[0]} have "
                f"{arms[0].shape[1]:,} users, {name} {arm.shape[1]:,}"
            )


def _between_seeds(arms: list[Floats], num_seeds: NDArray[np.int64]) -> tuple[float, int, float]:
    """Pooled variance between seeds, its degrees of freedom, and what of it is user times seed."""
    df = int((num_seeds - 1).sum())
    several = [arm for arm in arms if arm.ndim and len(arm) > 1]
    if not df:
        return 0.0, 0, 0.0
    squares = sum(((arm.mean(1) - arm.mean()) ** 2).sum() for arm in several)
    shared = 0.0
    for arm in several:
        num_users = arm.shape[1]
        residuals = ((arm - arm.mean(0)) ** 2).sum() - num_users * (
            (arm.mean(1) - arm.mean()) ** 2
        ).sum()
        shared += residuals / (num_users - 1) / num_users if num_users > 1 else 0.0
    return float(squares / df), df, float(shared / df)
