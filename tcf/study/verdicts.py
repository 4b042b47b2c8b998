"""What a fitted curve says, in words. Loads no torch."""

from typing import TYPE_CHECKING

import numpy as np

from tcf.study.curve_fit import MAX_MISFIT_P
from tcf.study.curves import SCATTER
from tcf.study.summary import short_count

if TYPE_CHECKING:
    from tcf.study.curve_fit import CurveFit

__all__ = ["verdict"]


def verdict(fit: "CurveFit") -> str:
    """Return one sentence on the slope, the ceiling, the baseline and the scatter, each where due.

    A slope counts as told where its p is below ``1 - level``.
    """
    parts = [_slope(fit), _ceiling(fit), _crossing(fit), _misfit(fit)]
    return "; ".join(part for part in parts if part)


def _slope(fit: "CurveFit") -> str:
    if np.ptp(fit.curve.heights) == 0:
        return "every size has the same value: constant"
    slope, p = fit.slope.interval, _p(fit.slope.p)
    if not _told(fit):
        return f"the slope cannot be told from zero ({p})"
    ends = f"{abs(slope.mean):.2g} ({_ends(*sorted([abs(slope.low), abs(slope.high)]))}, {p})"
    return f"{'rises' if slope.mean > 0 else 'falls'} by {ends} with a tenfold size"


def _ceiling(fit: "CurveFit") -> str:
    if fit.exponent is None or fit.ceiling is None or not _told(fit):
        return ""
    if fit.exponent.low == 0.0:
        return "no levelling off can be told from a logarithm"
    end = "up" if fit.slope.interval.mean > 0 else "down"
    return (
        f"levels off, {end} at {fit.ceiling.mean:.3g} ({_ends(fit.ceiling.low, fit.ceiling.high)})"
    )


def _crossing(fit: "CurveFit") -> str:
    if fit.curve.baseline is None:
        return ""
    found = fit.crossing
    if found is None:
        return "too few sizes to say where it meets the baseline"
    first, last = fit.curve.sizes[0], fit.curve.sizes[-1]
    studied = f"between {short_count(first)} and {short_count(last)}"
    if found.low == np.inf:
        above = fit.curve.heights.mean() > fit.curve.baseline
        return f"does not meet the baseline: it stays {'above' if above else 'below'}"
    if found.low == 0.0 and found.high == np.inf:
        return "whether and where it meets the baseline cannot be told"
    ends = f"{_size(found.low)} to {_size(found.high)}"
    if first <= found.mean <= last:
        return f"meets the baseline at {short_count(found.mean)} ({ends})"
    outside = found.low > last or found.high < first
    how = f"{'does not meet' if outside else 'is not seen to meet'} the baseline {studied}"
    if not 0 < found.mean < np.inf:
        return f"{how}; not excluded: {ends}"
    return f"{how}; drawn further it would at {short_count(found.mean)} ({ends})"


def _size(size: float) -> str:
    return "no end" if size in (0.0, np.inf) else short_count(size)


def _misfit(fit: "CurveFit") -> str:
    if fit.curve.about == SCATTER:
        exact = "" if fit.curve.baseline is None else ", the baseline taken as exact"
        return f"intervals are about {SCATTER}{exact}"
    if fit.misfit is None or fit.misfit.p >= MAX_MISFIT_P:
        return ""
    return (
        f"the sizes scatter {np.sqrt(fit.misfit.ratio):.1f} times as far from the curve as users "
        f"and seeds explain ({_p(fit.misfit.p)}): they differ in more than size"
    )


def _told(fit: "CurveFit") -> bool:
    return fit.slope.p < 1 - fit.level


def _ends(low: float, high: float) -> str:
    return f"{low:.2g} to {high:.2g}"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
