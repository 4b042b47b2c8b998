"""Forms fitted to one curve, weighed against each other, tried on sizes left out. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tcf.study.forms import FORMS, Form, power_range

__all__ = ["Fit", "LeftOut", "fit_forms", "leave_out"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A form fitted to a curve.

    Attributes:
        form: Which form, with its formula.
        parameters: By name, for sizes as they were given.
        residual_sum: Sum of squared residuals.
        aicc: Akaike's criterion, corrected for few sizes, the error variance counted.
        weight: Akaike weight among the forms fitted; they sum to 1.
        note: What to know about a parameter, or empty.
    """

    form: Form
    parameters: dict[str, float]
    residual_sum: float
    aicc: float
    weight: float
    note: str

    @property
    def row(self) -> Floats:
        """The parameters as `Form.predict` takes them, ``(1, p)``."""
        return np.array([list(self.parameters.values())])

    def predict(self, log_sizes: Floats) -> Floats:
        """Values at natural logarithms of sizes, ``(m,)``."""
        return self.form.predict(self.row, np.asarray(log_sizes, np.float64))[0]


@dataclass(frozen=True)
class LeftOut:
    """What a form says of a size that it was not fitted to.

    Attributes:
        size: Left out.
        observed: Its metric.
        predicted: By the form fitted to the others.
    """

    size: float
    observed: float
    predicted: float

    @property
    def error(self) -> float:
        """Predicted less observed."""
        return self.predicted - self.observed


def fit_forms(log_sizes: Floats, values: Floats) -> tuple[dict[str, Fit], dict[str, str]]:
    """Fit every form that the number of sizes can tell.

    Where all values are equal the constant is the only form: the others have nothing to fit.

    Args:
        log_sizes: ``(n,)``, ascending.
        values: ``(n,)``.

    Returns:
        The fits by the forms' names, and for each form that is not fitted the reason.

    Source: Hurvich & Tsai, Biometrika (1989), for AICc; Burnham & Anderson (2002), section 2.9, for
    the weights.
    """
    num_sizes, flat = len(log_sizes), bool(np.ptp(values) == 0)
    fitted: dict[str, Fit] = {}
    reasons: dict[str, str] = {}
    for name, form in FORMS.items():
        if num_sizes < form.min_sizes:
            reasons[name] = f"not identifiable: needs {form.min_sizes} sizes, has {num_sizes}"
        elif flat and name != "constant":
            reasons[name] = "not identifiable: every size has the same value"
        else:
            fitted[name] = _fit(form, log_sizes, values)
    best = min(fit.aicc for fit in fitted.values())
    odds = {name: float(np.exp((best - fit.aicc) / 2)) for name, fit in fitted.items()}
    whole = sum(odds.values())
    return {
        name: Fit(**{**fit.__dict__, "weight": odds[name] / whole}) for name, fit in fitted.items()
    }, reasons


def leave_out(
    form: Form, log_sizes: Floats, values: Floats, *, which: Sequence[int]
) -> list[LeftOut]:
    """Predict sizes, one at a time, from all others.

    Args:
        form: Fitted to one size less.
        log_sizes: ``(n,)``, ascending.
        values: ``(n,)``.
        which: Positions of the sizes that are left out in turn.

    Returns:
        One for each; empty where one size less is too few for the form.
    """
    if len(log_sizes) - 1 < form.min_sizes:
        return []
    found = []
    for out in which:
        kept = np.arange(len(values)) != out
        parameters = form.fit(log_sizes[kept], values[None, kept])
        predicted = form.predict(parameters, log_sizes[[out]]).item()
        found.append(LeftOut(float(np.exp(log_sizes[out])), float(values[out]), predicted))
    return found


def _fit(form: Form, log_sizes: Floats, values: Floats) -> Fit:
    parameters = form.fit(log_sizes, values[None])
    residuals = values - form.predict(parameters, log_sizes)[0]
    n, k = len(values), form.num_counted
    rounding = n * (np.finfo(float).eps * np.abs(values).max()) ** 2  # a perfect fit has no log
    loss = float(residuals @ residuals)
    aicc = n * np.log(max(loss, rounding, np.finfo(float).tiny) / n)
    aicc += 2 * k + 2 * k * (k + 1) / (n - k - 1)
    named = dict(zip(form.parameters, parameters[0].tolist(), strict=True))
    return Fit(form, named, loss, float(aicc), 0.0, _note(form, named, log_sizes))


def _note(form: Form, parameters: dict[str, float], log_sizes: Floats) -> str:
    if form.name != "power law":
        return ""
    low, high = power_range(log_sizes)
    if parameters["b"] < low * 1.001:
        return "the exponent is at its lower bound: not told from log-linear"
    if parameters["b"] > high / 1.001:
        return "the exponent is at its upper bound: not told from a step after the smallest size"
    if parameters["c"] in (0.0, 1.0):
        return f"the ceiling is at its bound {parameters['c']:g}: it lies outside what is studied"
    return ""
