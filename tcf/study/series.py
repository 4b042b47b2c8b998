"""fit_series(): the curve of each family of encoders of a study. Loads no torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tcf.study.cells import Cell
from tcf.study.scaling import AXES, fit_curve

if TYPE_CHECKING:
    from tcf.study.fits import Fit
    from tcf.study.scaling import CurveFit

__all__ = ["SeriesFit", "fit_series", "fits_table", "series_of"]

_NUM_POINTS = 40


@dataclass(frozen=True)
class SeriesFit:
    """The curve of a family under a backbone in one metric, or why there is none.

    Attributes:
        dataset, backbone, series, metric: What it is of.
        axis: What its sizes count, of `tcf.study.scaling.AXES`.
        num_sizes: Arms of the family.
        fit: The fitted curve; None where it was refused.
        refused: The reason, or empty.
    """

    dataset: str
    backbone: str | None
    series: str
    metric: str
    axis: str
    num_sizes: int
    fit: "CurveFit | None" = field(repr=False)
    refused: str

    @property
    def shown(self) -> "Fit":
        """The form that is drawn: what ceiling and crossing are judged by, else the best."""
        assert self.fit is not None
        return self.fit.bent or self.fit.best

    def drawn(self, *, band: bool) -> dict[str, Any]:
        """Return `shown` over the sizes studied, with its 95% band where one is asked for."""
        assert self.fit is not None
        form, studied = self.shown, self.fit.curve.sizes
        sizes = np.geomspace(studied[0], studied[-1], _NUM_POINTS)
        values = {"mean": form.predict(np.log(sizes))}
        if band:
            values["low"], values["high"] = self.fit.band(sizes)
        rounded = {name: [float(f"{x:.5g}") for x in xs] for name, xs in values.items()}
        names = ("dataset", "backbone", "series", "metric", "axis")
        about = {name: getattr(self, name) for name in names}
        return {**about, "x": sizes.round().tolist(), **rounded}


def series_of(arm: Mapping[str, Any]) -> str:
    """Return the line of a curve that an arm's config belongs to: all but the size is shared."""
    if arm["family"] is None:
        return arm["name"]
    marks = [
        (arm.get("tuned") or {}).get("method"),
        f"with IDs, {arm['with_ids']}" if arm.get("with_ids") else None,
        "semantic IDs" if arm.get("semantic_ids") else None,
        (arm.get("auxiliary") or {}).get("name") if arm.get("with_ids") != "alignment" else None,
        arm.get("control"),
    ]
    return ", ".join([arm["family"], *(mark for mark in marks if mark)])


def fit_series(
    cells: Sequence[Cell], *, metrics: Iterable[str], against: str, seed: int
) -> list[SeriesFit]:
    """Fit each family of language models under each backbone, over every count of its sizes.

    A family of one is no curve and has no entry.

    Args:
        cells: From `tcf.study.read_cells`.
        metrics: Such as ``"ndcg@10"``.
        against: The arm that a curve may meet.
        seed: Of the resampling.
    """
    families: dict[tuple[str, str | None, str], list[Cell]] = {}
    baselines = {(c.dataset, c.backbone): c for c in cells if c.arm == against}
    for cell in cells:
        arm = cell.records[0]["config"]["arm"]
        if arm["kind"] == "model" and arm["family"] and not arm.get("control"):
            families.setdefault((cell.dataset, cell.backbone, series_of(arm)), []).append(cell)
    metrics = list(metrics)
    return [
        _fitted(names, members, baselines.get(names[:2]), metric, axis, seed)
        for names, members in families.items()
        if len(members) > 1
        for axis in AXES
        if all(_size(cell, axis) for cell in members)
        for metric in metrics
    ]


def _size(cell: Cell, axis: str) -> float | None:
    column = {"parameters": "total"}.get(axis, axis.removeprefix("parameters_"))
    return ((cell.records[0]["vectors"] or {}).get("parameters") or {}).get(column)


def _fitted(
    names: tuple[str, str | None, str],
    members: Sequence[Cell],
    baseline: Cell | None,
    metric: str,
    axis: str,
    seed: int,
) -> SeriesFit:
    fit, refused = None, ""
    try:
        fit = fit_curve(
            [_size(cell, axis) or 0 for cell in members],
            [cell.values(metric) for cell in members],
            baseline=None if baseline is None else baseline.values(metric),
            seed=seed,
        )
    except ValueError as error:
        refused = str(error)
    return SeriesFit(*names, metric, axis, len(members), fit, refused)


def fits_table(series: Iterable[SeriesFit], *, metric: str, axis: str) -> pl.DataFrame:
    """Return the fitted curves as the table that a scaling plot draws; none where none is fitted.

    Args:
        series: From `fit_series`.
        metric: Whose curves.
        axis: Over which count of size, one of `tcf.study.scaling.AXES`.

    Returns:
        Columns dataset, backbone, family, form, the size under the name ``axis``, value, low and
        high (the 95% band).
    """
    tables = []
    for one in series:
        if one.fit is None or (one.metric, one.axis) != (metric, axis):
            continue
        drawn = one.drawn(band=True)
        about = {"dataset": one.dataset, "backbone": one.backbone, "family": one.series}
        numbers = {axis: drawn["x"], "value": drawn["mean"]}
        ends = {name: drawn[name] for name in ("low", "high")}
        columns = {name: [value] * len(drawn["x"]) for name, value in about.items()}
        columns["form"] = [one.shown.form.name] * len(drawn["x"])
        tables.append(pl.DataFrame({**columns, **numbers, **ends}))
    return pl.concat(tables) if tables else pl.DataFrame()
