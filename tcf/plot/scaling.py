"""Evidence -> scaling plot: metric against the encoder's size, beside the item-ID baseline.

Nothing is read or fitted here: what is drawn are the numbers of the tables, and `Drawing.data`
holds exactly those. No torch.
"""

from typing import Literal

import polars as pl

from tcf._util import lookup
from tcf.plot import style
from tcf.plot.axis import LogAxis
from tcf.plot.drawing import Drawing
from tcf.plot.looks import Looks, entry, interval_note
from tcf.plot.names import margin_room
from tcf.plot.panels import Room, panel_figure
from tcf.plot.points import across_names, without_spread
from tcf.plot.scaling_panel import draw_panel
from tcf.plot.table import (
    COLUMNS,
    ENCODERS,
    NUMBERS,
    PANEL,
    evidence_rows,
    filled,
    finite,
    panel_names,
    refuse,
    require,
)
from tcf.study.scaling import AXES

__all__ = ["Size", "published_plot", "scaling_plot"]

Size = Literal["parameters", "parameters_without_embeddings", "flops_per_item"]
_PUBLISHED = style.Look(style.PALE, "x")


def scaling_plot(
    table: pl.DataFrame,
    *,
    metric: str = "hr@10",
    slice: str = "all",
    x: Size = "parameters",
    fits: pl.DataFrame | None = None,
    published: pl.DataFrame | None = None,
    title: str | None = None,
    width: style.Width = "page",
) -> Drawing:
    """Draw ``metric`` against the encoder's size, a panel for each data set and backbone.

    A marker is an encoder's mean over seeds with its 95% interval, beside one small dot a seed;
    points of one family are joined, unless a fit runs through them. Static encoders stand left of
    the axis break, controls and random weights are open markers, the item-ID baseline is a band
    (mean and interval), what is not trained a dashed line, and a triangle marks what stopped at
    its epoch limit. A note says what the intervals cover. Panels and families come in the order of
    the table.

    Args:
        table: As `tcf.study.evidence.evidence` returns it: fractions.
        metric: Which rows to draw.
        slice: Likewise.
        x: What counts as size, a column of ``table``; the axis says which.
        fits: Curves on a grid, drawn as line and band: columns dataset, backbone, family, form, the
            size under the name ``x``, value, and low and high (null: no band).
        published: Others' numbers, drawn in grey and named so: columns dataset, backbone, arm,
            the size under the name ``x``, metric, value.
        title: Heading of the figure.
        width: ``"column"`` (3.4 inches) or ``"page"`` (7 inches).

    Returns:
        The drawing; its data have ``mark`` "mean", "seed", "fit" or "published", and ``x`` is the
        place on the axis, for a static encoder left of the break.

    Raises:
        ValueError: If a column, the metric or a number is missing, or rows contradict each other.
    """
    lookup(AXES, x, "x")
    rows = _sized(evidence_rows(table, metric=metric, slice=slice, also=[x]), x)
    extra = [_overlay(published, x, metric=metric), _curves(fits, x)]
    for frame, name in zip(extra, ("published", "fits"), strict=True):
        _check_panels(frame, rows, name)
    return _draw(rows, [x for x in extra if x is not None], x=x, title=title, width=width)


def published_plot(
    published: pl.DataFrame,
    *,
    metric: str = "hr@10",
    x: Size = "parameters",
    fits: pl.DataFrame | None = None,
    title: str | None = None,
    width: style.Width = "page",
) -> Drawing:
    """Draw others' numbers alone, each with its name, with the curves fitted to them.

    Args:
        published, metric, x, fits, title, width: As in `scaling_plot`.

    Raises:
        ValueError: As `scaling_plot`.
    """
    lookup(AXES, x, "x")
    rows, curves = _overlay(published, x, metric=metric), _curves(fits, x)
    assert rows is not None
    _check_panels(curves, rows, "fits")
    empty = pl.DataFrame(schema={name: _TYPES.get(name, pl.String) for name in (*COLUMNS, x, "x")})
    extra = [rows] if curves is None else [rows, curves]
    return _draw(empty, extra, x=x, title=title, width=width)


_TYPES = dict.fromkeys((*NUMBERS, "x"), pl.Float64) | {"hit_epoch_limit": pl.Boolean}
_TYPES |= dict.fromkeys(("seed", "num_seeds", "num_users", *AXES), pl.Int64)


def _sized(rows: pl.DataFrame, x: str) -> pl.DataFrame:
    """Return the rows that are drawn, ``x`` the size of those that have one."""
    kind, size = pl.col("kind"), pl.col(x)
    large = (size > 0).fill_null(False)
    rules = [
        (f"an encoder needs its {x}, above 0", kind.is_in(ENCODERS) & ~large),
        (f"a static encoder has 0 {x}", (kind == "static") & large),
    ]
    refuse(rows, rules, show=(*PANEL, "arm", "kind", x))
    if rows.filter(kind.is_in(ENCODERS)).is_empty():
        raise ValueError("a scaling plot needs an arm of kind model or random; found none")
    sized = pl.when(kind.is_in(ENCODERS)).then(size.cast(pl.Float64))
    return without_spread(rows).with_columns(x=sized)


def _curves(fits: pl.DataFrame | None, x: str) -> pl.DataFrame | None:
    if fits is None:
        return None
    columns = (*PANEL, "family", "form", x, *NUMBERS)
    require(fits, columns, what="a table of fits")
    value, low, high = (pl.col(name) for name in NUMBERS)
    rules = [
        *filled(*PANEL, "form", x, "value"),
        *finite(x, *NUMBERS),
        (f"{x} must be above 0", pl.col(x) <= 0),
        ("low <= value <= high must hold", (low > value + 1e-9) | (high < value - 1e-9)),
    ]
    refuse(fits, rules, show=columns)
    curves = _extra(fits, columns, x, "fit").group_by(*PANEL, "family", "form", maintain_order=True)
    return pl.concat([curve.sort("x") for _, curve in curves])


def _overlay(published: pl.DataFrame | None, x: str, *, metric: str) -> pl.DataFrame | None:
    if published is None:
        return None
    columns = (*PANEL, "arm", x, "metric", "value")
    require(published, columns, what="a table of published numbers")
    lookup(dict.fromkeys(published["metric"].drop_nulls().unique(), 0), metric, "metric")
    rows, value = published.filter(metric=metric), pl.col("value")
    rules = [
        *filled(*columns),
        *finite(x, "value"),
        (f"{x} must be above 0", pl.col(x) <= 0),
        ("values must be fractions between 0 and 1", (value < 0) | (value > 1)),
        ("an arm has one published number", pl.struct(*PANEL, "arm").is_duplicated()),
    ]
    refuse(rows, rules, show=columns)
    return _extra(rows, columns, x, "published")


def _extra(frame: pl.DataFrame, columns: tuple[str, ...], x: str, mark: str) -> pl.DataFrame:
    texts = [pl.col(c).cast(pl.String) for c in columns if c not in (x, *NUMBERS)]
    numbers = [pl.col(c).cast(pl.Float64) for c in columns if c in NUMBERS]
    place = pl.col(x).cast(pl.Float64).alias("x")
    return frame.select(*texts, *numbers, place, mark=pl.lit(mark))


def _check_panels(frame: pl.DataFrame | None, rows: pl.DataFrame, name: str) -> None:
    if frame is None:
        return
    have = [" · ".join(panel) for panel in rows.select(PANEL).unique(maintain_order=True).rows()]
    for panel in frame.select(PANEL).unique(maintain_order=True).rows():
        if " · ".join(panel) not in have:
            raise ValueError(
                f"{name} must be of the panels drawn, {', '.join(have)}; got {' · '.join(panel)}: "
                "leave the others out"
            )


def _draw(
    rows: pl.DataFrame,
    extra: list[pl.DataFrame],
    *,
    x: Size,
    title: str | None,
    width: style.Width,
) -> Drawing:
    slots = rows.filter(kind="static")["arm"].unique(maintain_order=True)
    data = pl.concat([rows.select(*COLUMNS, x, "x"), *extra], how="diagonal_relaxed")
    axis = LogAxis.of(data["x"].drop_nulls().to_list(), without=slots.to_list())
    places = {name: 10**place for name, place in axis.slots.items()}
    static = pl.col("arm").replace_strict(places, default=None, return_dtype=pl.Float64)
    data = data.with_columns(x=pl.when(pl.col("kind") == "static").then(static).otherwise("x"))
    looks = Looks(data)
    forms = data["form"].drop_nulls().unique(maintain_order=True) if "form" in data.columns else []
    dashes = {form: style.numbered_look(number).dashes for number, form in enumerate(forms)}
    panels, across = panel_names(data)
    with style.styled():
        handles = looks.entries(data) if len(rows) else []
        look = style.Look(style.GREY, "")
        handles += [entry(f"fit: {form}", look, 0, ls=dashes[form]) for form in forms]
        if "published" in data["mark"]:
            handles.append(entry("published, not ours", _PUBLISHED, 4.5))
        figure, every = panel_figure(
            [panel and " · ".join(panel) for panel in panels],
            width=width,
            title=title,
            note=_note(data),
            handles=handles,
            room=Room(height=2.0, right=margin_room(across_names(data))),
            across=min(across, 2),
        )
        for axes, panel in zip(every, filter(None, panels), strict=True):
            marks = data.filter(dataset=panel[0], backbone=panel[1])
            axes.set_xlabel(AXES[x])
            draw_panel(axes, marks, axis, looks, dashes)
    return Drawing(figure, data)


def _note(data: pl.DataFrame) -> str:
    """What the intervals cover, and where each number comes from, in words."""
    found, fits = [], data.filter(mark="fit")
    if "mean" in data["mark"]:
        found.append(interval_note(data))
    if len(fits):
        found.append("A curve is a fit, shaded its 95% band;")
        found.append("beyond the largest encoder it is a prediction.")
    if "published" in data["mark"]:
        found.append("Crosses are published numbers: other runs, none of ours.")
    return " ".join(found)
