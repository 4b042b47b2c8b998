"""Where the error of a mean over seeds and users comes from, and how far it may reach. No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Components",
    "checked_values",
    "components",
    "difference_components",
    "differences",
    "user_components",
]

_DECIMALS = 12  # of a difference: what is beyond them is the rounding of a mean over seeds
_SMALLEST_P = 1e-100


@dataclass(frozen=True)
class Components:
    """Squared standard errors of a mean: of drawing other users, and of training again.

    Runs on the same users are a crossed design: a user's own difficulty is shared by all seeds, a
    seed's own luck by all users, and what is left belongs to one run and user. The mean over S
    seeds and n users has the variance ``users + seeds``, where ``users`` is the variance of the
    users' means over seeds, divided by n, and ``seeds`` the variance of the seeds' means, divided
    by S, less what is left: that is in ``users`` already.

    Attributes:
        users: Known well, from n users: the normal quantile belongs to it.
        seeds: Known badly, from S numbers: Student's t belongs to it.
        degrees: Of freedom of ``seeds``.

    Source: Searle, Casella & McCulloch, Variance Components (1992), for the crossed design; Zou &
    Donner, Statistics in Medicine (2008), for adding half-widths (MOVER).
    """

    users: float
    seeds: float
    degrees: float

    def half_width(self, level: float) -> float:
        """Return half the width of the interval of this level: both half-widths in quadrature."""
        return self._reach(1 - level)

    def p_value(self, distance: float) -> float:
        """Return the two-sided p of a mean this far from what is tested.

        It is 1 - level of the interval that just reaches so far: interval and test always agree.
        Below 1e-100 it stays there; where nothing varies it is 1 at no distance and 0 elsewhere.
        """
        from scipy.optimize import root_scalar

        if distance == 0 or self.users + self.seeds == 0:
            return 1.0 if distance == 0 else 0.0
        if self._reach(_SMALLEST_P) <= abs(distance):
            return _SMALLEST_P
        # the logarithm of p, so that a small one is as exact as a large one
        found = root_scalar(
            lambda log_p: self._reach(np.exp(log_p)) - abs(distance),
            bracket=(np.log(_SMALLEST_P), 0),
        )
        return float(np.exp(found.root))

    def _reach(self, p: float) -> float:
        """Return half the width of the interval of level ``1 - p``."""
        from scipy.special import ndtri, stdtrit

        of_users = ndtri(p / 2) ** 2 * self.users
        of_seeds = stdtrit(self.degrees, p / 2) ** 2 * self.seeds if self.seeds else 0.0
        return float(np.sqrt(of_users + of_seeds))


def components(values: ArrayLike) -> Components:
    """Return the components of the mean of one arm.

    Args:
        values: ``(num_seeds, num_users)``, at least two of each.
    """
    runs = checked_values(values, "values")
    seeds, left = _of_seeds(runs)
    return Components(_of_users(runs.mean(0)), max(seeds - left, 0.0), len(runs) - 1)


def difference_components(a: ArrayLike, b: ArrayLike) -> Components:
    """Return the components of the mean of ``a - b``, users paired and seeds not.

    The degrees of freedom are Welch's: the two arms need not be equally sensitive to their seed.

    Args:
        a, b: ``(num_seeds, num_users)`` each, the same users; at least two seeds of each.

    Source: as `Components`; Welch, Biometrika (1947).
    """
    runs = [checked_values(a, "a"), checked_values(b, "b")]
    parts = [_of_seeds(x) for x in runs]
    shares = [seeds / sum(seeds for seeds, _ in parts) if seeds else 0.0 for seeds, _ in parts]
    inverse = sum(share**2 / (len(x) - 1) for share, x in zip(shares, runs, strict=True))
    degrees = 1 / inverse if inverse else float(min(map(len, runs)) - 1)
    seeds = sum(seeds - left for seeds, left in parts)
    return Components(_of_users(differences(*runs)), max(seeds, 0.0), degrees)


def differences(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each user's mean over seeds differs by, ``(num_users,)``, to twelve decimals.

    The mean of three times 0.1 is not the mean of five times 0.1; rounded, equal arms are equal.
    """
    return (a.mean(0) - b.mean(0)).round(_DECIMALS)


def user_components(values: ArrayLike) -> Components:
    """Return the components of a mean over users where no seed varies: ``(num_users,)`` values."""
    return Components(_of_users(checked_values(values, "values").mean(0)), 0.0, 1.0)


def checked_values(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return ``(num_seeds, num_users)`` values; one dimension is one seed.

    Raises:
        ValueError: If there is none, or one is not finite.
    """
    array = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"{name} must be (num_seeds, num_users) and not empty; got shape {np.shape(values)}"
        )
    if not np.isfinite(array).all():
        seed, user = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(
            f"{name} must be finite; got {array[seed, user]} for user {user} of seed {seed}"
        )
    return array


def _of_users(means: NDArray[np.float64]) -> float:
    return float(means.var(ddof=1) / len(means)) if len(means) > 1 else 0.0


def _of_seeds(runs: NDArray[np.float64]) -> tuple[float, float]:
    """Return the variance of the seeds' means over S, and the share of it that is left over."""
    num_seeds, num_users = runs.shape
    means = runs.mean(1)
    rest = runs - runs.mean(0) - (means - means.mean())[:, None]
    freedom = (num_seeds - 1) * max(num_users - 1, 1)
    return float(means.var(ddof=1) / num_seeds), float((rest**2).sum() / freedom / runs.size)
