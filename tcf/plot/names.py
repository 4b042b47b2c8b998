"""Finds free places for names: of points near them, of lines and bands in the margin. No torch."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tcf.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["label_margin", "label_points", "margin_room", "wrapped"]

_LINE = 0.115  # inches of a line of text
_FAR = 14  # pixels from which on a thin line leads from a point to its name


def wrapped(text: str) -> str:
    """Break a name so that a margin can hold it."""
    return textwrap.fill(text, 14)


def margin_room(names: Sequence[str]) -> float:
    """Inches right of a panel that `label_margin` needs for these names."""
    return max([style.text_width(wrapped(x), style.NAME) for x in names], default=0) + 0.2


def label_margin(axes: "Axes", labels: Sequence[tuple[float, str, str]]) -> None:
    """Name what ends at the right edge, pushed apart where it is close.

    Args:
        axes: With its final limits.
        labels: Value, name and colour of each.
    """
    wide, tall = (float(x) / axes.figure.dpi for x in (axes.bbox.width, axes.bbox.height))
    low, high = axes.get_ylim()
    labels = sorted((value, wrapped(text), colour) for value, text, colour in labels)
    halves = np.array([(text.count("\n") + 1) * _LINE / 2 + 0.015 for _, text, _ in labels])
    wanted = np.array([(value - low) / (high - low) * tall for value, _, _ in labels])
    centres = _apart(wanted, halves, tall) / tall
    for (value, text, colour), centre in zip(labels, centres, strict=True):
        look: dict[str, Any] = {"color": colour, "va": "center", "fontsize": style.NAME}
        look |= {"arrowprops": {"arrowstyle": "-", "color": colour, "lw": 0.6, "shrinkB": 0}}
        look |= {"xycoords": axes.get_yaxis_transform(), "textcoords": axes.transAxes}
        axes.annotate(text, (1, value), (1 + 0.1 / wide, centre), annotation_clip=False, **look)


def _apart(wanted: np.ndarray, halves: np.ndarray, inches: float) -> np.ndarray:
    """Centres near ``wanted`` (ascending) that neither overlap nor leave the panel's height."""
    found, floor = wanted.copy(), 0.0
    for place in range(len(found)):  # up from the bottom, then down from the top
        found[place] = max(found[place], floor + halves[place])
        floor = found[place] + halves[place]
    ceiling = max(inches, 2 * halves.sum())
    for place in reversed(range(len(found))):
        found[place] = min(found[place], ceiling - halves[place])
        ceiling = found[place] - halves[place]
    return found


def label_points(axes: "Axes", points: Sequence[tuple[dict[str, Any], str]]) -> None:
    """Name each point at the free place nearest to its marker, or by a thin line.

    Args:
        axes: With its final limits and everything else drawn.
        points: A row with arm, x, value, low and high, and a colour, each.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    renderer = FigureCanvasAgg(axes.get_figure(root=True)).get_renderer()  # type: ignore[arg-type]
    taken, notes, choices = np.zeros((0, 4)), [], []
    frame = axes.get_window_extent().padded(-4)
    for line in axes.get_lines():  # of everything drawn, a name must cover nothing
        path = line.get_transform().transform_path(line.get_path()).interpolated(60)
        dots, pad = np.asarray(path.vertices), 6 if "_mean" in str(line.get_label()) else 3
        taken = np.vstack([taken, np.hstack([dots - pad, dots + pad])])
    for row, colour in points:
        look: dict[str, Any] = {"color": colour, "fontsize": style.NAME}
        look |= {"textcoords": axes.transAxes, "ha": "left", "va": "bottom", "linespacing": 1.1}
        look |= {"arrowprops": {"arrowstyle": "-", "color": colour, "lw": 0.5, "shrinkB": 3}}
        name = textwrap.fill(row["arm"], 17)
        notes.append(axes.annotate(name, (row["x"], row["value"]), (0, 0), **look))
        extent = Text.get_window_extent(notes[-1], renderer)
        ends = [row["value"] if row[x] is None else row[x] for x in ("low", "value", "high")]
        ends = axes.transData.transform([(row["x"], end) for end in ends])
        boxes, far = _places(ends, wide=1.06 * extent.width, tall=extent.height)
        outside = np.maximum(0, np.hstack([frame.min - boxes[:, :2], boxes[:, 2:] - frame.max]))
        cost = far + 60 * outside.sum(1) + _overlap(boxes, taken)
        choices.append((boxes, far, cost, _leaders(boxes, ends[1], far)))
    chosen = np.full((len(points), 4), -1.0)
    for turn in range(3 * len(points)):  # again, now that the others are known
        number = turn % len(points)
        boxes, far, cost, leaders = choices[number]
        others = np.delete(chosen, number, axis=0)
        crossed = _overlap(leaders.reshape(-1, 4), others).reshape(len(boxes), -1).sum(1)
        best = (cost + _overlap(boxes, others) + crossed).argmin()
        chosen[number] = boxes[best]
        notes[number].set_position(axes.transAxes.inverted().transform(boxes[best, :2]))
        notes[number].arrow_patch.set_visible(bool(far[best] > _FAR))


def _leaders(boxes: np.ndarray, point: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Small squares ``(n, 12, 4)`` along the line from each box that is far to the point."""
    middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    dots = middle + np.linspace(0, 1, 12)[None, :, None] * (point - middle)
    half = np.where(far > _FAR, 3.0, -3.0)[:, None, None]  # a square of negative side meets nothing
    return np.concatenate([dots - half, dots + half], axis=2)


def _places(ends: np.ndarray, *, wide: float, tall: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes ``(n, 4)`` in pixels where a point's name may stand, and how far each is from best."""
    (x, low), (_, middle), (_, high) = ends
    places = []
    for away in range(4, 90, 6):
        for shift in (0.5, 0.2, 0.8, 0.0, 1.0):
            left, far = x - shift * wide, away + 8 * abs(shift - 0.5)
            places += [(left, high + away, far), (left, low - away - tall, far + 1)]
        if away < 20:  # a long level line would look like an interval
            sides = (x - 7 - away - wide, x + 13 + away)
            places += [(left, middle - tall / 2, away + 3) for left in sides]
    found = np.array(places)
    return np.hstack([found[:, :2], found[:, :2] + (wide, tall)]), found[:, 2]


def _overlap(boxes: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Square pixels of each box ``(n, 4)`` that are taken already."""
    low = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    return np.maximum(high - low, 0).prod(2).sum(1)
