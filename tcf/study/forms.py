"""Forms of a bounded metric against size, fitted by least squares to many curves at once. No torch.

Sizes come as ascending natural logarithms ``(n,)``, curves as rows ``(R, n)``. Inside, sizes are
taken over their geometric mean; parameters come back in terms of the sizes themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FORMS", "Form", "power_range"]

Floats = NDArray[np.float64]

_GRID = 48  # exponents tried before refining
_BISECTIONS = 46  # of a bracket of two grid steps: to the last digits of a double
_FLAT, _STEP = 0.02, 8.0  # exponents so small are a logarithm, so large a step
_LOGISTIC_STEPS = 60


@dataclass(frozen=True)
class Form:
    """A form that a curve may have.

    Attributes:
        name: Its name.
        formula: In terms of N.
        parameters: Their names.
        fit: ``(log_sizes (n,), values (R, n))`` to parameters ``(R, p)``.
        predict: ``(parameters (R, p), log_sizes (m,))`` to values ``(R, m)``.
        solve: ``(parameters (R, p), level (R,))`` to the logarithm of the size at which the form
            reaches the level, ``(R,)``; infinite where it does not.
        about: What the form can and cannot do, in words.
    """

    name: str
    formula: str
    parameters: tuple[str, ...]
    fit: Callable[[Floats, Floats], Floats]
    predict: Callable[[Floats, Floats], Floats]
    solve: Callable[[Floats, Floats], Floats]
    about: str

    @property
    def num_counted(self) -> int:
        """Parameters as AICc counts them: the error variance is one."""
        return len(self.parameters) + 1

    @property
    def min_sizes(self) -> int:
        """Sizes without which the form is not fitted: AICc needs ``k + 2``."""
        return self.num_counted + 2


def power_range(log_sizes: Floats) -> tuple[float, float]:
    """Exponents that these sizes can tell: below it is a logarithm, above it is a step.

    At the lower end ``N^-b`` bends by a hundredth over the whole range; at the upper end it has
    fallen to ``exp(-8)`` between the two smallest sizes.
    """
    return _FLAT / float(np.ptp(log_sizes)), _STEP / float(log_sizes[1] - log_sizes[0])


def _fit_power(log_sizes: Floats, y: Floats) -> Floats:
    """Variable projection: for a fixed exponent the rest is linear.

    Every exponent of a grid is tried, then the sign of the projected derivative is bisected around
    the best. The ceiling is kept in [0, 1]: where it would leave, it stays at the bound.

    Source: Golub & Pereyra, SIAM Journal on Numerical Analysis (1973).
    """
    centre = log_sizes.mean()
    x = log_sizes - centre
    low, high = np.log(power_range(log_sizes))
    grid = np.linspace(low, high, _GRID)
    losses = np.stack([_residuals(x, y, np.full(len(y), np.exp(at)))[0] for at in grid])
    best = losses.argmin(0)
    left, right = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, _GRID - 1)]
    for _ in range(_BISECTIONS):
        middle = (left + right) / 2
        falling = _residuals(x, y, np.exp(middle))[1] < 0
        left, right = np.where(falling, middle, left), np.where(falling, right, middle)
    exponent = np.exp((left + right) / 2)
    _, _, ceiling, drop = _residuals(x, y, exponent)
    return np.stack([ceiling, drop * np.exp(exponent * centre), exponent], 1)


def _residuals(x: Floats, y: Floats, exponent: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return loss, its derivative by the exponent up to a factor, ceiling and drop; ``(R,)`` each.

    With c and a at their best the derivative is that at fixed c and a (the envelope theorem).
    """
    less = np.expm1(-np.outer(exponent, x))  # (R, n): N^-b - 1, exact where b is small
    mean, middle = less.mean(1, keepdims=True), y.mean(1, keepdims=True)
    centred = less - mean
    drop = -((y - middle) * centred).sum(1) / (centred**2).sum(1)
    free = middle[:, 0] + drop * (1 + mean[:, 0])
    ceiling = free.clip(0, 1)
    powers = 1 + less
    bound = -((y - ceiling[:, None]) * powers).sum(1) / (powers**2).sum(1)
    drop = np.where(ceiling == free, drop, bound)
    residuals = y - ceiling[:, None] + drop[:, None] * powers
    slope = -drop * (residuals * powers * x).sum(1)
    return (residuals**2).sum(1), slope, ceiling, drop


def _predict_power(parameters: Floats, log_sizes: Floats) -> Floats:
    c, a, b = parameters.T[:, :, None]
    return c - a * np.exp(-b * log_sizes)


def _solve_power(parameters: Floats, level: Floats) -> Floats:
    c, a, b = parameters.T
    with np.errstate(divide="ignore", invalid="ignore"):  # a level at or behind the ceiling
        found = np.log(a / (c - level)) / b
    return np.where(np.isfinite(found), found, np.inf)


def _fit_log_linear(log_sizes: Floats, y: Floats) -> Floats:
    x = log_sizes - log_sizes.mean()
    slope = y @ x / (x @ x)
    return np.stack([y.mean(1) - slope * log_sizes.mean(), slope], 1)


def _predict_log_linear(parameters: Floats, log_sizes: Floats) -> Floats:
    return parameters[:, :1] + parameters[:, 1:] * log_sizes


def _solve_log_linear(parameters: Floats, level: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):  # a flat line
        found = (level - parameters[:, 0]) / parameters[:, 1]
    return np.where(np.isfinite(found), found, np.inf)


def _fit_logistic(log_sizes: Floats, y: Floats) -> Floats:
    """Levenberg-Marquardt, every curve with its own damping, from the line through the logits."""
    from scipy.special import logit

    centre = log_sizes.mean()
    x = log_sizes - centre
    at = _fit_log_linear(x, logit(y.clip(1e-6, 1 - 1e-6)))
    damping, before = np.full(len(y), 1e-3), _logistic_loss(at, x, y)
    for _ in range(_LOGISTIC_STEPS):
        step = _logistic_step(at, x, y, damping)
        after = _logistic_loss(at + step, x, y)
        better = after <= before  # false where it is not finite
        at = np.where(better[:, None], at + step, at)
        before = np.where(better, after, before)
        damping = (damping * np.where(better, 0.1, 10.0)).clip(1e-12, 1e12)
        if not (np.abs(step) > 1e-13)[better].any():
            break
    return np.stack([at[:, 0] - at[:, 1] * centre, at[:, 1]], 1)


def _logistic_loss(at: Floats, x: Floats, y: Floats) -> Floats:
    return ((y - _predict_logistic(at, x)) ** 2).sum(1)


def _logistic_step(at: Floats, x: Floats, y: Floats, damping: Floats) -> Floats:
    """Solve the damped normal equations, two by two, of every curve."""
    fitted = _predict_logistic(at, x)
    weight = fitted * (1 - fitted)  # the Jacobian is weight and weight * x
    first, cross, second = (weight**2 @ x**k for k in range(3))
    pull, turn = (((y - fitted) * weight) @ x**k for k in range(2))
    first, second = first * (1 + damping), second * (1 + damping)
    steps = np.stack([second * pull - cross * turn, first * turn - cross * pull], 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # a saturated curve: no step is taken
        return steps / (first * second - cross**2)[:, None]


def _predict_logistic(parameters: Floats, log_sizes: Floats) -> Floats:
    from scipy.special import expit

    return expit(_predict_log_linear(parameters, log_sizes))


def _solve_logistic(parameters: Floats, level: Floats) -> Floats:
    from scipy.special import logit

    return _solve_log_linear(parameters, logit(level))


FORMS: dict[str, Form] = {
    "constant": Form(
        name="constant",
        formula="c",
        parameters=("c",),
        fit=lambda log_sizes, y: y.mean(1, keepdims=True),
        predict=lambda parameters, log_sizes: np.repeat(parameters, len(log_sizes), axis=1),
        solve=lambda parameters, level: np.full(len(parameters), np.inf),
        about="no size matters",
    ),
    "log-linear": Form(
        name="log-linear",
        formula="a + b log N",
        parameters=("a", "b"),
        fit=_fit_log_linear,
        predict=_predict_log_linear,
        solve=_solve_log_linear,
        about="leaves [0, 1] at some size: a description of the studied range alone",
    ),
    "logistic": Form(
        name="logistic",
        formula="1 / (1 + exp(-(a + b log N)))",
        parameters=("a", "b"),
        fit=_fit_logistic,
        predict=_predict_logistic,
        solve=_solve_logistic,
        about="stays in [0, 1]; a rising curve ends at 1",
    ),
    "power law": Form(
        name="power law",
        formula="c - a N^-b",
        parameters=("c", "a", "b"),
        fit=_fit_power,
        predict=_predict_power,
        solve=_solve_power,
        about="levels off at its ceiling c in [0, 1], which lies beyond the data",
    ),
}
"""Every form; b > 0 in the power law, a of either sign: a curve may fall."""
