"""Intervals of a saturating curve that stay true where it is hardly bent. Loads no torch.

At a fixed exponent a power law is linear, so anything linear in its other parameters (its value at
a size, its ceiling, its distance from a baseline) has a mean and a variance there. What a
likelihood ratio accepts is the union over the exponents of what each accepts, less what the
exponent itself costs. The logarithm is the exponent 0. Such a set may be unbounded, like Fieller's.

Source: Venzon & Moolgavkar, Applied Statistics (1988), for profiles; Fieller (1954) for such sets.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Profile", "profile"]

Floats = NDArray[np.float64]

_POINTS = 160
_PASSES = 3  # each narrows the grid to what the last accepted
_LOGARITHM = 1e-9  # an exponent so small that nothing is told from a logarithm


@dataclass(frozen=True, eq=False)
class Profile:
    """Generalised least squares at every exponent that the data accept.

    Parameters are ``alpha + beta (1 - (N / N1)^-b) / b`` with N1 the smallest size, which is the
    power law with the ceiling ``alpha + beta / b``, and the baseline where there is one.

    Attributes:
        log_first: Logarithm of N1.
        exponents: ``(B,)``, ascending.
        excess: ``(B,)``, chi-square above its least.
        estimates: ``(B, p)``.
        covariances: ``(B, p, p)``.
        threshold: Of the excess.
        least: The least chi-square.
    """

    log_first: float
    exponents: Floats
    excess: Floats
    estimates: Floats
    covariances: Floats
    threshold: float
    least: float

    def exponent(self, allowed: tuple[float, float]) -> tuple[float, float]:
        """Ends of the accepted exponents: 0 and infinity stand for those of the range allowed."""
        accepted = self.exponents[self.excess <= self.threshold]
        low, high = float(accepted[0]), float(accepted[-1])
        return (
            0.0 if low <= allowed[0] * 1.001 else low,
            np.inf if high >= allowed[1] / 1.001 else high,
        )

    def ceiling(self) -> tuple[float, float]:
        """Ends of the ceiling, within [0, 1]."""
        low, high = self._ends(self._contrast(1 / self.exponents)[None])
        return float(low[0].clip(0, 1)), float(high[0].clip(0, 1))

    def heights(self, log_sizes: Floats) -> tuple[Floats, Floats]:
        """Ends of the curve at sizes, ``(m,)`` each, within [0, 1]."""
        bent = _bent(self.exponents, np.asarray(log_sizes) - self.log_first)  # (B, m)
        low, high = self._ends(np.stack([self._contrast(one) for one in bent.T]))
        return low.clip(0, 1), high.clip(0, 1)

    def gaps(self, log_sizes: Floats) -> tuple[Floats, Floats]:
        """Ends of the curve less the baseline at sizes, ``(m,)`` each."""
        bent = _bent(self.exponents, np.asarray(log_sizes) - self.log_first)
        return self._ends(np.stack([self._contrast(one, baseline=-1.0) for one in bent.T]))

    def meeting(self, first: float, last: float) -> tuple[float, float]:
        """Ends of the log sizes from ``first`` to ``last`` at which the gap may be nothing.

        Both are infinite where there is no such size.
        """
        for _ in range(_PASSES):
            at = np.linspace(first, last, _POINTS)
            low, high = self.gaps(at)
            accepted = np.flatnonzero((low <= 0) & (high >= 0))
            if not len(accepted):  # between two points, or nowhere
                accepted = np.flatnonzero(np.diff(np.sign(low)))
                if not len(accepted):
                    return np.inf, np.inf
            first = float(at[max(accepted[0] - 1, 0)])
            last = float(at[min(accepted[-1] + 1, _POINTS - 1)])
        return first, last

    def _contrast(self, of_beta: Floats, *, baseline: float = 0.0) -> Floats:
        contrast = np.zeros_like(self.estimates)
        contrast[:, 0], contrast[:, 1] = 1, of_beta
        contrast[:, 2:] = baseline
        return contrast

    def _ends(self, contrasts: Floats) -> tuple[Floats, Floats]:
        """Union over the exponents, ``(m,)`` each, for contrasts ``(m, B, p)``."""
        left = self.threshold - self.excess
        centre = np.einsum("mbp,bp->mb", contrasts, self.estimates)
        variance = np.einsum("mbp,bpq,mbq->mb", contrasts, self.covariances, contrasts)
        reach = np.sqrt(np.maximum(left, 0) * np.maximum(variance, 0))
        inside = left >= 0
        return (
            np.where(inside, centre - reach, np.inf).min(1),
            np.where(inside, centre + reach, -np.inf).max(1),
        )


def profile(
    log_sizes: Floats,
    means: Floats,
    covariance: Floats,
    *,
    threshold: float,
    exponents: tuple[float, float] | None = None,
) -> Profile:
    """Profile the exponent of a power law, or take the logarithm alone.

    Args:
        log_sizes: ``(n,)``, ascending.
        means: ``(n,)``, or ``(n + 1,)`` with a baseline last.
        covariance: Of ``means``, positive definite.
        threshold: Of chi-square above its least, such as the square of a t quantile.
        exponents: Range of the exponents; None: the logarithm.
    """
    log_first, x = float(log_sizes[0]), log_sizes - log_sizes[0]
    whiten = np.linalg.inv(np.linalg.cholesky(covariance)).astype(np.float64)
    grid = np.array([_LOGARITHM]) if exponents is None else np.geomspace(*exponents, _POINTS)
    estimates, covariances, losses = _solve(x, means, whiten, grid)
    for _ in range(_PASSES - 1 if exponents else 0):
        accepted = np.flatnonzero(losses - losses.min() <= threshold)
        low, high = grid[max(accepted[0] - 1, 0)], grid[min(accepted[-1] + 1, _POINTS - 1)]
        grid = np.geomspace(low, high, _POINTS)
        estimates, covariances, losses = _solve(x, means, whiten, grid)
    least: Floats = losses.min()
    return Profile(log_first, grid, losses - least, estimates, covariances, threshold, float(least))


def _bent(exponents: Floats, x: Floats) -> Floats:
    """``(1 - exp(-b x)) / b``, ``(B, m)``: x itself where b is small."""
    b = exponents[:, None]
    return -np.expm1(-b * x) / b


def _solve(
    x: Floats, means: Floats, whiten: Floats, exponents: Floats
) -> tuple[Floats, Floats, Floats]:
    """Least squares at each exponent: estimates, their covariances, chi-square."""
    extra = len(means) - len(x)
    design = np.zeros((len(exponents), len(means), 2 + extra))
    design[:, : len(x), 0] = 1
    design[:, : len(x), 1] = _bent(exponents, x)
    design[:, len(x) :, 2:] = np.eye(extra)
    scale = np.abs(design).max(1, keepdims=True)
    design, target = whiten @ (design / scale), whiten @ means
    gram = np.linalg.inv(design.transpose(0, 2, 1) @ design)
    estimates = np.einsum("bpq,bnq,n->bp", gram, design, target)
    residuals = target - np.einsum("bnp,bp->bn", design, estimates)
    sizes = scale[:, 0]
    covariances = gram / sizes[:, :, None] / sizes[:, None, :]
    return estimates / sizes, covariances, (residuals**2).sum(1)
