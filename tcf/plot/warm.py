"""Evidence in slices -> a line an arm: how the metric grows with what a slice counts. No torch."""

from typing import TYPE_CHECKING

import polars as pl

from tcf._util import lookup
from tcf.plot import style
from tcf.plot.drawing import Drawing
from tcf.plot.looks import arm_looks, draw_mean, entry, interval_note
from tcf.plot.panels import Room, panel_figure
from tcf.plot.points import set_values
from tcf.plot.table import COLUMNS, PANEL, evidence_rows, mean_rows, panel_names, refuse, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["warm_plot"]

_LABELS = {
    "target_train_count": "training interactions of the target (below: users)",
    "history_length": "items in the history (below: users)",
    "target_in_history": "target already in the history (below: users)",
}


def warm_plot(
    table: pl.DataFrame,
    *,
    metric: str = "hr@10",
    by: str = "target_train_count",
    min_users: int = 1000,
    title: str | None = None,
    width: style.Width = "page",
) -> Drawing:
    """Draw ``metric`` in each slice, a line an arm and a panel for each data set and backbone.

    Markers are means over seeds with their 95% intervals, side by side so that they can be told
    apart. Below each slice stands its number of users, and in the legend a triangle by what stopped
    at its epoch limit. Slices come in the order of the table.

    Args:
        table: As `tcf.study.evidence.evidence` returns it for several slices.
        metric: Which rows to draw.
        by: What the slices count: those named ``"{by}: ..."`` are drawn.
        min_users: A slice with fewer is not drawn, and the note says so.
        title: Heading of the figure.
        width: ``"column"`` or ``"page"``.

    Raises:
        ValueError: If a column, the metric or a number is missing, rows contradict each other, or
            no slice has ``min_users``.
    """
    lookup(_LABELS, by, "by")
    require(table, COLUMNS, what="a table of evidence")
    slices = [x for x in table["slice"].unique(maintain_order=True) if x.startswith(f"{by}: ")]
    if not slices:
        found = ", ".join(table["slice"].unique(maintain_order=True))
        raise ValueError(f"a plot by slices needs rows of slices '{by}: ...'; got only {found}")
    rows = pl.concat(
        [mean_rows(evidence_rows(table, metric=metric, slice=slice)) for slice in slices]
    )
    differ = pl.col("num_users").n_unique().over(*PANEL, "slice") > 1
    refuse(
        rows,
        [("the arms of a slice are measured on the same users", differ)],
        show=(*PANEL, "slice", "arm", "num_users"),
    )
    order = pl.col("slice").replace_strict({name: k for k, name in enumerate(slices)})
    enough = pl.col("num_users") >= min_users
    data = rows.filter(enough).sort(order, maintain_order=True).select(COLUMNS)
    if data.is_empty():
        raise ValueError(
            f"a slice needs min_users={min_users:,} to be drawn; the largest has "
            f"{rows['num_users'].max():,}"
        )
    note = f"{interval_note(data)} {_left_out(rows.filter(~enough), min_users)}".strip()
    return _draw(data, note=note, label=_LABELS[by], title=title, width=width)


def _left_out(rows: pl.DataFrame, min_users: int) -> str:
    few = rows.select("dataset", "slice", "num_users").unique(maintain_order=True)
    names = [f"{dataset}, {slice} ({users:,})" for dataset, slice, users in few.rows()]
    return f"Not drawn, under {min_users:,} users: {'; '.join(names)}." if names else ""


def _draw(
    data: pl.DataFrame, *, note: str, label: str, title: str | None, width: style.Width
) -> Drawing:
    panels, across = panel_names(data)
    looks, limited = arm_looks(data), set(data.filter("hit_epoch_limit")["arm"])
    with style.styled():
        names = {arm: arm + " ▲" * (arm in limited) for arm in looks}
        handles = [entry(names[arm], look, 4.5, ls=look.dashes) for arm, look in looks.items()]
        figure, every = panel_figure(
            [panel and " · ".join(panel) for panel in panels],
            width=width,
            title=title,
            note=note + " ▲ stopped at its epoch limit: may not have converged." * bool(limited),
            handles=handles,
            room=Room(below=0.55),
            across=min(across, 2),
        )
        for axes, panel in zip(every, filter(None, panels), strict=True):
            axes.set_xlabel(label)
            _draw_panel(axes, data.filter(dataset=panel[0], backbone=panel[1]), looks)
    return Drawing(figure, data)


def _draw_panel(axes: "Axes", marks: pl.DataFrame, looks: dict[str, style.Look]) -> None:
    set_values(axes, marks)
    axes.set_ylim(bottom=-0.02 * axes.get_ylim()[1])  # room for markers at 0
    slices = marks.select("slice", "num_users").unique(maintain_order=True).rows()
    names = [f"{slice.partition(': ')[2]}\n{users:,}" for slice, users in slices]
    axes.set_xticks(range(len(slices)), names, fontsize=style.NAME)
    axes.set_xlim(-0.5, len(slices) - 0.5)
    place = {slice: number for number, (slice, _) in enumerate(slices)}
    arms = marks["arm"].unique(maintain_order=True).to_list()
    step = min(0.09, 0.6 / len(arms))
    for number, arm in enumerate(arms):
        beside, look = (number - (len(arms) - 1) / 2) * step, looks[arm]
        rows = marks.filter(arm=arm).rows(named=True)
        at = [place[row["slice"]] + beside for row in rows]
        drawn = {"color": look.colour, "ls": look.dashes, "lw": 1, "alpha": 0.7}
        axes.plot(at, [row["value"] for row in rows], label=f"_arm:{arm}", **drawn)
        for row, x in zip(rows, at, strict=True):
            draw_mean(axes, row | {"hit_epoch_limit": False}, look, at=x, size=4)
