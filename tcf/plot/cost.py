"""Evidence with costs -> metric against time, energy and memory, with the frontier. No torch."""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tcf.plot import style
from tcf.plot.axis import LogAxis
from tcf.plot.drawing import Drawing
from tcf.plot.looks import Looks, entry, interval_note
from tcf.plot.names import margin_room
from tcf.plot.panels import Room, panel_figure
from tcf.plot.points import across_names, draw_across, draw_points, set_values, without_spread
from tcf.plot.table import COLUMNS, PANEL, UNTRAINED, evidence_rows, panel_names, refuse, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["cost_plot"]

_COSTS = ("train_seconds", "joules", "peak_process_bytes")
_FRONTIER = style.Look(style.GREY, "", style.DASHES[2])


def cost_plot(
    table: pl.DataFrame,
    *,
    metric: str = "hr@10",
    slice: str = "all",
    seconds: str = "seconds of training",
    title: str | None = None,
    width: style.Width = "page",
) -> Drawing:
    """Draw ``metric`` against what a run cost, a panel for each data set, backbone and cost.

    Costs are the seconds of training, the joules where the table has that column, and the peak
    bytes of the process, each the mean over seeds. The dotted frontier joins the arms than which no
    other is both cheaper and better. What is not trained runs across.

    Args:
        table: As `tcf.study.evidence.evidence` returns it; a column joules may be added.
        metric, slice: Which rows to draw.
        seconds: Of which machine, for the axis, such as "GPU-seconds".
        title: Heading of the figure.
        width: ``"column"`` or ``"page"``.

    Returns:
        The drawing; its data have the cost's name in ``cost``, the cost in ``x`` and, for a mean,
        whether it is on the frontier.

    Raises:
        ValueError: If a column, the metric or a number is missing, or rows contradict each other.
    """
    rows, names = _with_costs(table, metric=metric, slice=slice)
    data = pl.concat([_of_one_cost(rows, name) for name in names])
    labels = {"train_seconds": seconds, "joules": "joules of training"}
    labels["peak_process_bytes"] = "peak bytes of the process"
    looks, pairs = Looks(data), panel_names(data)[0]
    panels = [(pair, name) for pair in filter(None, pairs) for name in names]
    with style.styled():
        frontier = entry("frontier: no other arm is\nboth cheaper and better", _FRONTIER, 0)
        frontier.set_linestyle(_FRONTIER.dashes)
        figure, every = panel_figure(
            [" · ".join(pair) for pair, _ in panels],
            width=width,
            title=title,
            note=f"{interval_note(data)} Costs are means over seeds.{_without_joules(data)}",
            handles=[*looks.entries(data), frontier],
            room=Room(height=2.0, right=margin_room(across_names(data))),
            across=2,
        )
        axis = {name: LogAxis.of(_sizes(data, name), units=" kMGTP") for name in names}
        for axes, (pair, name) in zip(every, panels, strict=True):
            axes.set_xlabel(labels[name])
            marks = data.filter(dataset=pair[0], backbone=pair[1], cost=name)
            _draw_panel(axes, marks, axis[name], looks)
    return Drawing(figure, data)


def _without_joules(data: pl.DataFrame) -> str:
    have = data.filter(cost="joules")["arm"]
    missing = [x for x in data["arm"].unique(maintain_order=True) if x not in set(have)]
    return f" No joules are known of {', '.join(missing)}." if len(have) and missing else ""


def _sizes(data: pl.DataFrame, name: str) -> list[float]:
    return data.filter(cost=name)["x"].drop_nulls().to_list()


def _with_costs(table: pl.DataFrame, *, metric: str, slice: str) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows with the costs that are known; a seed has its arm's mean, to stand by it."""
    names = [name for name in _COSTS if name != "joules" or name in table.columns]
    require(table, names, what="a table of evidence")
    rows = without_spread(evidence_rows(table, metric=metric, slice=slice))
    trained = ~pl.col("kind").is_in(UNTRAINED)
    if rows.filter(trained).is_empty():
        raise ValueError("a plot of costs needs an arm that is trained; found none")
    costs = {name: (pl.col(name) > 0).fill_null(name == "joules") for name in names}
    rules = [(f"what is trained needs {x} above 0", trained & ~good) for x, good in costs.items()]
    refuse(rows, rules, show=(*PANEL, "arm", "kind", "seed", *names))
    means = rows.filter(mark="mean").select(*PANEL, "arm", *names)
    names = [name for name in names if means[name].count()]
    return rows.drop(*costs).join(means, on=[*PANEL, "arm"], maintain_order="left"), names


def _of_one_cost(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the rows that a cost's panels draw, those means marked that are on the frontier."""
    untrained = pl.col("kind").is_in(UNTRAINED)
    cost = pl.when(~untrained).then(pl.col(name).cast(pl.Float64))
    found = rows.with_columns(x=cost, cost=pl.lit(name)).filter(untrained | cost.is_not_null())
    means = found.filter(pl.col("x").is_not_null(), mark="mean")
    means = means.sort("x", -pl.col("value"), maintain_order=True)  # the cheaper ones first
    so_far = pl.col("value").cum_max().shift().over(PANEL)
    best = means.filter((pl.col("value") > so_far) | so_far.is_null())
    best = best.select(*PANEL, "arm", "mark", on_frontier=pl.lit(True))
    found = found.join(best, on=[*PANEL, "arm", "mark"], how="left", maintain_order="left")
    on_frontier = pl.col("on_frontier").fill_null(False)
    return found.select(*COLUMNS, "cost", "x", on_frontier)


def _draw_panel(axes: "Axes", marks: pl.DataFrame, axis: LogAxis, looks: Looks) -> None:
    set_values(axes, marks)
    axis.set(axes)
    best = marks.filter(on_frontier=True).sort("x")
    x = [best["x"][0], *best["x"], axes.get_xlim()[1]]  # down to the axis, on to the right edge
    y = [axes.get_ylim()[0], *best["value"], best["value"][-1]]
    line: dict[str, Any] = {"color": _FRONTIER.colour, "ls": _FRONTIER.dashes, "lw": 1}
    steps = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
    axes.plot(*steps, label="_frontier", zorder=1, **line)
    draw_across(axes, marks, looks)
    draw_points(axes, marks, looks)
