"""Evidence -> dots on a line each: item IDs against text, and an encoder frozen against tuned.

No torch.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from tcf.plot import style
from tcf.plot.drawing import Drawing
from tcf.plot.looks import Looks, draw_mean, draw_seeds, entry, interval_note
from tcf.plot.panels import Room, panel_figure, per_cent, value_limits
from tcf.plot.table import COLUMNS, NUMBERS, PANEL, evidence_rows, panel_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["tuned_plot", "versus_id_plot"]

_ROW = 0.2  # inches of a line


def versus_id_plot(
    table: pl.DataFrame,
    *,
    metric: str = "hr@10",
    slice: str = "all",
    title: str | None = None,
    width: style.Width = "page",
    note: str = "",
) -> Drawing:
    """Draw each arm on a line of its own, the interval of the item-ID baseline running through all.

    Dots are means over seeds with their 95% intervals, small dots the seeds, open markers controls.
    Panels and arms come in the order of the table, item IDs first.

    Args:
        table: As `tcf.study.evidence.evidence` returns it.
        metric, slice: Which rows to draw.
        title: Heading of the figure.
        width: ``"column"`` or ``"page"``.
        note: Stands below, behind what the intervals are about.

    Raises:
        ValueError: If a column, the metric or a number is missing, rows contradict each other, or a
            panel has no arm of item IDs, or nothing else.
    """
    rows = evidence_rows(table, metric=metric, slice=slice)
    for (dataset, backbone), panel in rows.group_by(PANEL, maintain_order=True):
        if panel["kind"].eq("id").all() or not panel["kind"].eq("id").any():
            raise ValueError(
                "a plot of item IDs against text needs an arm of kind id and one of another kind "
                f"in each panel; {dataset} · {backbone} has {sorted(set(panel['kind']))}"
            )
    is_id = pl.col("kind") == "id"
    data = pl.concat([rows.filter(is_id), rows.filter(~is_id)]).with_columns(line=pl.col("arm"))
    note = f" {note}" if note else ""
    return _draw(data, looks=Looks(data), title=title, width=width, note=note)


def tuned_plot(
    table: pl.DataFrame,
    *,
    metric: str = "hr@10",
    slice: str = "all",
    title: str | None = None,
    width: style.Width = "page",
) -> Drawing:
    """Draw each tuned encoder beside itself frozen, the item-ID baseline running through all.

    A tuned arm and a frozen one belong together if they agree in data set, backbone, family and
    number of parameters. What has no partner is not drawn; the note names it.

    Args:
        table, metric, slice, title, width: As in `versus_id_plot`.

    Raises:
        ValueError: If a column, the metric or a number is missing, rows contradict each other, no
            tuned arm has a frozen partner, or one has several.
    """
    rows = evidence_rows(table, metric=metric, slice=slice, also=["parameters"])
    text = rows.filter(pl.col("control").is_null(), kind="model")
    pair = (*PANEL, "family", "parameters")
    tuned, frozen = (
        text.filter(x) for x in (pl.col("tuned").is_not_null(), pl.col("tuned").is_null())
    )
    partners = frozen.filter(mark="mean").select(*pair, frozen_arm="arm")
    lines = tuned.filter(mark="mean").select(*pair, line="arm")
    lines = lines.join(partners, on=pair, nulls_equal=True, maintain_order="left_right")
    if lines.is_empty():
        raise ValueError(
            "a plot of frozen against tuned needs an encoder of one family and number of "
            f"parameters in both; tuned: {_names(tuned)}; frozen: {_names(frozen)}"
        )
    if (double := lines.filter(pl.struct(*PANEL, "line").is_duplicated())).height:
        found = ", ".join(double["frozen_arm"].unique(maintain_order=True))
        raise ValueError(f"{double['line'][0]!r} must have one frozen partner; got {found}")
    alone = sorted(set(text["arm"]) - set(lines["line"]) - set(lines["frozen_arm"]))
    both = [
        tuned.with_columns(line=pl.col("arm")).join(lines, on=[*PANEL, "line"], how="semi"),
        frozen.join(lines.select(*PANEL, "line", arm="frozen_arm"), on=[*PANEL, "arm"]).select(
            *tuned.columns, "line"
        ),
    ]
    ids = rows.filter(kind="id").with_columns(line=pl.col("arm"))
    missing = f" Not drawn, without a partner: {', '.join(alone)}." if alone else ""
    data = pl.concat([ids, *reversed(both)])
    return _draw(data, looks=_TunedLooks(data), title=title, width=width, note=missing)


class _TunedLooks(Looks):
    """Open markers for what is frozen, filled ones for what is tuned: no control is drawn here."""

    def of(self, row: dict[str, Any]) -> style.Look:
        look = super().of(row)
        hollow = row["kind"] == "model" and row["tuned"] is None
        return replace(look, marker="o", hollow=hollow)

    def of_families(self) -> list["Line2D"]:
        frozen = entry("frozen", style.Look(style.GREY, "o", hollow=True), 5)
        return [frozen, entry("tuned", style.Look(style.GREY, "o"), 5)]


def _names(rows: pl.DataFrame) -> str:
    return ", ".join(rows["arm"].unique(maintain_order=True)) or "none"


def _draw(
    data: pl.DataFrame, *, looks: Looks, title: str | None, width: style.Width, note: str = ""
) -> Drawing:
    """Draw ``data``: the columns of evidence and ``line``, the name of the line of a mark."""
    panels, across = panel_names(data)
    data = data.select(*COLUMNS, "line")
    names = data.select("line").unique(maintain_order=True)["line"].to_list()
    most = data.group_by(PANEL).agg(pl.col("line").n_unique())["line"].max()
    assert isinstance(most, int)
    with style.styled():
        names_wide = max(style.text_width(name, style.NAME) for name in names)
        figure, every = panel_figure(
            [panel and " · ".join(panel) for panel in panels],
            width=width,
            title=title,
            note=interval_note(data) + note,
            handles=looks.entries(data),
            room=Room(height=_ROW * most + 0.1, left=names_wide + 0.2),
            across=min(across, 2),
        )
        for axes, panel in zip(every, filter(None, panels), strict=True):
            marks = data.filter(dataset=panel[0], backbone=panel[1])
            axes.set_xlabel(f"{marks['metric'][0].upper()} (%)")
            _draw_panel(axes, marks, looks, most)
    return Drawing(figure, data)


def _draw_panel(axes: "Axes", marks: pl.DataFrame, looks: Looks, most: int) -> None:
    lines = marks["line"].unique(maintain_order=True).to_list()
    axes.set(ylim=(most - 0.4, -0.6), xlim=value_limits(_drawn(marks)))
    axes.set_yticks(range(len(lines)), lines, fontsize=style.NAME)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="both")
    per_cent(axes.xaxis)
    for row in marks.filter(kind="id", mark="mean").iter_rows(named=True):
        fill: Any = {"color": style.ID_COLOUR, "alpha": 0.14, "lw": 0}
        axes.axvspan(row["low"], row["high"], label=f"_band:{row['arm']}", **fill)
    for place, line in enumerate(lines):
        means = marks.filter(mark="mean", line=line)
        if len(means) == 2:
            joined: dict[str, Any] = {"color": style.PALE, "lw": 2.2, "alpha": 0.5, "zorder": 1}
            axes.plot(means["value"], [place] * 2, label=f"_pair:{line}", **joined)
        for row in means.iter_rows(named=True):
            look = looks.of(row)
            seeds = marks.filter(mark="seed", arm=row["arm"], line=line)
            draw_seeds(axes, seeds, look, at=place, across=True)
            draw_mean(axes, row, look, at=place, across=True)


def _drawn(marks: pl.DataFrame) -> Any:
    return pl.concat([marks[name] for name in NUMBERS]).drop_nulls().to_numpy()
