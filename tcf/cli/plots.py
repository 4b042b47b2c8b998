"""The plots that a folder of records is enough for: cells -> drawing."""

from collections.abc import Callable, Sequence
from typing import Any

from tcf.evaluate.slices import slice_names
from tcf.plot import (
    Drawing,
    cost_plot,
    learning_plot,
    scaling_plot,
    tuned_plot,
    versus_id_plot,
    warm_plot,
)
from tcf.study.cells import Cell
from tcf.study.epochs import read_epochs
from tcf.study.evidence import evidence
from tcf.study.series import fit_series, fits_table

__all__ = ["PLOTS"]


def _of_evidence(draw: Callable[..., Drawing]) -> Callable[..., Drawing]:
    def drawn(cells: Sequence[Cell], *, metric: str, title: str | None) -> Drawing:
        return draw(evidence(cells, metrics=[metric]), metric=metric, title=title)

    return drawn


def _scaling(
    cells: Sequence[Cell], *, metric: str, title: str | None, x: Any, fits: bool
) -> Drawing:
    table, curves = evidence(cells, metrics=[metric]), None
    if fits:
        series = fit_series(cells, metrics=[metric], against="ID", seed=0)
        found = fits_table(series, metric=metric, axis=x)
        if found.is_empty():
            reasons = {one.refused for one in series if one.refused} or {"no family has two sizes"}
            raise ValueError(f"no curve can be fitted: {'; '.join(sorted(reasons))}")
        curves = found
    return scaling_plot(table, metric=metric, x=x, fits=curves, title=title)


def _warm(cells: Sequence[Cell], *, metric: str, title: str | None) -> Drawing:
    table = evidence(cells, metrics=[metric], slices=slice_names())
    return warm_plot(table, metric=metric, title=title)


def _learning(cells: Sequence[Cell], *, metric: str, title: str | None) -> Drawing:
    table = read_epochs(cells).filter(monitor=metric)
    if table.is_empty():
        kept = sorted(set(read_epochs(cells)["monitor"]))
        raise ValueError(
            f"learning curves are of the metric that a training watched, here "
            f"{', '.join(kept) or 'none'}; got {metric!r}"
        )
    return learning_plot(table, metric=metric, title=title)


PLOTS: dict[str, Callable[..., Drawing]] = {
    "cost": _of_evidence(cost_plot),
    "learning": _learning,
    "scaling": _scaling,
    "tuned": _of_evidence(tuned_plot),
    "versus-id": _of_evidence(versus_id_plot),
    "warm": _warm,
}
