"""Draws arms at their place on x with names, and across the panel what has no place. No torch."""

from typing import TYPE_CHECKING, Any

import polars as pl

from tcf.plot.looks import Looks, draw_mean, draw_seeds
from tcf.plot.names import label_margin, label_points
from tcf.plot.panels import per_cent, value_limits
from tcf.plot.table import UNTRAINED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["across_names", "draw_across", "draw_points", "set_values", "without_spread"]


def set_values(axes: "Axes", marks: pl.DataFrame) -> None:
    """Give ``axes`` limits, ticks and the name of the metric on y."""
    ends = pl.col("low", "high").filter(pl.col("mark") != "fit")  # a wide band may run out
    drawn = pl.concat([marks["value"], *marks.select(ends)]).drop_nulls()
    axes.set(ylim=value_limits(drawn.to_numpy()))
    axes.set_ylabel(f"{marks['metric'].drop_nulls()[0].upper()} (%)")
    per_cent(axes.yaxis)
    axes.grid(axis="y")


def draw_points(axes: "Axes", marks: pl.DataFrame, looks: Looks) -> None:
    """Draw mean, interval and seeds of each arm that has an ``x``, and its name if no control.

    Args:
        axes: With its final limits and all lines drawn, which names then keep clear of.
        marks: With the columns of evidence and ``x``.
        looks: Of the arms.
    """
    points = []
    for row in marks.filter(pl.col("x").is_not_null(), mark="mean").iter_rows(named=True):
        look = looks.of(row)
        draw_seeds(axes, marks.filter(mark="seed", arm=row["arm"]), look, at=row["x"])
        draw_mean(axes, row, look, at=row["x"])
        if row["control"] is None:  # the legend names controls, and x tells their size
            points.append((row, look.colour))
    label_points(axes, points)


def draw_across(axes: "Axes", marks: pl.DataFrame, looks: Looks) -> None:
    """Draw what has no ``x`` across the panel, named in its margin; an interval is a band.

    Args:
        axes: With its final limits.
        marks: With the columns of evidence and ``x``.
        looks: Of the arms.
    """
    margin, names = [], across_names(marks)
    for row, label in zip(_across(marks), names, strict=True):
        look, name = looks.of(row), row["arm"]
        draw_seeds(axes, marks.filter(mark="seed", arm=name), look, at=None)
        dashes = look.dashes if row["kind"] in UNTRAINED or look.hollow else "-"
        line: dict[str, Any] = {"color": look.colour, "lw": 1.1, "ls": dashes}
        axes.axhline(row["value"], label=f"_line:{name}", **line)
        if row["low"] is not None:
            fill: Any = {"color": look.colour, "alpha": 0.14, "lw": 0, "label": f"_band:{name}"}
            axes.axhspan(row["low"], row["high"], **fill)
        margin.append((row["value"], label, look.colour))
    label_margin(axes, margin)


def across_names(marks: pl.DataFrame) -> list[str]:
    """Return the names that `draw_across` writes in the margin; ▲ is of the epoch limit."""
    return [row["arm"] + " ▲" * row["hit_epoch_limit"] for row in _across(marks)]


def without_spread(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep of what is not trained the mean alone: it is a line, without interval and seeds."""
    line = pl.col("kind").is_in(UNTRAINED)
    bare = [pl.when(~line).then(pl.col(c)).alias(c) for c in ("low", "high", "interval_about")]
    return rows.filter(~line | (pl.col("mark") == "mean")).with_columns(*bare)


def _across(marks: pl.DataFrame) -> list[dict[str, Any]]:
    return marks.filter(pl.col("x").is_null(), mark="mean").rows(named=True)
