"""A curve with its fits, and the intervals of what they say. Loads no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcf._util import lookup
from tcf.evaluate.stats import Interval
from tcf.study.curves import Curve
from tcf.study.fits import Fit, LeftOut, leave_out
from tcf.study.forms import power_range
from tcf.study.profiles import Profile, profile

__all__ = ["MAX_MISFIT_P", "METHODS", "CurveFit", "Method", "Misfit", "Slope"]

Floats = NDArray[np.float64]
Method = Literal["profile", "bootstrap"]

METHODS = {"profile": "likelihood ratio", "bootstrap": "percentiles"}
MAX_MISFIT_P = 0.01  # below it the scatter of the sizes widens every profile
_BEYOND = np.log(1000.0)  # a crossing is looked for so far outside the studied sizes


@dataclass(frozen=True)
class Slope:
    """The line through the means: what a tenfold size adds.

    Attributes:
        interval: Of the slope, per tenfold size.
        p: Two-sided, of no slope.
    """

    interval: Interval
    p: float


@dataclass(frozen=True)
class Misfit:
    """How much the sizes scatter around a form, against what users and seeds explain.

    Attributes:
        ratio: Of the two variances; 1 is expected where the form is true.
        p: Of a ratio so large.
    """

    ratio: float
    p: float


@dataclass(frozen=True, eq=False)
class CurveFit:
    """A curve, the forms fitted to it, and intervals; what costs time is computed when asked for.

    Attributes:
        curve: What was measured.
        fits: By form.
        not_identifiable: The forms that were not fitted, with the reason.
        level: Nominal coverage of every interval.
        method: How intervals of exponent, ceiling and crossing are made.
        num_resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """

    curve: Curve
    fits: dict[str, Fit]
    not_identifiable: dict[str, str]
    level: float
    method: Method
    num_resamples: int
    seed: int

    @property
    def best(self) -> Fit:
        """The form with the largest weight."""
        return max(self.fits.values(), key=lambda fit: fit.weight)

    @property
    def bent(self) -> Fit | None:
        """The form that meets the baseline: the power law, which has the logarithm as its limit.

        With too few sizes for it, the logarithm; None with too few for that.
        """
        return self.fits.get("power law") or self.fits.get("log-linear")

    @cached_property
    def slope(self) -> Slope:
        """The least-squares slope over log sizes, with the t quantile of its own variance.

        It describes a direction and holds no form to be true. From numbers alone the variance is
        their scatter around the line.
        """
        from scipy.special import stdtr, stdtrit

        x = self.curve.log_sizes - self.curve.log_sizes.mean()
        contrast = np.zeros(len(self.curve.means))
        contrast[: len(x)] = x / (x @ x) * np.log(10)
        slope = float(contrast @ self.curve.means)
        covariance, df = self.curve.noise(2, self._line_residuals(x))
        error = float(np.sqrt(contrast @ covariance @ contrast))
        half_width = float(stdtrit(df, (1 + self.level) / 2)) * error
        p = 2 * float(stdtr(df, -abs(slope) / error)) if slope else 1.0
        return Slope(self._interval(slope, slope - half_width, slope + half_width), p)

    @cached_property
    def exponent(self) -> Interval | None:
        """Of the power law; 0 as its lower end says "not told from a logarithm".

        Infinity as its upper end says "not told from a step".
        """
        fit = self.fits.get("power law")
        if fit is None:
            return None
        allowed = power_range(self.curve.log_sizes)
        if self.method == "profile":
            low, high = self._profile.exponent(allowed)
        else:
            ceilings, _, exponents = self._refitted(fit).T
            bound = (ceilings == 0) | (ceilings == 1)  # it would go on: nothing told of its bend
            low, high = self._percentiles(np.where(bound, 0.0, exponents))
            low = 0.0 if low <= allowed[0] * 1.001 else low
            high = np.inf if high >= allowed[1] / 1.001 else high
        return self._interval(fit.parameters["b"], low, high)

    @cached_property
    def ceiling(self) -> Interval | None:
        """Of the power law: where it ends for large sizes, within [0, 1]."""
        fit = self.fits.get("power law")
        if fit is None:
            return None
        if self.method == "profile":
            low, high = self._profile.ceiling()
        else:
            low, high = self._percentiles(self._refitted(fit)[:, 0])
        if self.exponent is not None and self.exponent.low == 0.0:  # a logarithm has no end
            low = low if self.slope.interval.low > 0 else 0.0
            high = high if self.slope.interval.high < 0 else 1.0
        return self._interval(fit.parameters["c"], low, high)

    @cached_property
    def crossing(self) -> Interval | None:
        """The size at which the curve meets the baseline; None without a baseline or a form.

        It is looked for from a thousandth of the smallest to a thousandfold of the largest size; 0
        and infinity stand for what lies outside. The mean is infinite, too, where the fitted curve
        never meets the baseline, and the low end where no size is accepted at all.
        """
        fit, baseline = self.bent, self.curve.baseline
        if fit is None or baseline is None:
            return None
        met = fit.form.solve(fit.row, np.array([baseline])).item()
        if self.method == "profile":
            low, high = self._profile.meeting(*self._searched)
        else:
            draws = self._draws[:, -1]
            low, high = self._percentiles(fit.form.solve(self._refitted(fit), draws))
        first, last = self._searched
        ends = np.array([met, low, high])
        ends = np.where(ends <= first, -np.inf, np.where(ends >= last, np.inf, ends))
        return self._interval(*np.exp(ends).tolist())

    @cached_property
    def misfit(self) -> Misfit | None:
        """Of the power law (else the logarithm); None from numbers alone or without such a form.

        Sizes that scatter more than users and seeds explain differ in something other than size:
        profiles are then widened by the ratio (Birge, Physical Review, 1932).
        """
        if self.bent is None or self.curve.users is None:
            return None
        from scipy.special import fdtrc

        left = len(self.curve.sizes) - len(self.bent.parameters)
        covariance, df = self.curve.noise(len(self.bent.parameters), self.bent.residual_sum)
        ratio = self._profiled(covariance, 4.0).least / left
        return Misfit(ratio, float(fdtrc(left, df, ratio)))

    def band(self, sizes: ArrayLike, *, form: str | None = None) -> tuple[Floats, Floats]:
        """Return the pointwise band of the curve.

        Args:
            sizes: ``(m,)``, positive.
            form: Whose refits' percentiles to take. None: of the power law, by `method`; its
                profile holds for a logarithm and a flat line as well, which are its limits. The
                band of whatever form AICc picks would not: with few sizes that is seldom the true
                one (experiments/truth).

        Returns:
            Ends, ``(m,)`` each. Users and seeds are drawn once for all sizes.

        Raises:
            ValueError: If the form was not fitted.
        """
        log_sizes = np.log(np.asarray(sizes, np.float64))
        if form is None and self.method == "profile" and self.bent is not None:
            return self._profile.heights(log_sizes)
        fit = (self.bent or self.best) if form is None else lookup(self.fits, form, "form")
        heights = fit.form.predict(self._refitted(fit), log_sizes)
        low, high = np.quantile(heights, [(1 - self.level) / 2, (1 + self.level) / 2], axis=0)
        return low, high

    def leave_largest_out(self) -> dict[str, LeftOut]:
        """What each form says of the largest size from the others; forms that can."""
        found = self._left_out([len(self.curve.sizes) - 1])
        return {name: outs[0] for name, outs in found.items()}

    def leave_one_out(self) -> dict[str, float]:
        """Root mean square error of each form over every size left out once; forms that can."""
        found = self._left_out(range(len(self.curve.sizes)))
        return {
            name: float(np.sqrt(np.mean([out.error**2 for out in outs])))
            for name, outs in found.items()
        }

    @property
    def verdict(self) -> str:
        """What the data say, in words."""
        from tcf.study.verdicts import verdict

        return verdict(self)

    def _left_out(self, which: Sequence[int]) -> dict[str, list[LeftOut]]:
        curve = self.curve
        found = {
            name: leave_out(fit.form, curve.log_sizes, curve.heights, which=which)
            for name, fit in self.fits.items()
        }
        return {name: outs for name, outs in found.items() if outs}

    def _interval(self, mean: float, low: float, high: float) -> Interval:
        return Interval(mean, float(low), float(high), self.level, self.curve.about)

    def _percentiles(self, drawn: Floats) -> tuple[float, float]:
        ends = [(1 - self.level) / 2, (1 + self.level) / 2]
        low, high = np.quantile(drawn, ends, method="inverted_cdf")  # infinity is a value
        return float(low), float(high)

    def _line_residuals(self, x: Floats) -> float:
        y = self.curve.heights - self.curve.heights.mean()
        return float(((y - x * (x @ y) / (x @ x)) ** 2).sum())

    @cached_property
    def _profile(self) -> Profile:
        """Of `bent`; widened where the sizes scatter more than users and seeds explain."""
        from scipy.special import stdtrit

        assert self.bent is not None
        num_parameters = len(self.bent.parameters)
        covariance, df = self.curve.noise(num_parameters, self.bent.residual_sum)
        if self.misfit is not None and self.misfit.p < MAX_MISFIT_P:
            covariance = covariance * self.misfit.ratio
            df = min(df, len(self.curve.sizes) - num_parameters)
        return self._profiled(covariance, float(stdtrit(df, (1 + self.level) / 2)) ** 2)

    def _profiled(self, covariance: Floats, threshold: float) -> Profile:
        curve = self.curve
        allowed = power_range(curve.log_sizes) if "power law" in self.fits else None
        return profile(
            curve.log_sizes, curve.means, covariance, threshold=threshold, exponents=allowed
        )

    @property
    def _searched(self) -> tuple[float, float]:
        log_sizes = self.curve.log_sizes
        return float(log_sizes[0] - _BEYOND), float(log_sizes[-1] + _BEYOND)

    @cached_property
    def _draws(self) -> Floats:
        rng = np.random.default_rng(self.seed)
        if self.curve.users is not None:
            return self.curve.draw(self.num_resamples, rng=rng)
        fit = self.bent or self.best
        covariance, df = self.curve.noise(len(fit.parameters), fit.residual_sum)
        errors = rng.standard_normal((self.num_resamples, len(covariance)))
        chi2 = rng.chisquare(df, (self.num_resamples, 1)) / df
        return self.curve.means + errors * np.sqrt(covariance.diagonal() / chi2)

    def _refitted(self, fit: Fit) -> Floats:
        """Parameters of every resample, ``(num_resamples, p)``."""
        if fit.form.name not in self._refits:
            draws = self._draws[:, : len(self.curve.sizes)]
            self._refits[fit.form.name] = fit.form.fit(self.curve.log_sizes, draws)
        return self._refits[fit.form.name]

    @cached_property
    def _refits(self) -> dict[str, Floats]:
        return {}
