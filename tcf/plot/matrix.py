"""Tables of two names and a number -> heat maps with the numbers in their cells. No torch."""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tcf._util import lookup
from tcf.plot import style
from tcf.plot.drawing import Drawing
from tcf.plot.panels import Room, panel_figure
from tcf.plot.table import PANEL, filled, finite, panel_names, refuse, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["layers_plot", "transfer_plot"]

_ROW = 0.24  # inches of a row of cells


def layers_plot(
    table: pl.DataFrame,
    *,
    metric: str = "hr@10",
    title: str | None = None,
    width: style.Width = "column",
) -> Drawing:
    """Draw a heat map of depth x pooling, the deepest layer on top.

    Numbers are per cent, darker is lower, and the highest of a panel is bold.

    Args:
        table: Columns layer, pooling, value (a fraction); with dataset and backbone, a panel each.
        metric: What the values are, for the note.
        title: Heading of the figure.
        width: ``"column"`` or ``"page"``.

    Raises:
        ValueError: If a column, a row or a number is missing, or a cell is given twice.
    """
    table = _checked(table, "layer", "pooling", what="a table of layers")
    table = table.sort("layer", descending=True, maintain_order=True)
    return _draw(table, "layer", "pooling", metric=metric, title=title, width=width)


def transfer_plot(
    table: pl.DataFrame,
    *,
    metric: str = "hr@10",
    title: str | None = None,
    width: style.Width = "column",
) -> Drawing:
    """Draw a matrix of what was trained on one data set and measured on another.

    Numbers are per cent, darker is lower, and the highest of each target is bold.

    Args:
        table: Columns source, target, value (a fraction); with backbone and dataset, a panel each.
        metric, title, width: As in `layers_plot`.

    Raises:
        ValueError: As `layers_plot`.
    """
    table = _checked(table, "source", "target", what="a table of transfers")
    return _draw(table, "source", "target", metric=metric, title=title, width=width)


def _checked(table: pl.DataFrame, down: str, along: str, *, what: str) -> pl.DataFrame:
    columns = (down, along, "value")
    require(table, columns, what=what)
    table = table.with_columns(pl.lit("").alias(x) for x in PANEL if x not in table.columns)
    rules = [
        *filled(*PANEL, *columns),
        *finite("value"),
        ("values must be fractions between 0 and 1", (pl.col("value") < 0) | (pl.col("value") > 1)),
        (
            f"a pair of {down} and {along} has one value",
            pl.struct(*PANEL, down, along).is_duplicated(),
        ),
    ]
    refuse(table, rules, show=(*PANEL, *columns))
    return table.select(*PANEL, *columns)


def _draw(
    data: pl.DataFrame, down: str, along: str, *, metric: str, title: str | None, width: style.Width
) -> Drawing:
    panels, across = panel_names(data)
    across = 1 if width == "column" else min(across, 2)
    names, heads = (data[x].unique(maintain_order=True).cast(pl.String) for x in (down, along))
    left = _widest(names) + 0.35
    cell = (lookup(style.WIDTHS, width, "width") / across - left - 0.12) / len(heads)
    turned = _widest(heads) > 0.95 * cell
    above = 0.3 if any(any(panel) for panel in panels if panel) else 0.08
    below = 0.38 + (0.45 * _widest(heads) if turned else 0)
    highest = "the highest of each target" if along == "target" else "the highest"
    with style.styled():
        figure, every = panel_figure(
            [panel and " · ".join(filter(None, panel)) for panel in panels],
            width=width,
            title=title,
            note=f"Cells: {metric.upper()} in per cent; darker is lower; bold: {highest}.",
            room=Room(height=_ROW * len(names), left=left, above=above, below=below),
            across=across,
        )
        for axes, panel in zip(every, filter(None, panels), strict=True):
            cells = data.filter(dataset=panel[0], backbone=panel[1])
            _draw_cells(axes, cells, down, along, turned=turned)
    return Drawing(figure, data)


def _widest(names: pl.Series) -> float:
    return max(style.text_width(name, style.NAME) for name in names)


def _draw_cells(axes: "Axes", cells: pl.DataFrame, down: str, along: str, *, turned: bool) -> None:
    rows, columns = (cells[x].unique(maintain_order=True).to_list() for x in (down, along))
    grid = np.full((len(rows), len(columns)), np.nan)
    for row, column, value in cells.select(down, along, "value").rows():
        grid[rows.index(row), columns.index(column)] = value
    shades: dict[str, Any] = {"vmin": np.nanmin(grid), "vmax": np.nanmax(grid) + 1e-12}
    shades |= {"cmap": "cividis", "edgecolors": "white", "linewidth": 1}
    mesh: Any = axes.pcolormesh(np.ma.masked_invalid(grid), **shades)
    best = np.nanmax(grid, axis=0 if along == "target" else None, keepdims=True)
    for (row, column), value in np.ndenumerate(grid):
        if np.isnan(value):
            continue
        bright = mesh.to_rgba(value)[:3] @ np.array([0.2126, 0.7152, 0.0722])
        is_best = value == np.broadcast_to(best, grid.shape)[row, column]
        look: dict[str, Any] = {"color": "black" if bright > 0.45 else "white"}
        look |= {"ha": "center", "va": "center", "fontsize": style.NAME}
        look |= {"weight": "bold" if is_best else "normal"}
        axes.text(column + 0.5, row + 0.5, f"{100 * value:.2f}", **look)
    axes.invert_yaxis()
    axes.tick_params(length=0, labelsize=style.NAME)
    axes.spines[:].set_visible(False)
    turn: dict[str, Any] = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"}
    names = [str(x) for x in columns]
    axes.set_xticks(np.arange(len(columns)) + 0.5, names, **(turn if turned else {}))
    axes.set_yticks(np.arange(len(rows)) + 0.5, [str(x) for x in rows])
    axes.set(xlabel=along, ylabel=down)
