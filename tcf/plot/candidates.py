"""Rankers of the same candidates -> dots on a line each, by data set. No torch."""

from typing import TYPE_CHECKING, Any

import polars as pl

from tcf.plot import style
from tcf.plot.drawing import Drawing
from tcf.plot.looks import entry
from tcf.plot.panels import Room, panel_figure, per_cent
from tcf.plot.table import NUMBERS, filled, finite, refuse, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["candidates_plot"]

_TASK, _KEY = ("task", "metric"), ("dataset", "ranker")
_COLUMNS = (*_TASK, *_KEY, *NUMBERS, "chance", "published")
_ROW = 0.17  # inches of a line


def candidates_plot(
    table: pl.DataFrame, *, title: str | None = None, width: style.Width = "page", note: str = ""
) -> Drawing:
    """Draw each ranker on a line of its own below its data set, a panel for each task.

    Filled markers are measured, with their 95% intervals; open ones are published figures, without.
    A dashed line is the expectation of a random order. Panels, data sets and rankers come in the
    order of the table.

    Args:
        table: Columns task, metric (together a panel), dataset, ranker, value, low, high
            (fractions; no ends for a published figure), chance (of the task) and published (bool).
        title: Heading of the figure.
        width: ``"column"`` or ``"page"``.
        note: Stands below, behind what the marks are.

    Raises:
        ValueError: If a column, a row or a number is missing, a ranker has two values in one task,
            or a task two values of chance.
    """
    require(table, _COLUMNS, what="a table of rankers")
    value = pl.col("value")
    rules = [
        *filled(*_TASK, *_KEY, "value", "chance", "published"),
        *filled("low", "high", among=~pl.col("published")),
        *finite(*NUMBERS, "chance"),
        ("values must be fractions between 0 and 1", (value < 0) | (value > 1)),
        ("a ranker has one value in a task", pl.struct(*_TASK, *_KEY).is_duplicated()),
        ("a task has one chance", (pl.col("chance").n_unique() > 1).over(*_TASK)),
    ]
    refuse(table, rules, show=_COLUMNS)
    data = table.select(_COLUMNS)
    tasks = data.select(_TASK).unique(maintain_order=True).rows()
    lines = _lines(data)
    looks = style.series_looks(data.filter(~pl.col("published"))["ranker"])
    grey = style.Look(style.GREY, "o")
    hollow = style.Look(style.GREY, "o", hollow=True)
    handles = [entry("measured", grey, 5), entry("95% interval", style.Look(style.GREY, "|"), 8)]
    handles += [entry("published", hollow, 5)] if data["published"].any() else []
    wide = max(style.text_width(name, style.NAME) for _, name in lines)
    with style.styled():
        figure, every = panel_figure(
            [task for task, _ in tasks],
            width=width,
            title=title,
            note=f"Dashed: a random order. {note}".strip(),
            handles=handles,
            room=Room(height=_ROW * len(lines) + 0.1, left=wide + 0.3),
        )
        for axes, task in zip(every, tasks, strict=True):
            marks = data.filter(task=task[0], metric=task[1])
            _draw(axes, marks, lines, {**dict.fromkeys(marks["ranker"], hollow), **looks})
    return Drawing(figure, data)


def _lines(data: pl.DataFrame) -> list[tuple[str, str]]:
    """Return data set and ranker of each line; a data set's own line, above the others, has ''."""
    found = []
    for dataset in data["dataset"].unique(maintain_order=True):
        rankers = data.filter(dataset=dataset)["ranker"].unique(maintain_order=True)
        found += [(dataset, ""), *((dataset, ranker) for ranker in rankers)]
    return found


def _draw(
    axes: "Axes",
    marks: pl.DataFrame,
    lines: list[tuple[str, str]],
    looks: dict[str, style.Look],
) -> None:
    highest = max(x for x in (*marks["value"], *marks["high"]) if x is not None)
    axes.set(ylim=(len(lines) - 0.4, -0.6), xlim=(0, min(1.0, 1.08 * highest)))
    axes.set_yticks(range(len(lines)), [ranker or dataset for dataset, ranker in lines])
    for label, (_, ranker) in zip(axes.get_yticklabels(), lines, strict=True):
        label.set(fontsize=style.NAME, fontweight="normal" if ranker else "bold")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(f"{marks['metric'][0].upper()} (%)")
    per_cent(axes.xaxis)
    axes.axvline(marks["chance"][0], color=style.PALE, ls=style.LINE_ACROSS, lw=1, label="_chance")
    for row in marks.iter_rows(named=True):
        place = lines.index((row["dataset"], row["ranker"]))
        look = looks[row["ranker"]]
        label = f"_{row['dataset']}:{row['ranker']}"
        if row["low"] is not None:
            bar: dict[str, Any] = {"color": look.colour, "lw": 1.4}
            axes.plot([row["low"], row["high"]], [place] * 2, label=f"{label}:interval", **bar)
        axes.plot([row["value"]], [place], label=label, ms=4.5, **look.points())
