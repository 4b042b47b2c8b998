"""The curves of the reference study, fitted: what twelve panels of nine OPT sizes can say.

Run ``python experiments/published/analyse.py /path/to/published.csv``; it takes a few seconds and
writes ``published.json`` beside this file, and ``figures.json``: what the other tables of the study
say, which plots show beside figures of our own.

Expected: every panel rises, none shows a ceiling; the forms agree on 175B to a few per cent.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tcf._util import write_json
from tcf.evaluate.stats import Interval
from tcf.study import CurveFit, fit_curve

RECORD = Path(__file__).with_name("published.json")
FIGURES = Path(__file__).with_name("figures.json")
PANEL = ("dataset", "backbone", "metric")
WORST = 350_000_000  # OPT-350M, which is post-norm and projects its embeddings; the others do not


def analyse(table: pl.DataFrame) -> dict[str, Any]:
    """Fit every panel of the scaling study, and meet item IDs where their figure is known."""
    ids = table.filter(study="versus-id", mode="id")
    panels, refused = [], []
    for names, panel in table.filter(study="scaling").group_by(PANEL, maintain_order=True):
        about = dict(zip(PANEL, names, strict=True))
        found = ids.filter(**about)["value"].to_list()
        try:
            panels.append({**about, **_panel(panel.sort("parameters"), *found)})
        except ValueError as error:
            refused.append({**about, "reason": str(error)})
    return {"schema": 1, "level": 0.95, "panels": panels, "refused": refused}


def others(table: pl.DataFrame) -> dict[str, Any]:
    """Return the figures that are of no curve over sizes, as they were published."""
    rows = table.filter(pl.col("study") != "scaling").drop("precision").to_dicts()
    told = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return {"source": "Li et al., arXiv 2305.11700", "figures": told}


def _panel(panel: pl.DataFrame, baseline: float | None = None) -> dict[str, Any]:
    fit = _fit(panel, baseline)
    without = _fit(panel.filter(pl.col("parameters") != WORST), baseline)
    return {
        "parameters": panel["parameters"].to_list(),
        "values": panel["value"].to_list(),
        "precision": panel["precision"].to_list(),
        "id": baseline,
        **_said(fit),
        "leave_one_out_rmse": _rounded(fit.leave_one_out()),
        "prediction_of_the_largest": _prediction(panel, fit),
        "without_opt_350m": _said(without),
    }


def _fit(panel: pl.DataFrame, baseline: float | None = None) -> CurveFit:
    sizes, values = panel["parameters"].to_numpy(), panel["value"].to_list()
    return fit_curve(sizes, values, seed=0, baseline=baseline)


def _said(fit: CurveFit) -> dict[str, Any]:
    return {
        "forms": {name: _form(fit, name) for name in fit.fits},
        "slope_per_tenfold": {**_ends(fit.slope.interval), "p": _rounded(fit.slope.p)},
        "exponent": _ends(fit.exponent),
        "ceiling": _ends(fit.ceiling),
        "meets_id": _ends(fit.crossing),
        "verdict": fit.verdict,
    }


def _form(fit: CurveFit, name: str) -> dict[str, Any]:
    one, baseline = fit.fits[name], fit.curve.baseline
    said = {
        "parameters": _rounded(one.parameters),
        "residual_sum": _rounded(one.residual_sum),
        "aicc": _rounded(one.aicc),
        "weight": _rounded(one.weight),
        "note": one.note,
    }
    if baseline is not None:
        with np.errstate(over="ignore"):
            met = np.exp(one.form.solve(one.row, np.array([baseline])))
        said["meets_id"] = _rounded(met.item())
    return said


def _prediction(panel: pl.DataFrame, fit: CurveFit) -> dict[str, Any]:
    """Each form's prediction of the largest size from the others, with its band there."""
    others = _fit(panel.head(-1))
    said = {}
    for name, out in fit.leave_largest_out().items():
        (low,), (high,) = others.band([out.size], form=name)
        said[name] = _rounded(
            {"predicted": out.predicted, "error": out.error, "low": low, "high": high}
        )
    return said


def _ends(interval: Interval | None) -> dict[str, Any] | None:
    """Mean and ends; null stands for an end that is open."""
    if interval is None:
        return None
    return _rounded({"mean": interval.mean, "low": interval.low, "high": interval.high})


def _rounded(value: Any) -> Any:
    """Eight digits; null for what is not finite."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return float(f"{value:.8g}") if np.isfinite(value) else None


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("the path of published.csv is needed: analyse.py /path/to/published.csv")
    published = pl.read_csv(sys.argv[1])
    write_json(RECORD, analyse(published))
    write_json(FIGURES, others(published))
