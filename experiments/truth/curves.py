"""Curves over sizes: intervals of exponent, ceiling, slope and crossing; what AICc picks."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from experiments.truth.cells import RESAMPLES, Cell, Outcomes
from tcf.evaluate.stats import Interval
from tcf.study.curve_fit import CurveFit
from tcf.study.scaling import fit_curve

ALPHA = 0.05
RANGE = 1024  # of the sizes
CEILING, DROP, EXPONENT = 0.22, 0.12, 0.3  # of the power law; the drop is at the smallest size
FIRST_SIZE = 1e6
BOOTSTRAP_EVERY = 4  # studies: refits of resamples cost most of the time


@dataclass(frozen=True)
class Shape:
    """A true curve.

    Attributes:
        form: A key of `tcf.study.forms.FORMS`.
        num_sizes: From `FIRST_SIZE` to `RANGE` times that, evenly in the logarithm.
        everywhere: Whether it is drawn for every noise and number of seeds.
        spread: The loudest arm's seed noise over the quietest's.
    """

    form: str
    num_sizes: int
    everywhere: bool = False
    spread: float = 1.0

    @property
    def sizes(self) -> np.ndarray:
        """``(num_sizes,)``."""
        return FIRST_SIZE * np.geomspace(1, RANGE, self.num_sizes)

    @property
    def crossing(self) -> float:
        """The size at which the curve meets the baseline, which none of the sizes is."""
        return float(FIRST_SIZE * RANGE**0.45)

    def level(self, sizes: np.ndarray | float) -> np.ndarray:
        """Population mean over seeds and users at these sizes."""
        share = np.log(np.asarray(sizes) / FIRST_SIZE) / np.log(RANGE)
        if self.form == "constant":
            return CEILING - DROP + 0 * share
        if self.form == "log-linear":
            return CEILING - DROP + DROP * share
        return CEILING - DROP * np.exp(-EXPONENT * np.log(RANGE) * share)

    @property
    def sensitivities(self) -> np.ndarray:
        """Seed noise of every size, and of the baseline last, over the cell's, loud among quiet."""
        steps = np.linspace(-0.5, 0.5, self.num_sizes + 1)
        return self.spread ** np.roll(steps[::-1], 3)

    @property
    def baseline(self) -> float:
        """Of the arm without a size; a flat curve stays below it."""
        return float(CEILING if self.form == "constant" else self.level(self.crossing))


SHAPES = {
    "power law, 6 sizes": Shape("power law", 6, everywhere=True),
    "flat, 6 sizes": Shape("constant", 6, everywhere=True),
    "power law, 9 sizes": Shape("power law", 9),
    "flat, 9 sizes": Shape("constant", 9),
    "log-linear, 9 sizes": Shape("log-linear", 9),
    "power law, 6 uneven sizes": Shape("power law", 6, spread=6.0),
}


def curves(cell: Cell, number: int) -> Outcomes:
    """Fit a curve drawn from a known form and ask every interval about it."""
    shape = SHAPES[cell.shape]
    noise = cell.seed_noise * shape.sensitivities[:, None]
    drawn = cell.draw(_effects(cell), cell.rng(number), seed_noise=noise)
    *arms, baseline = drawn.values
    fit = fit_curve(shape.sizes, arms, seed=number, baseline=baseline)
    found = {**_slope(shape, fit), **_of_power_law(shape, fit, "profile")}
    found |= _band(shape, fit, "the profile", None)
    found["AICc picks the true form"] = fit.best.form.name == shape.form
    found["scatter flagged that is not there"] = fit.misfit is not None and fit.misfit.p < 0.01
    if number % BOOTSTRAP_EVERY == 0 and shape.form != "constant":
        slow = fit_curve(
            *(shape.sizes, arms),
            seed=number,
            baseline=baseline,
            method="bootstrap",
            num_resamples=RESAMPLES,
        )
        found |= _of_power_law(shape, slow, "bootstrap")
        found |= _band(shape, slow, "the true form", shape.form)
        found |= _band(shape, slow, "AICc's pick", slow.best.form.name)
    return {name: float(value) for name, value in found.items()}


@lru_cache(maxsize=4)
def _effects(cell: Cell) -> np.ndarray:
    """Of every size, and of the baseline last."""
    shape = SHAPES[cell.shape]
    arms = zip([*shape.level(shape.sizes), shape.baseline], shape.sensitivities, strict=True)
    return np.array([cell.effect_of(level, sensitivity=own) for level, own in arms])


def _slope(shape: Shape, fit: CurveFit) -> Outcomes:
    x = np.log10(shape.sizes)
    truth = float(np.polyfit(x, shape.level(shape.sizes), 1)[0])
    return {
        "slope": _covers(fit.slope.interval, truth),
        "slope told from zero": float(fit.slope.p < ALPHA),
    }


def _of_power_law(shape: Shape, fit: CurveFit, method: str) -> Outcomes:
    assert fit.exponent and fit.ceiling and fit.crossing
    crossing = fit.crossing
    told = {
        f"{method}: exponent told from a logarithm": float(fit.exponent.low > 0),
        f"{method}: crossing has both ends": float(crossing.low > 0 and np.isfinite(crossing.high)),
    }
    if shape.form == "constant":
        return told
    covered = {f"{method}: crossing": _covers(crossing, shape.crossing)}
    if shape.form == "power law":
        covered[f"{method}: exponent"] = _covers(fit.exponent, EXPONENT)
        covered[f"{method}: ceiling"] = _covers(fit.ceiling, CEILING)
    return {**covered, **told}


def _band(shape: Shape, fit: CurveFit, whose: str, form: str | None) -> Outcomes:
    """Between the sizes and at ten times the largest."""
    within = np.sqrt(shape.sizes[1:] * shape.sizes[:-1])
    found = {}
    for name, sizes in (("within", within), ("ten times beyond", shape.sizes[-1:] * 10)):
        truth = shape.level(sizes)
        low, high = fit.band(sizes, form=form)
        found[f"band of {whose}, {name} the sizes"] = float(
            ((low <= truth) & (truth <= high)).mean()
        )
    return found


def _covers(interval: Interval, truth: float) -> float:
    return float(interval.low <= truth <= interval.high)
