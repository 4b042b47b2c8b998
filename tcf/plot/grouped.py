"""Values in groups -> dots on a line each, measured ones beside published ones. No torch."""

from typing import TYPE_CHECKING, Any

import polars as pl

from tcf.plot import style
from tcf.plot.drawing import Drawing
from tcf.plot.looks import entry
from tcf.plot.panels import Room, panel_figure, per_cent
from tcf.plot.table import NUMBERS, filled, finite, refuse, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["grouped_plot", "grouped_rows"]

_LINE = ("group", "name")
_NEEDED = ("panel", "metric", *_LINE, "value")
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("low", "high", "chance"), pl.lit(None, dtype=pl.Float64)),
    "published": pl.lit(False),
}
_COLUMNS = (*_NEEDED, *_DEFAULTS)
_ROW = 0.17  # inches of a line
_ID = "ID"


def grouped_plot(
    table: pl.DataFrame, *, title: str | None = None, width: style.Width = "page", note: str = ""
) -> Drawing:
    """Draw each value on a line of its own below the name of its group.

    Filled markers are measured, with their 95% intervals; open ones are published figures, which
    have none. A name has one colour and marker in all groups and panels, item IDs always theirs; a
    dashed line is the expectation of a random order. Panels, groups and names come in the order of
    the table.

    Args:
        table: Columns panel, metric (one a panel), group, name and value (a fraction); low and high
            (of what is not published), chance (one a panel; default none) and published (default
            False). `grouped_rows` makes them of evidence.
        title: Heading of the figure.
        width: ``"column"`` or ``"page"``.
        note: Stands below.

    Raises:
        ValueError: If a column, a row or a number is missing, a name has two values in a group, or
            a panel two metrics or two values of chance.
    """
    require(table, _NEEDED, what="a table of groups")
    absent = {name: value for name, value in _DEFAULTS.items() if name not in table.columns}
    table = table.with_columns(**absent).with_columns(pl.col("published").fill_null(False))
    value = pl.col("value")
    rules = [
        *filled(*_NEEDED),
        *filled("low", "high", among=~pl.col("published")),
        *finite(*NUMBERS, "chance"),
        ("values must be fractions between 0 and 1", (value < 0) | (value > 1)),
        ("a name has one value in a group", pl.struct("panel", *_LINE).is_duplicated()),
        (
            "a panel has one metric and one chance",
            (pl.struct("metric", "chance").n_unique() > 1).over("panel"),
        ),
    ]
    refuse(table, rules, show=_COLUMNS)
    data = table.select(_COLUMNS)
    panels = data["panel"].unique(maintain_order=True).to_list()
    lines = {panel: _lines(data.filter(panel=panel)) for panel in panels}
    looks = style.series_looks(data.filter(pl.col("name") != _ID)["name"])
    looks[_ID] = style.Look(style.ID_COLOUR, "o")
    most = max(map(len, lines.values()))
    wide = max(style.text_width(name, style.NAME) for name in (*data["group"], *data["name"]))
    below = [note, "Dashed: a random order."] if data["chance"].is_not_null().any() else [note]
    with style.styled():
        figure, every = panel_figure(
            panels,
            width=width,
            title=title,
            note=" ".join(below).strip(),
            handles=_entries(data),
            room=Room(height=_ROW * most + 0.1, left=wide + 0.3),
        )
        for axes, panel in zip(every, panels, strict=True):
            axes.set_ylim(most - 0.4, -0.6)
            _draw(axes, data.filter(panel=panel), lines[panel], looks)
    return Drawing(figure, data)


def grouped_rows(
    table: pl.DataFrame, *, panel: pl.Expr, group: pl.Expr, name: pl.Expr | None = None
) -> pl.DataFrame:
    """Return the means of a table of evidence as rows for `grouped_plot`, in their order.

    Args:
        table: As `tcf.study.evidence.evidence` returns it for one metric and slice.
        panel, group: What stands above a row, by the table's columns.
        name: Likewise; None: the arm.
    """
    name = pl.col("arm") if name is None else name
    means = table.filter(mark="mean")
    return means.select("metric", *NUMBERS, panel=panel, group=group, name=name)


def _lines(data: pl.DataFrame) -> list[tuple[str, str]]:
    """Return group and name of each line; a group's own line, above the others, has no name."""
    found = []
    for group in data["group"].unique(maintain_order=True):
        found += [(group, ""), *((group, name) for name in data.filter(group=group)["name"])]
    return found


def _entries(data: pl.DataFrame) -> list[Any]:
    grey = style.Look(style.GREY, "o")
    found = []
    if not data["published"].all():
        found = [entry("measured", grey, 5), entry("95% interval", style.Look(style.GREY, "|"), 8)]
    if data["published"].any():
        found.append(entry("published", style.Look(style.GREY, "o", hollow=True), 5))
    return found


def _draw(
    axes: "Axes", data: pl.DataFrame, lines: list[tuple[str, str]], looks: dict[str, style.Look]
) -> None:
    highest = max(x for x in (*data["value"], *data["high"]) if x is not None)
    axes.set_xlim(0, min(1.0, 1.08 * highest))
    axes.set_yticks(range(len(lines)), [name or group for group, name in lines])
    for label, (_, name) in zip(axes.get_yticklabels(), lines, strict=True):
        label.set(fontsize=style.NAME, fontweight="normal" if name else "bold")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(f"{data['metric'][0].upper()} (%)")
    per_cent(axes.xaxis)
    if (chance := data["chance"][0]) is not None:
        axes.axvline(chance, color=style.PALE, ls=style.LINE_ACROSS, lw=1, label="_chance")
    for row in data.iter_rows(named=True):
        look, place = looks[row["name"]], lines.index((row["group"], row["name"]))
        label = f"_{row['group']}:{row['name']}"
        if row["low"] is not None:
            bar: dict[str, Any] = {"color": look.colour, "lw": 1.4, "label": f"{label}:interval"}
            axes.plot([row["low"], row["high"]], [place] * 2, **bar)
        points: dict[str, Any] = look.points()
        if row["published"]:
            points["mfc"] = "white"
        axes.plot([row["value"]], [place], label=label, ms=4.5, **points)
