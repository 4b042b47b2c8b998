"""Lays out panels, legend, title and note at the width of a column or a page. No torch."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tcf._util import lookup
from tcf.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["Room", "panel_figure", "per_cent", "value_limits"]

_EDGE, _LINE, _SIDE_BY_SIDE = 0.08, 0.15, {"column": 1, "page": 2}


@dataclass(frozen=True)
class Room:
    """Inches that a panel takes, and what stands around it."""

    height: float = 1.9
    left: float = 0.56
    right: float = 0.12
    below: float = 0.45
    above: float = 0.3


def panel_figure(
    headings: Sequence[str | None],
    *,
    width: style.Width,
    title: str | None,
    note: str = "",
    handles: Sequence["Line2D"] = (),
    room: Room | None = None,
    across: int | None = None,
) -> tuple["Figure", list["Axes"]]:
    """Return a figure with a panel for each heading, in reading order; None leaves a place empty.

    Args:
        headings: Above the panels, which carry them as labels.
        width: ``"column"`` puts every panel below the last, ``"page"`` two side by side.
        title: Above everything.
        note: Below everything, wrapped.
        handles: Entries of the legend, which stands between panels and note.
        room: Of each panel.
        across: At most so many panels side by side, or just so many on a page.

    Raises:
        ValueError: If the width has no such name.
    """
    from matplotlib.figure import Figure

    room, wide = room or Room(), lookup(style.WIDTHS, width, "width")
    columns = 1 if width == "column" else across or _SIDE_BY_SIDE[width]
    columns = min(columns, len(headings))
    rows = math.ceil(len(headings) / columns)
    note_lines = textwrap.wrap(note, int((wide - 2 * _EDGE) * 18.5))
    title_lines = textwrap.wrap(title or "", int((wide - 2 * _EDGE) * 11.5))
    legend_columns = _legend_columns(handles, wide)
    legend_lines = _legend_lines(handles, legend_columns)
    head = 0.19 * len(title_lines) + (_EDGE if title else 0.02)
    foot = _EDGE + 0.125 * len(note_lines) + (_LINE * legend_lines + 0.06 if handles else 0)
    tall = room.above + room.height + room.below
    figure = Figure(figsize=(wide, head + rows * tall + foot))
    height = float(figure.get_figheight())
    found = []
    for number, heading in enumerate(headings):
        if heading is None:
            continue
        down, over = divmod(number, columns)
        left = over * wide / columns + room.left
        base = height - head - (down + 1) * tall + room.below
        size = (wide / columns - room.left - room.right, room.height)
        box = (left / wide, base / height, size[0] / wide, size[1] / height)
        axes = figure.add_axes(box, label=heading)
        axes.set_title(heading, loc="left", fontsize=style.HEADING, fontweight="bold")
        found.append(axes)
    edge = _EDGE / wide
    if handles:
        place: dict[str, Any] = {"loc": "lower left", "borderaxespad": 0, "handlelength": 1.6}
        place |= {"columnspacing": 1.2, "labelspacing": 0.3, "handletextpad": 0.5, "borderpad": 0}
        place |= {"bbox_to_anchor": (edge, (_EDGE + 0.125 * len(note_lines) + 0.04) / height)}
        order = _by_columns(handles, legend_columns)
        figure.legend(handles=order, ncols=legend_columns, frameon=False, fontsize=7, **place)
    low = {"fontsize": style.NOTE, "color": style.GREY, "va": "bottom"}
    figure.text(edge, 0.05 / height, "\n".join(note_lines), linespacing=1.25, **low)
    top = {"fontsize": style.TITLE, "va": "top"}
    figure.text(edge, 1 - 0.07 / height, "\n".join(title_lines), **top)
    return figure, found


def per_cent(axis: "Axis") -> None:
    """Show the fractions of ``axis`` as per cent."""
    axis.set_major_formatter(lambda share, _: f"{100 * share:.4g}")


def value_limits(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Limits around fractions: from 0 where that costs less than two fifths of the axis."""
    top, bottom = float(np.max(values)), float(np.min(values))
    bottom = bottom if bottom >= 0.4 * top else 0.0
    room = (top - bottom) * 0.16 or 0.01
    return max(0.0, bottom - room), top + room


def _legend_columns(handles: Sequence["Line2D"], wide: float) -> int:
    """Return the most columns in which the entries, row by row, are no wider than the figure."""
    widths = [style.text_width(str(handle.get_label()), 7) + 0.36 for handle in handles]
    for columns in range(len(widths), 1, -1):
        if sum(max(widths[place::columns]) for place in range(columns)) < wide - 2 * _EDGE:
            return columns
    return 1


def _legend_lines(handles: Sequence["Line2D"], columns: int) -> int:
    heights = [str(handle.get_label()).count("\n") + 1 for handle in handles]
    return sum(max(heights[row : row + columns]) for row in range(0, len(heights), columns))


def _by_columns(handles: Sequence["Line2D"], columns: int) -> list["Line2D"]:
    """Matplotlib fills a legend column by column; ours reads row by row."""
    return [handle for place in range(columns) for handle in handles[place::columns]]
