"""Draws one panel of a scaling plot: fits, families, arms and published numbers. No torch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from tcf.plot import style
from tcf.plot.axis import LogAxis
from tcf.plot.looks import Looks
from tcf.plot.names import label_points
from tcf.plot.points import draw_across, draw_points, set_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_panel"]


def draw_panel(
    axes: "Axes", marks: pl.DataFrame, axis: LogAxis, looks: Looks, dashes: Mapping[str, Any]
) -> None:
    """Draw the marks of one data set and backbone.

    Args:
        axes: To draw in.
        marks: Rows of `Drawing.data`.
        axis: The x axis that all panels share.
        looks: Of the arms.
        dashes: Of each form of fit.
    """
    set_values(axes, marks)
    axis.set(axes)
    means, fits = marks.filter(mark="mean").sort("x", "arm"), marks.filter(mark="fit")
    _draw_fits(axes, fits, looks, dashes)
    _join_families(axes, means, looks, fitted=set(fits["family"]) if len(fits) else set())
    _draw_published(axes, marks.filter(mark="published"), named=means.is_empty())
    draw_across(axes, marks, looks)
    draw_points(axes, marks, looks)


def _draw_published(axes: "Axes", published: pl.DataFrame, *, named: bool) -> None:
    rows = published.rows(named=True)
    for row in rows:
        look: dict[str, Any] = {"color": style.PALE, "marker": "x", "ms": 4.5, "ls": "", "mew": 1.1}
        axes.plot(row["x"], row["value"], label=f"_published:{row['arm']}", **look)
    if named:
        label_points(axes, [(row, style.GREY) for row in rows])


def _join_families(
    axes: "Axes", means: pl.DataFrame, looks: Looks, *, fitted: set[str | None]
) -> None:
    """Join the points of a family, unless a fit runs through them."""
    joined = means.filter(pl.col("family").is_not_null(), kind="model")
    for _, line in joined.group_by("family", "tuned", "control", maintain_order=True):
        row = line.row(0, named=True)
        if row["family"] in fitted and row["control"] is None and row["tuned"] is None:
            continue
        series = (row["family"], row["tuned"], row["control"])
        look, name = looks.of(row), ":".join(filter(None, series))
        drawn: dict[str, Any] = {"color": look.colour, "lw": 1, "ls": look.dashes, "alpha": 0.6}
        axes.plot(line["x"], line["value"], label=f"_family:{name}", **drawn)


def _draw_fits(axes: "Axes", fits: pl.DataFrame, looks: Looks, dashes: Mapping[str, Any]) -> None:
    if fits.is_empty():
        return
    for (family, form), curve in fits.group_by("family", "form", maintain_order=True):
        colour = looks.family_colour(None if family is None else str(family))
        label = f"{family}:{form}"
        look: dict[str, Any] = {"color": colour, "lw": 1.1, "ls": dashes[str(form)]}
        axes.plot(curve["x"], curve["value"], label=f"_fit:{label}", **look)
        band = curve.drop_nulls(["low", "high"])
        fill: dict[str, Any] = {"color": colour, "alpha": 0.12, "lw": 0, "zorder": 0.8}
        axes.fill_between(band["x"], band["low"], band["high"], label=f"_fit_band:{label}", **fill)
