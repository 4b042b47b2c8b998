"""A ladder's losses against size, and a metric against the loss. No torch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from tcf.plot import style
from tcf.plot.axis import LogAxis
from tcf.plot.drawing import Drawing
from tcf.plot.looks import Looks, interval_note
from tcf.plot.names import label_points, margin_room
from tcf.plot.panels import Room, panel_figure
from tcf.plot.points import across_names, draw_across, draw_points, set_values, without_spread
from tcf.plot.table import COLUMNS, NUMBERS, PANEL, evidence_rows, finite, refuse, require
from tcf.study.scaling import AXES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ladder_plot"]

_SIZE = "parameters_without_embeddings"
_LOSS = "validation_loss_per_byte"
_LABEL = "validation loss (nats a byte)"


def ladder_plot(
    table: pl.DataFrame,
    ladder: pl.DataFrame,
    *,
    metric: str = "hr@10",
    fit: pl.DataFrame | None = None,
    notes: Sequence[str] = (),
    title: str | None = None,
    width: style.Width = "page",
) -> Drawing:
    """Draw validation loss against size, then ``metric`` against validation loss.

    The first panel is about the language models alone, with the fitted curve and its band. The
    others are one for each data set and backbone, with the marks of `scaling_plot`; the loss falls
    to the right, so that a better language model stands right of a worse one. What is no trained
    member of the ladder runs across.

    Args:
        table: As `tcf.study.ladders.loss_evidence` returns it.
        ladder: From `tcf.study.ladders.read_ladder`; what is untrained is not drawn.
        metric: Which rows to draw.
        fit: From `tcf.study.ladders.loss_fit_table`.
        notes: Sentences below the figure.
        title: Heading of the figure.
        width: ``"column"`` or ``"page"``.

    Returns:
        The drawing; its data have ``panel`` "loss" (``x`` a size, ``value`` nats a byte, ``mark``
        "size" or "fit") or "metric" (``x`` nats a byte).

    Raises:
        ValueError: If a column, the metric or a number is missing, or rows contradict each other.
    """
    rows = without_spread(evidence_rows(table, metric=metric, also=["loss"]))
    if rows["loss"].drop_nulls().is_empty():
        raise ValueError("a plot of a ladder needs an arm with a loss; found none")
    members = _members(ladder, fit)
    marks = rows.with_columns(x="loss", panel=pl.lit("metric")).select("panel", *COLUMNS, "x")
    data = pl.concat([members, marks], how="diagonal_relaxed")
    panels = marks.select(PANEL).unique(maintain_order=True).rows()
    looks = Looks(marks)
    with style.styled():
        figure, every = panel_figure(
            ["language models", *(" · ".join(panel) for panel in panels)],
            width=width,
            title=title,
            note=" ".join([interval_note(marks), *notes]),
            handles=looks.entries(marks),
            room=Room(height=2.0, left=0.64, right=margin_room(across_names(marks))),
        )
        family = marks.filter(pl.col("x").is_not_null())["family"][0]
        _draw_losses(every[0], members, looks.family_colour(family))
        for axes, panel in zip(every[1:], panels, strict=True):
            _draw_panel(axes, marks.filter(dataset=panel[0], backbone=panel[1]), looks)
    return Drawing(figure, data)


def _members(ladder: pl.DataFrame, fit: pl.DataFrame | None) -> pl.DataFrame:
    require(ladder, ("name", "num_steps", _SIZE, _LOSS), what="a table of a ladder")
    refuse(ladder, finite(_LOSS), show=("name", _LOSS))
    trained = ladder.filter(pl.col("num_steps") > 0)
    size = pl.col(_SIZE).cast(pl.Float64)
    drawn = trained.select(arm="name", x=size, value=_LOSS, mark=pl.lit("size"))
    if fit is not None:
        require(fit, ("form", "x", *NUMBERS), what="a table of a fit")
        drawn = pl.concat([drawn, fit.with_columns(mark=pl.lit("fit"))], how="diagonal_relaxed")
    return drawn.with_columns(panel=pl.lit("loss"))


def _draw_losses(axes: "Axes", rows: pl.DataFrame, colour: str) -> None:
    sizes, fit = rows.filter(mark="size"), rows.filter(mark="fit")
    LogAxis.of(sizes["x"].to_list()).set(axes)
    low, high = float(sizes["value"].min()), float(sizes["value"].max())  # type: ignore[arg-type]
    room = 0.16 * (high - low) or 0.05
    axes.set(xlabel=AXES[_SIZE], ylabel=_LABEL, ylim=(low - room, high + room))
    axes.grid(axis="y")
    if len(fit):
        axes.plot(fit["x"], fit["value"], color=colour, lw=1.1, label="_fit")
        band: Any = {"color": colour, "alpha": 0.14, "lw": 0, "label": "_fit_band"}
        axes.fill_between(fit["x"], fit["low"], fit["high"], **band)
    else:
        axes.plot(sizes["x"], sizes["value"], color=colour, lw=0.9, label="_joined")
    points: dict[str, Any] = {"ls": "", "marker": "o", "color": colour, "ms": 5, "zorder": 4}
    axes.plot(sizes["x"], sizes["value"], label="_sizes", **points)
    ends = dict.fromkeys(("low", "high"))
    label_points(axes, [({**row, **ends}, colour) for row in sizes.iter_rows(named=True)])


def _draw_panel(axes: "Axes", marks: pl.DataFrame, looks: Looks) -> None:
    set_values(axes, marks)
    losses = marks["x"].drop_nulls()
    low, high = float(losses.min()), float(losses.max())  # type: ignore[arg-type]
    room = 0.09 * (high - low) or 0.05
    axes.set(xlabel=f"{_LABEL}, falling", xlim=(high + room, low - room))
    draw_across(axes, marks, looks)
    draw_points(axes, marks, looks)
