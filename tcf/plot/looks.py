"""The looks, the legend and the note of arms: what a mark is, said once. No torch."""

from typing import TYPE_CHECKING, Any

import polars as pl

from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS
from tcf.plot import style
from tcf.plot.table import SERIES, UNTRAINED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["Looks", "arm_looks", "draw_mean", "draw_seeds", "entry", "interval_note"]

_CONTROL_MARKERS = ("s", "D", "v", "p", "h", "P", "*")
_BY_KIND = {
    "static": style.Look("#000000", "D"),
    "random": style.Look(style.CONTROL_COLOUR, "o", hollow=True),
    "id": style.Look(style.ID_COLOUR, "X"),
}
_UNTRAINED = style.Look("#777777", "d", style.LINE_ACROSS)


class Looks:
    """How each arm of a plot is drawn: by kind, family, tuning and control."""

    def __init__(self, data: pl.DataFrame) -> None:
        keys = data.filter(pl.col("kind").is_not_null())
        keys = keys.select(SERIES).unique(maintain_order=True).rows()
        self._controls = list(dict.fromkeys(key[3] for key in keys if key[3] is not None))
        plain = [key for key in keys if key[0] == "model" and key[3] is None]
        self._families = list(dict.fromkeys(key[1] for key in plain))
        self._series = list(dict.fromkeys(key[1:3] for key in plain))

    def of(self, row: dict[str, Any]) -> style.Look:
        """Return the look of a row with kind, family, tuned and control."""
        if row["control"] is not None:
            number = self._controls.index(row["control"])
            marker = _CONTROL_MARKERS[number % len(_CONTROL_MARKERS)]
            return style.Look(style.CONTROL_COLOUR, marker, style.DASHES[2], hollow=True)
        if row["kind"] in UNTRAINED:
            return _UNTRAINED
        if row["kind"] in _BY_KIND:
            return _BY_KIND[row["kind"]]
        marker = style.numbered_look(self._series.index((row["family"], row["tuned"]))).marker
        dashes = "-" if row["tuned"] is None else style.DASHES[1]
        return style.Look(self.family_colour(row["family"]), marker, dashes)

    def family_colour(self, family: str | None) -> str:
        """Return the colour of a family, also of one that only a fit has."""
        if family not in self._families:
            self._families.append(family)
        return style.numbered_look(self._families.index(family)).colour

    def entries(self, data: pl.DataFrame) -> list["Line2D"]:
        """Legend entries of what is in the plot and is not named beside itself."""
        found = self.of_families()
        means, grey = data.filter(mark="mean"), style.Look(style.GREY, "o")
        several = bool((means["num_seeds"] > 1).any())
        found.append(entry("mean over seeds" if several else "a run", grey, 5))
        if "seed" in data["mark"]:
            found.append(entry("one seed", grey, 2.8))
        found.append(entry("95% interval (see note)", style.Look(style.GREY, "|"), 8, mew=1.2))
        if not data.filter(pl.col("control").is_null(), kind="random").is_empty():
            found.append(entry("random weights", style.Look(style.GREY, "o", hollow=True), 5))
        for control in self._controls:
            look = self.of({"control": control})
            found.append(entry(f"control: {control.replace('_', ' ')}", look, 5))
        if data["hit_epoch_limit"].any():
            limit = style.Look(style.GREY, style.AT_LIMIT)
            found.append(entry("stopped at its epoch limit:\nmay not have converged", limit, 5.5))
        return found

    def of_families(self) -> list["Line2D"]:
        """Legend entries of the families, tuned ones apart."""
        found = []
        for family, tuned in self._series:
            look = self.of({"kind": "model", "family": family, "tuned": tuned, "control": None})
            if family is not None:
                label = family if tuned is None else f"{family}, tuned ({tuned})"
                found.append(entry(label, look, 5, ls=look.dashes))
        return found


def arm_looks(rows: pl.DataFrame) -> dict[str, style.Look]:
    """Give each arm a look of its own; item IDs, controls and what is not trained keep theirs."""
    arms = rows.unique("arm", keep="first", maintain_order=True)
    shared, found, number = Looks(arms), {}, 0
    for row in arms.iter_rows(named=True):
        plain = row["control"] is None and row["kind"] not in ("id", *UNTRAINED)
        found[row["arm"]] = style.numbered_look(number) if plain else shared.of(row)
        number += plain
    return found


def entry(label: str, look: style.Look, size: float, **changes: Any) -> "Line2D":
    """Return a legend entry that looks like the mark it stands for."""
    from matplotlib.lines import Line2D

    drawn = look.points() | {"color": look.colour, "ms": size, "lw": 1.1} | changes
    return Line2D([], [], label=label, **drawn)


def draw_mean(
    axes: "Axes",
    row: dict[str, Any],
    look: style.Look,
    *,
    at: float,
    across: bool = False,
    size: float = 5.5,
) -> None:
    """Draw an arm's mean and its interval at ``at`` on the other axis; ``across``: lying."""
    ends, value = [row["low"], row["high"]], row["value"]
    bar, dot = ((ends, [at] * 2), (value, at)) if across else (([at] * 2, ends), (at, value))
    name = row["arm"]
    axes.plot(*bar, color=look.colour, lw=1.2, label=f"_interval:{name}")
    points = look.points(at_limit=row["hit_epoch_limit"])
    axes.plot(*dot, ms=size, mew=1.1, zorder=4, label=f"_mean:{name}", **points)


def draw_seeds(
    axes: "Axes", seeds: pl.DataFrame, look: style.Look, *, at: float | None, across: bool = False
) -> None:
    """Draw one small dot a seed beside its mean, or at the right end where ``at`` is None."""
    from matplotlib.transforms import ScaledTranslation

    points = (0, -5 / 72) if across else (5.5 / 72, 0)
    beside = axes.transData + ScaledTranslation(*points, axes.figure.dpi_scale_trans)
    where, place = (beside, at) if at is not None else (axes.get_yaxis_transform(), 0.985)
    for row in seeds.iter_rows(named=True):
        dot = (row["value"], place) if across else (place, row["value"])
        marker, size = (style.AT_LIMIT, 3.2) if row["hit_epoch_limit"] else ("o", 2.6)
        drawn: dict[str, Any] = {"color": look.colour, "ms": size, "mew": 0, "alpha": 0.75}
        drawn |= {"marker": marker, "ls": "", "label": f"_seed:{row['arm']}:{row['seed']}"}
        axes.plot(*dot, transform=where, **drawn)


def interval_note(data: pl.DataFrame) -> str:
    """Say in words what the intervals of the drawn means cover."""
    parts, one = [], "; another seed may well fall outside"
    for about, caution in ((NEW_SEEDS, ""), (NEW_USERS, one)):
        means = data.filter(mark="mean", interval_about=about)
        if means.is_empty():
            continue
        counts = [means[name].unique().sort() for name in ("num_seeds", "num_users")]
        seeds, users = (
            " or ".join(f"{x:,}" for x in some)
            if len(some) < 4
            else f"{some.min():,} to {some.max():,}"
            for some in counts
        )
        plural = "" if seeds == "1" else "s"
        parts.append(f"for {about} ({seeds} seed{plural}, {users} users{caution})")
    return f"Bars and bands are 95% intervals {'; or, where seeds are too few, '.join(parts)}."
