"""What is drawn in a figure, found by the labels of its artists."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text


def lines(axes: Axes, prefix: str) -> dict[str, Line2D]:
    """The lines whose label starts with ``prefix``, by the rest of the label."""
    found = [line for line in axes.get_lines() if str(line.get_label()).startswith(prefix)]
    return {str(line.get_label()).removeprefix(prefix): line for line in found}


def patches(axes: Axes, prefix: str) -> dict[str, Any]:
    """The bands whose label starts with ``prefix``, by the rest of the label."""
    found = [x for x in [*axes.patches, *axes.collections] if str(x.get_label()).startswith(prefix)]
    return {str(x.get_label()).removeprefix(prefix): x for x in found}


def legend(figure: Figure) -> list[str]:
    """The entries of the legend."""
    return [text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts()]


def words(figure: Figure) -> str:
    """Legend, title and note in one line."""
    entries = legend(figure) if figure.legends else []
    return " ".join([*entries, *(text.get_text().replace("\n", " ") for text in figure.texts)])


def names(axes: Axes) -> list[str]:
    """The names beside points and in the margin."""
    return [text.get_text().replace("\n", " ") for text in axes.texts]


def clipped(figure: Figure) -> list[str]:
    """The texts of the figure that leave it."""
    figure.canvas.draw()
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    frame = figure.bbox.padded(1)
    boxes = [(text, text.get_window_extent()) for text in found if text.get_visible()]
    return [
        text.get_text()
        for text, box in boxes
        if not (frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1))
    ]
