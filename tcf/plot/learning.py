"""Epochs of runs -> learning curves: validation and loss, a line a run. No torch."""

from typing import TYPE_CHECKING, Any

import polars as pl

from tcf.plot import style
from tcf.plot.drawing import Drawing
from tcf.plot.looks import arm_looks, entry
from tcf.plot.panels import Room, panel_figure, per_cent
from tcf.plot.table import PANEL, SERIES, filled, finite, panel_names, refuse, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["learning_plot"]

_COLUMNS = (*PANEL, "arm", *SERIES, "seed", "epoch", "value", "loss")


def learning_plot(
    table: pl.DataFrame,
    *,
    metric: str = "hr@10",
    title: str | None = None,
    width: style.Width = "page",
) -> Drawing:
    """Draw the validation metric and the training loss against epochs.

    Two panels for each data set and backbone, a line a run, the seeds of an arm in one look; a dot
    is the epoch with the best validation.

    Args:
        table: A row a run and epoch, as `tcf.study.epochs.read_epochs` returns it: columns dataset,
            backbone, arm, kind, family, tuned, control, seed, epoch (from 1), value (validation, a
            fraction), loss.
        metric: What the validation values are, for the axis.
        title: Heading of the figure.
        width: ``"column"`` or ``"page"``.

    Raises:
        ValueError: If a column, a row or a number is missing, or an epoch is given twice.
    """
    require(table, _COLUMNS, what="a table of epochs")
    run = (*PANEL, "arm", "seed")
    needed = (*run, "kind", "epoch", "value", "loss")
    rules = [
        *filled(*needed),
        *finite("value", "loss"),
        ("values must be fractions between 0 and 1", (pl.col("value") < 0) | (pl.col("value") > 1)),
        ("a run has each epoch once", pl.struct(*run, "epoch").is_duplicated()),
    ]
    refuse(table, rules, show=needed)
    runs = table.group_by(run, maintain_order=True)
    data = pl.concat([rows.sort("epoch") for _, rows in runs]).select(_COLUMNS)
    looks, pairs = arm_looks(data), filter(None, panel_names(data)[0])
    panels = [(pair, column) for pair in pairs for column in ("value", "loss")]
    with style.styled():
        figure, every = panel_figure(
            [" · ".join(pair) for pair, _ in panels],
            width=width,
            title=title,
            note="A line a run; the seeds of an arm look alike. The dot is the best epoch.",
            handles=[entry(arm, look, 3.5, ls=look.dashes) for arm, look in looks.items()],
            room=Room(),
            across=2,
        )
        for axes, (pair, column) in zip(every, panels, strict=True):
            label = f"validation {metric.upper()} (%)" if column == "value" else "training loss"
            axes.set(xlabel="epoch", ylabel=label)
            _draw_panel(axes, data.filter(dataset=pair[0], backbone=pair[1]), column, looks)
    return Drawing(figure, data)


def _draw_panel(
    axes: "Axes", rows: pl.DataFrame, column: str, looks: dict[str, style.Look]
) -> None:
    from matplotlib.ticker import MaxNLocator

    for (arm, seed), run in rows.group_by("arm", "seed", maintain_order=True):
        look, name = looks[str(arm)], f"{arm}:{seed}"
        line: dict[str, Any] = {"color": look.colour, "ls": look.dashes, "lw": 1, "alpha": 0.85}
        axes.plot(run["epoch"], run[column], label=f"_run:{name}", **line)
        best = run.row(int(run["value"].arg_max() or 0), named=True)
        points: dict[str, Any] = look.points() | {"ms": 3.5, "mew": 0.8}
        axes.plot(best["epoch"], best[column], label=f"_best:{name}", **points)
    if column == "value":
        axes.set_ylim(bottom=0)
        per_cent(axes.yaxis)
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
