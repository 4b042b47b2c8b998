"""The plots that a folder of records is enough for: cells -> drawing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tcf.evaluate.slices import slice_names
from tcf.plot import (
    Drawing,
    cost_plot,
    ladder_plot,
    learning_plot,
    scaling_plot,
    tuned_plot,
    versus_id_plot,
    warm_plot,
)
from tcf.study.cells import Cell
from tcf.study.epochs import read_epochs
from tcf.study.evidence import evidence
from tcf.study.ladders import (
    LossRank,
    fit_loss,
    loss_evidence,
    loss_fit_table,
    loss_ranks,
    read_ladder,
)
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


def _ladder(cells: Sequence[Cell], *, metric: str, title: str | None, ladder: Path) -> Drawing:
    members = read_ladder(ladder)
    table = loss_evidence(cells, members, metrics=[metric])
    notes = [_said(rank) for rank in loss_ranks(cells, members, metrics=[metric], seed=0)]
    fit = None
    try:
        fit = loss_fit_table(fit_loss(members, seed=0))
    except ValueError as error:
        notes.append(f"No curve is fitted to the losses: {error}.")
    return ladder_plot(table, members, metric=metric, fit=fit, notes=notes, title=title)


def _said(rank: LossRank) -> str:
    of = " · ".join(x for x in (rank.dataset, rank.backbone, rank.series) if x)
    if rank.correlation is None:
        return f"{of}: no rank correlation with the loss: {rank.refused}."
    found = rank.correlation
    return (
        f"{of}: rank correlation of {rank.metric} with a falling loss {found.mean:.2f} "
        f"[{found.low:.2f}, {found.high:.2f}], {rank.num_sizes} sizes."
    )


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
    "ladder": _ladder,
    "learning": _learning,
    "scaling": _scaling,
    "tuned": _of_evidence(tuned_plot),
    "versus-id": _of_evidence(versus_id_plot),
    "warm": _warm,
}
