"""Evidence with years -> encoders by the year they were published. No torch."""

import polars as pl

from tcf.plot import style
from tcf.plot.drawing import Drawing
from tcf.plot.looks import Looks, interval_note
from tcf.plot.names import margin_room
from tcf.plot.panels import Room, panel_figure
from tcf.plot.points import across_names, draw_across, draw_points, set_values, without_spread
from tcf.plot.table import COLUMNS, ENCODERS, PANEL, evidence_rows, panel_names, refuse

__all__ = ["years_plot"]


def years_plot(
    table: pl.DataFrame,
    *,
    metric: str = "hr@10",
    slice: str = "all",
    title: str | None = None,
    width: style.Width = "page",
) -> Drawing:
    """Draw ``metric`` against the year of the encoder, a panel for each data set and backbone.

    Marks are those of `scaling_plot`; arms of one year stand side by side; what
    has no year, such as item IDs, runs across.

    Args:
        table: As `tcf.study.evidence.evidence` returns it, with a column ``year`` added: a number,
            null for what is no encoder.
        metric, slice: Which rows to draw.
        title: Heading of the figure.
        width: ``"column"`` or ``"page"``.

    Raises:
        ValueError: If a column, the metric, an encoder's year or a number is missing, or rows
            contradict each other.
    """
    from matplotlib.ticker import MaxNLocator

    rows = evidence_rows(table, metric=metric, slice=slice, also=["year"])
    encoder, year = pl.col("kind").is_in([*ENCODERS, "static"]), pl.col("year")
    wrong = encoder & pl.col("control").is_null() & year.is_null()
    refuse(rows, [("an encoder needs its year", wrong)], show=(*PANEL, "arm", "kind", "year"))
    if rows["year"].drop_nulls().is_empty():
        raise ValueError("a plot by years needs an arm with a year; found none")
    data = without_spread(rows).with_columns(x=year + _beside()).select(*COLUMNS, "year", "x")
    looks, (panels, across) = Looks(data), panel_names(data)
    years = sorted(set(data["year"].drop_nulls().to_list()))
    with style.styled():
        figure, every = panel_figure(
            [panel and " · ".join(panel) for panel in panels],
            width=width,
            title=title,
            note=interval_note(data),
            handles=looks.entries(data),
            room=Room(height=2.0, right=margin_room(across_names(data))),
            across=min(across, 2),
        )
        for axes, panel in zip(every, filter(None, panels), strict=True):
            marks = data.filter(dataset=panel[0], backbone=panel[1])
            set_values(axes, marks)
            edge = max(0.5, 0.08 * (years[-1] - years[0]))
            axes.set(xlabel="year of the encoder", xlim=(years[0] - edge, years[-1] + edge))
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            draw_across(axes, marks, looks)
            draw_points(axes, marks, looks)
    return Drawing(figure, data)


def _beside() -> pl.Expr:
    """Years by which arms of one panel and year stand apart, by their names."""
    number = pl.col("arm").rank("dense").over(*PANEL, "year") - 1
    last = pl.col("arm").n_unique().over(*PANEL, "year") - 1
    return (number - last / 2) * 0.5 / pl.max_horizontal(last, pl.lit(2))
