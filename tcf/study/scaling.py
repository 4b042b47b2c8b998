"""fit_curve(): a bounded metric against size, with what the data can and cannot say. No torch."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from tcf._util import lookup
from tcf.study.curve_fit import METHODS, CurveFit, Method
from tcf.study.curves import Curve
from tcf.study.fits import fit_forms

__all__ = ["AXES", "CurveFit", "fit_curve"]

AXES = {
    "parameters": "encoder parameters used, embeddings included",
    "parameters_without_embeddings": "encoder parameters used, embeddings left out",
    "flops_per_item": "encoder FLOPs for an item of mean length",
}
"""What a size may count: column of the evidence -> label of the axis."""


def fit_curve(
    sizes: ArrayLike,
    values: Sequence[Any],
    *,
    seed: int,
    baseline: ArrayLike | None = None,
    level: float = 0.95,
    method: Method = "profile",
    num_resamples: int = 1000,
) -> CurveFit:
    """Fit constant, log-linear, logistic and power law to a bounded metric over sizes.

    Args:
        sizes: ``(n,)``, at least four different positive numbers: parameters or FLOPs (`AXES`).
        values: For each size ``(num_seeds, num_users)`` in [0, 1], the same users in the same order
            (`Cell.values`), or for each size one number, such as one read off a figure: intervals
            are then about the scatter around the curve, with no seeds and no users.
        seed: Of the bootstrap.
        baseline: Likewise, what the curve may meet, such as item IDs.
        level: Nominal coverage of intervals and bands, between 0 and 1.
        method: "profile": likelihood ratio, which is right where a curve is hardly bent or hardly
            rises; "bootstrap": percentiles of refits.
        num_resamples: Of the bootstrap.

    Raises:
        ValueError: If what is given is no curve (`Curve.of`), or a setting is out of range.
    """
    lookup(METHODS, method, "method")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1; got {level}")
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be at least 1; got {num_resamples}")
    curve = Curve.of(sizes, values, baseline=baseline)
    fits, reasons = fit_forms(curve.log_sizes, curve.heights)
    return CurveFit(curve, fits, reasons, level, method, num_resamples, seed)
