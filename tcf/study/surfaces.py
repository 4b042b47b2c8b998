"""fit_surface(): a metric against size and amount of data together. Loads no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcf.evaluate.stats import Interval
from tcf.study.curve_fit import Misfit
from tcf.study.curves import Curve

__all__ = ["Surface", "fit_surface"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Surface:
    """``value = a + b x + c y + d x y``, x and y decimal logs of size and data over their means.

    So b is what a tenfold size adds at the middle amount of data, c what tenfold data add at the
    middle size, and d how much more a tenfold size adds with tenfold data; d is the same whatever x
    and y are taken over.

    Attributes:
        intervals: By name, ``"a"`` to ``"d"``.
        p: Likewise, two-sided, of a coefficient of 0.
        middle: Geometric means of the sizes and of the data.
        misfit: Of the plane so bent, against what users and seeds explain; None where four cells
            leave nothing to judge it by.
    """

    intervals: dict[str, Interval]
    p: dict[str, float]
    middle: tuple[float, float]
    misfit: Misfit | None


def fit_surface(
    sizes: ArrayLike, amounts: ArrayLike, values: Sequence[Any], *, level: float = 0.95
) -> Surface:
    """Fit a metric over sizes and amounts of data: does what size adds grow with data?

    By least squares; intervals by the t quantile of a coefficient's own variance, over new users
    and, where cells have several seeds, new seeds (`Curve`). They hold no form to be true.

    Args:
        sizes: ``(n,)`` of the cells' encoders.
        amounts: ``(n,)`` of the data each cell was trained on, in users say.
        values: For each cell ``(num_seeds, num_users)`` in [0, 1], the same users in the same
            order: cells are tested on the same, whatever they were trained on.
        level: Nominal coverage, between 0 and 1.

    Raises:
        ValueError: If sizes or amounts are not positive, or do not vary apart, or values are not of
            this form.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1; got {level}")
    (x, size), (y, amount) = (
        _logs(given, name, len(values)) for given, name in ((sizes, "sizes"), (amounts, "amounts"))
    )
    design = np.stack([np.ones_like(x), x, y, x * y], 1)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError(
            "a surface needs two sizes and two amounts at least, each size with each amount; got "
            f"sizes {_distinct(sizes)} and amounts {_distinct(amounts)} in {len(x)} cells"
        )
    curve = Curve.of(np.arange(1, len(x) + 1), values)  # cells by number: order is all it is for
    if curve.users is None:
        raise ValueError("a surface needs values of users and seeds; got numbers alone")
    covariance, _ = curve.noise(design.shape[1], 0.0)
    fits = {
        name: _coefficient(weights, curve, covariance, level)
        for name, weights in zip("abcd", np.linalg.pinv(design), strict=True)
    }
    return Surface(
        intervals={name: interval for name, (interval, _) in fits.items()},
        p={name: p for name, (_, p) in fits.items()},
        middle=(size, amount),
        misfit=_misfit(design, curve, covariance),
    )


def _logs(given: ArrayLike, name: str, num_cells: int) -> tuple[Floats, float]:
    """Return decimal logarithms over their mean, and the geometric mean itself."""
    numbers = np.asarray(given, np.float64)
    if numbers.shape != (num_cells,):
        raise ValueError(f"{name} must be one for each of {num_cells} cells; got {numbers.shape}")
    if not (np.isfinite(numbers) & (numbers > 0)).all():
        raise ValueError(f"{name} must be positive and finite; got {numbers.min():g}")
    logs = np.log10(numbers)
    return logs - logs.mean(), float(10 ** logs.mean())


def _distinct(given: ArrayLike) -> str:
    return ", ".join(f"{number:g}" for number in np.unique(np.asarray(given, np.float64)))


def _coefficient(
    weights: Floats, curve: Curve, covariance: Floats, level: float
) -> tuple[Interval, float]:
    from scipy.special import stdtr, stdtrit

    value, df = float(weights @ curve.means), curve.df(weights)
    error = float(np.sqrt(weights @ covariance @ weights))
    half = float(stdtrit(df, (1 + level) / 2)) * error
    interval = Interval(value, value - half, value + half, level, curve.about)
    return interval, 2 * float(stdtr(df, -abs(value) / error))


def _misfit(design: Floats, curve: Curve, covariance: Floats) -> Misfit | None:
    """Judge what the surface leaves by generalised least squares."""
    from scipy.special import fdtrc

    left = len(design) - design.shape[1]
    if not left:
        return None
    root = np.linalg.cholesky(covariance)
    whitened, means = np.linalg.solve(root, design), np.linalg.solve(root, curve.means)
    residuals = means - whitened @ np.linalg.lstsq(whitened, means)[0]
    ratio = float(residuals @ residuals) / left
    return Misfit(ratio, float(fdtrc(left, curve.df(np.linalg.pinv(design)[-1]), ratio)))
