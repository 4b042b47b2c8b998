"""Finds, for the name of each point of a plot, a free place near it. No torch."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def label_points(axes: "Axes", points: list[tuple[dict[str, Any], str]]) -> None:
    """Name each encoder at the free place nearest to its marker, or by a thin line."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    renderer = FigureCanvasAgg(axes.get_figure(root=True)).get_renderer()  # type: ignore[arg-type]
    taken, notes, choices, frame = np.zeros((0, 4)), [], [], axes.get_window_extent()
    for line in axes.get_lines():  # of everything drawn, a name must cover nothing
        path = line.get_transform().transform_path(line.get_path()).interpolated(60)
        dots, pad = np.asarray(path.vertices), 6 if "_mean" in str(line.get_label()) else 3
        taken = np.vstack([taken, np.hstack([dots - pad, dots + pad])])
    for row, colour in points:
        look: dict[str, Any] = {"color": colour, "fontsize": 7, "textcoords": axes.transAxes}
        look |= {"arrowprops": {"arrowstyle": "-", "color": colour, "lw": 0.5, "shrinkB": 3}}
        notes.append(axes.annotate(row["arm"], (row["x"], row["value"]), (0, 0), **look))
        extent = Text.get_window_extent(notes[-1], renderer)
        ends = axes.transData.transform([(row["x"], row[x]) for x in ("low", "value", "high")])
        boxes, far = _places(ends, wide=1.06 * extent.width, tall=extent.height)
        outside = np.maximum(0, np.hstack([frame.min - boxes[:, :2], boxes[:, 2:] - frame.max]))
        choices.append((boxes, far, far + 20 * outside.sum(1) + _overlap(boxes, taken)))
    chosen = np.full((len(points), 4), -1.0)
    for turn in range(3 * len(points)):  # again, now that the others are known
        number = turn % len(points)
        boxes, far, cost = choices[number]
        best = (cost + _overlap(boxes, np.delete(chosen, number, axis=0))).argmin()
        chosen[number] = boxes[best]
        notes[number].set_position(axes.transAxes.inverted().transform(boxes[best, :2]))
        notes[number].arrow_patch.set_visible(bool(far[best] > 14))


def _places(ends: np.ndarray, *, wide: float, tall: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes ``(n, 4)`` in pixels where a point's name may stand, and how far each is from best."""
    (x, low), (_, middle), (_, high) = ends
    places = []
    for away in range(4, 90, 6):
        for shift in (0.5, 0.2, 0.8, 0.0, 1.0):
            left, far = x - shift * wide, away + 8 * abs(shift - 0.5)
            places += [(left, high + away, far), (left, low - away - tall, far + 1)]
        sides = (x - 7 - away - wide, x + 13 + away)
        places += [(left, middle - tall / 2, away + 3) for left in sides]
    found = np.array(places)
    return np.hstack([found[:, :2], found[:, :2] + (wide, tall)]), found[:, 2]


def _overlap(boxes: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Square pixels of each box ``(n, 4)`` that are taken already."""
    low = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    return np.maximum(high - low, 0).prod(2).sum(1)
