"""Colours, markers, fonts and widths of every plot: told apart in grey too. No torch.

A colour never stands alone: with it goes a marker or a dash.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

__all__ = ["Width"]

Width = Literal["column", "page"]

# Inches: a column and a page of a two-column paper.
WIDTHS: dict[str, float] = dict(zip(get_args(Width), (3.4, 7.0), strict=True))
# Colours that stay apart for colour-blind readers: Okabe & Ito (2008).
COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "D", "P", "p", "*", "h")
DASHES: tuple[Any, ...] = (
    "-",
    (0, (4, 1.6)),
    (0, (1.2, 1.2)),
    (0, (5, 1.2, 1.2, 1.2)),
    (0, (8, 2)),
)
LINE_ACROSS: Any = (0, (4, 3))  # what is not trained
ID_COLOUR, CONTROL_COLOUR, GREY, PALE = "#D55E00", "#555555", "#444444", "#888888"
AT_LIMIT = "^"  # marks what stopped at its epoch limit, in every colour
TEXT, NAME, NOTE, HEADING, TITLE = 7.5, 6.5, 6.5, 8.5, 10.0  # points

_FONTS = ["DejaVu Sans", "Verdana", "Arial"]
_STYLE: dict[str, Any] = dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), GREY)
_STYLE |= {"axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.7}
_STYLE |= {"axes.axisbelow": True, "grid.color": "#EBEBEB", "grid.linewidth": 0.6}
_STYLE |= {"font.family": [_FONTS[0], "sans-serif"], "font.sans-serif": _FONTS, "font.size": TEXT}
_STYLE |= {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "tcf"}


@dataclass(frozen=True)
class Look:
    """How the marks of one series are drawn."""

    colour: str
    marker: str
    dashes: Any = "-"
    hollow: bool = False

    def points(self, *, at_limit: bool = False) -> dict[str, Any]:
        """Return the keywords of a marker: open for a control, a triangle at an epoch limit.

        Controls are told apart by their markers alone, and keep them; their seeds show the limit.
        """
        limited = at_limit and self.colour != CONTROL_COLOUR
        look: dict[str, Any] = {"marker": AT_LIMIT if limited else self.marker, "ls": ""}
        return look | {"mec": self.colour, "mfc": "white" if self.hollow else self.colour}


def styled() -> AbstractContextManager[None]:
    """Draw in this style whatever the reader's own settings are."""
    from matplotlib import style

    return style.context(["default", _STYLE])


def saving() -> AbstractContextManager[None]:
    """Settings that Matplotlib reads only while it writes."""
    from matplotlib import rc_context

    return rc_context(cast("Any", _STYLE))


def series_looks(names: Iterable[str]) -> dict[str, Look]:
    """Give each name, in order, its colour, marker and dash; none repeats within 35 names."""
    return {name: numbered_look(number) for number, name in enumerate(dict.fromkeys(names))}


def numbered_look(number: int) -> Look:
    """Return the look of the ``number``-th series."""
    marker, colour = MARKERS[number % len(MARKERS)], COLOURS[number % len(COLOURS)]
    return Look(colour, marker, DASHES[number % len(DASHES)])


def text_width(text: str, size: float) -> float:
    """Inches that the longest line of ``text`` takes at ``size`` points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=_FONTS[0], size=size)
    lines = text.split("\n")
    found = [text_to_path.get_text_width_height_descent(x, font, ismath=False)[0] for x in lines]
    return max(found) / 72
