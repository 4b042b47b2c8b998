"""Table -> scaling plot: metric against encoder parameters beside the item-ID baseline.

Nothing is read or fitted here: drawn are the table's own numbers, their means over seeds and their
intervals, and `Drawing.data` holds exactly those. No torch.
"""

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from tcf._util import atomic_write, lookup
from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS, mean_over_seeds
from tcf.plot_names import label_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Drawing", "scaling_plot"]

_PANEL = ("dataset", "backbone")
_UNTRAINED = ("nearest", "transitions", "popularity")  # lines across: no seeds, no place on x
_KINDS = ("model", "static", "random", "id", *_UNTRAINED)
_NUMBERS = ("value", "low", "high")
_FILLED = (*_PANEL, "arm", "kind", "seed", *_NUMBERS, "num_users", "hit_epoch_limit")
_TEXTS = (*_PANEL, "metric", "mark", "arm", "kind", "family", "interval_about")
_COLUMNS = (*_TEXTS[:-1], "parameters", "seed", "x", *_NUMBERS, "num_seeds", "num_users")
_TYPES = {"hit_epoch_limit": pl.Boolean} | dict.fromkeys(("x", *_NUMBERS), pl.Float64)
_TYPES |= dict.fromkeys(_TEXTS, pl.String)
_SCHEMA = {name: _TYPES.get(name, pl.Int64) for name in (*_COLUMNS, "hit_epoch_limit", _TEXTS[-1])}

# Colours that stay apart for colour-blind readers: Okabe & Ito (2008).
_FAMILY_COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_FAMILY_MARKERS = ("o", "s", "D", "h")
_KIND_LOOKS = {"static": ("#000000", "D"), "random": ("#555555", "o"), "id": ("#D55E00", "o")}
_AT_LIMIT = "^"  # marks what stopped at its epoch limit, in every colour
_GREY = "#444444"
_Looks = dict[tuple[str, str | None], tuple[str, str]]  # (kind, family) -> colour, marker
_STYLE: dict[str, Any] = dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), _GREY)
_STYLE |= {"axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.7}
_STYLE |= {"axes.axisbelow": True, "grid.color": "#EBEBEB", "grid.linewidth": 0.6}
_STYLE |= {"font.family": ["DejaVu Sans", "sans-serif"], "font.size": 8.0}
_STYLE |= {"font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"], "text.parse_math": False}
_STYLE |= {"svg.fonttype": "none", "svg.hashsalt": "tcf"}
# Inches: a panel, what stands around it, and a line of the legend or the note.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM, _LINE = 3.6, 2.6, 0.62, 1.0, 0.34, 0.55, 0.17


@dataclass(frozen=True)
class Drawing:
    """A finished plot and exactly the numbers drawn in it.

    Attributes:
        figure: The Matplotlib figure.
        data: One row a mark: ``mark`` is "mean" (an arm's marker, line or band, with its interval)
            or "seed" (one dot); numbers are fractions; ``x`` is the place on the axis, for a static
            encoder left of the break.
    """

    figure: "Figure"
    data: pl.DataFrame

    def save(self, stem: str | Path) -> tuple[Path, Path]:
        """Write ``stem.svg`` and ``stem.csv``, each whole or not at all, always the same bytes."""
        from matplotlib import rc_context

        style, about = cast("Any", _STYLE), cast("Any", {"Date": None, "Creator": "tcf"})
        picture, numbers = Path(f"{stem}.svg"), Path(f"{stem}.csv")
        with atomic_write(picture) as temporary, rc_context(style):
            self.figure.savefig(temporary, format="svg", metadata=about)
        with atomic_write(numbers) as temporary:
            self.data.write_csv(temporary)
        return picture, numbers


def scaling_plot(
    table: pl.DataFrame,
    *,
    metric: str = "hr@10",
    title: str | None = None,
    x_label: str = "encoder parameters used, embeddings included",
) -> Drawing:
    """Draw ``metric`` against encoder parameters, a panel for each data set and backbone.

    A marker is an encoder's mean over seeds with its 95% interval, beside one small dot a seed;
    points of one family are joined. Static encoders stand left of the axis break, random weights
    are open markers, the item-ID baseline is a band (mean and interval), what is not trained a
    dashed line, and a triangle marks what stopped at its epoch limit. A note says what the
    intervals cover: `mean_over_seeds` decides. Panels and families come in the order of the table.

    Args:
        table: One row a run and metric, with the columns dataset, backbone, arm, kind ("model",
            "static", "random", "id", "nearest", "transitions" or "popularity"), family, parameters,
            seed, metric, value, low, high (fractions; the 95% interval over users), num_users and
            hit_epoch_limit.
        metric: Which rows to draw.
        title: Heading of the figure.
        x_label: What the parameters count.

    Raises:
        ValueError: If a column, the metric or a number is missing, or rows contradict each other.
    """
    from matplotlib import style

    runs = _checked(_in_every_panel(table), metric)
    axis = _ParameterAxis.of(runs)
    data = pl.DataFrame(list(_marks(runs, axis)), schema=_SCHEMA, orient="row")
    with style.context(["default", _STYLE]):
        return Drawing(_figure(data, axis, title=title or "", x_label=x_label), data)


def _in_every_panel(table: pl.DataFrame) -> pl.DataFrame:
    """Give a run without a backbone, such as popularity, a row for each of its data set's."""
    if not {"dataset", "backbone"} <= set(table.columns):
        return table
    with_one = table.filter(pl.col("backbone").is_not_null())
    panels = with_one.select("dataset", "backbone").unique(maintain_order=True)
    loose = table.filter(pl.col("backbone").is_null()).drop("backbone")
    return pl.concat([with_one, loose.join(panels, on="dataset").select(table.columns)])


def _checked(table: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return the rows of ``metric``, or say what is wrong with them."""
    missing = [x for x in (*_FILLED, "metric", "family", "parameters") if x not in table.columns]
    if missing or table.is_empty():
        lack = f"the columns {', '.join(missing)}" if missing else "at least one run; it is empty"
        raise ValueError(f"a table of runs needs {lack}")
    known = {name: name for name in table["metric"].drop_nulls().unique()}
    runs = table.filter(metric=lookup(known, metric, "metric"))
    value, low, high, kind = (pl.col(name) for name in (*_NUMBERS, "kind"))
    large, sized = (pl.col("parameters") > 0).fill_null(False), kind.is_in(["model", "random"])
    same, arm = pl.struct("kind", "family", "parameters"), (*_PANEL, "arm")
    rules = [(f"{name} must be filled", pl.col(name).is_null()) for name in _FILLED]
    rules += [(f"{name} must be finite", ~pl.col(name).is_finite()) for name in _NUMBERS]
    rules += [
        (f"kind must be one of {', '.join(_KINDS)}", ~kind.is_in(_KINDS)),
        ("values must be fractions between 0 and 1", (low < 0) | (high > 1)),
        ("low <= value <= high must hold", (low > value + 1e-9) | (high < value - 1e-9)),
        ("an encoder needs its number of parameters, above 0", sized & ~large),
        ("a static encoder has 0 parameters", (kind == "static") & large),
        ("an arm has one run a seed", pl.struct(*arm, "seed").is_duplicated()),
        ("an arm has one kind, family and number of parameters", same.n_unique().over(*arm) > 1),
    ]
    for rule, broken in rules:
        for row in runs.filter(broken).head(1).iter_rows(named=True):
            found = ", ".join(f"{name}={row[name]!r}" for name in (*_FILLED, "parameters"))
            raise ValueError(f"{rule}; got {found}")
    if runs.filter(sized).is_empty():
        raise ValueError("a scaling plot needs a run of kind model or random; found none")
    return runs


@dataclass(frozen=True)
class _ParameterAxis:
    """The x axis in log10 units: slots of static encoders, the break, then parameters."""

    slots: dict[str, float]
    left: float
    gap: float
    start: float
    stop: float

    @classmethod
    def of(cls, runs: pl.DataFrame) -> "_ParameterAxis":
        sized = runs.filter(pl.col("kind").is_in(["model", "random"]))["parameters"].to_numpy()
        low, high = math.log10(sized.min()), math.log10(sized.max())
        span = max(high - low, 0.3)
        start, stop = low - 0.07 * span, high + 0.09 * span
        names = runs.filter(pl.col("kind") == "static")["arm"].unique(maintain_order=True)
        places = [start - (0.16 + 0.17 * k) * span for k in reversed(range(len(names)))]
        left = min(places) - 0.09 * span if places else start
        return cls(dict(zip(names, places, strict=True)), left, start - 0.05 * span, start, stop)

    def ticks(self, steps: Sequence[float]) -> list[float]:
        every = [float(f"{step}e{decade}") for decade in range(-1, 16) for step in steps]
        return [x for x in every if self.start <= math.log10(x) <= self.stop]

    def labelled_ticks(self) -> list[float]:
        fine = ((1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8))
        tries = [self.ticks(steps) for steps in ((1,), (1, 3), (1, 2, 5), *fine)]
        return next((found for found in tries if len(found) >= 3), tries[-1])


def _marks(runs: pl.DataFrame, axis: _ParameterAxis) -> Iterator[tuple[Any, ...]]:
    """Rows of `Drawing.data`: for each arm its mean, then its seeds."""
    for _, arm in runs.group_by(*_PANEL, "arm", maintain_order=True):
        arm, row = arm.sort("seed"), arm.row(0, named=True)
        panel = (row["dataset"], row["backbone"], row["metric"])
        about = (row["arm"], row["kind"], row["family"], row["parameters"])
        static = 10 ** axis.slots[row["arm"]] if row["kind"] == "static" else None
        x = float(row["parameters"]) if row["kind"] in ("model", "random") else static
        found = mean_over_seeds(*(arm[name] for name in _NUMBERS))
        counts = (len(arm), arm["num_users"].max(), arm["hit_epoch_limit"].any())
        drawn = row["kind"] not in _UNTRAINED  # of a line, neither interval nor seeds are drawn
        ends, covers = ((found.low, found.high), found.about) if drawn else ((None, None), None)
        yield (*panel, "mean", *about, None, x, found.mean, *ends, *counts, covers)
        for run in arm.iter_rows(named=True) if drawn else ():
            counts = (1, run["num_users"], run["hit_epoch_limit"])
            yield (*panel, "seed", *about, run["seed"], x, run["value"], None, None, *counts, None)


def _figure(data: pl.DataFrame, axis: _ParameterAxis, *, title: str, x_label: str) -> "Figure":
    from matplotlib.figure import Figure

    datasets, backbones = (data[name].unique(maintain_order=True).to_list() for name in _PANEL)
    turned = len(datasets) > 1 and len(datasets) >= len(backbones)  # the longer side runs across
    rows, columns = (backbones, datasets) if turned else (datasets, backbones)
    wide, tall = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    width, head = len(columns) * wide, 0.3 if title else 0.0
    note = textwrap.wrap(_note(data), int(width * 17))
    handles = _handles(data, looks := _looks(data))
    num_columns = min(int(width / 2.1), len(handles))
    foot = (len(note) + math.ceil(len(handles) / num_columns)) * _LINE + 0.25
    height = head + len(rows) * tall + foot
    figure = Figure(figsize=(width, height))
    for down, across in np.ndindex(len(rows), len(columns)):
        names = (rows[down], columns[across])[:: -1 if turned else 1]
        panel = data.filter(dataset=names[0], backbone=names[1])
        if panel.is_empty():
            continue
        left, base = across * wide + _LEFT, height - head - (down + 1) * tall + _BOTTOM
        box = (left / width, base / height, _WIDTH / width, _HEIGHT / height)
        axes = figure.add_axes(box, label=" · ".join(names), xlabel=x_label)
        axes.set_title(" · ".join(names), loc="left", fontsize=9, fontweight="bold")
        axes.set_ylabel(f"{panel['metric'][0].upper()} (%)")
        _draw_panel(axes, panel, axis, looks)
    x = _LEFT / width
    place: dict[str, Any] = {"loc": "lower left", "borderaxespad": 0, "handlelength": 1.8}
    place |= {"bbox_to_anchor": (x - 0.01, (len(note) * _LINE + 0.1) / height), "fontsize": 7.5}
    figure.legend(handles=handles, ncols=num_columns, frameon=False, **place)
    figure.text(x, 0.06 / height, "\n".join(note), fontsize=7, color=_GREY)
    figure.text(x, 1 - 0.2 / height, title, fontsize=11, va="center")
    return figure


def _looks(data: pl.DataFrame) -> _Looks:
    pairs = data.select("kind", "family").unique(maintain_order=True).rows()
    looks = {pair: _KIND_LOOKS.get(pair[0], ("#777777", "o")) for pair in pairs}
    for number, pair in enumerate(pair for pair in pairs if pair[0] == "model"):
        colour = _FAMILY_COLOURS[number % len(_FAMILY_COLOURS)]
        looks[pair] = colour, _FAMILY_MARKERS[number % len(_FAMILY_MARKERS)]
    return looks


def _handles(data: pl.DataFrame, looks: _Looks) -> list[Any]:
    """Legend entries of what is in the figure and is not named beside itself."""
    from matplotlib.lines import Line2D

    def entry(label: str, marker: str, size: float, **changes: Any) -> Line2D:
        look: dict[str, Any] = {"color": _GREY, "ls": "", "marker": marker, "ms": size} | changes
        return Line2D([], [], label=label, **look)

    named = [(family, look) for (kind, family), look in looks.items() if kind == "model" and family]
    found = [entry(family, look[1], 5, color=look[0], ls="-", lw=1) for family, look in named]
    found += [entry("mean over seeds", "o", 5), entry("one seed", "o", 2.8)]
    found += [entry("95% interval (see note)", "|", 9, mew=1.2)]
    untrained = [entry("random weights", "o", 5, mfc="white")]
    limited = [entry("stopped at its epoch limit:\nmay not have converged", _AT_LIMIT, 6)]
    found += untrained if "random" in data["kind"] else []
    return found + (limited if data["hit_epoch_limit"].any() else [])


def _note(data: pl.DataFrame) -> str:
    """What the intervals cover, in words."""
    parts, both = [], "seeds by Student's t and users by the bootstrap, added in quadrature"
    one = "bootstrap over users; another seed may well fall outside"
    for about, how in ((NEW_SEEDS, both), (NEW_USERS, one)):
        if len(means := data.filter(mark="mean", interval_about=about)):
            counts = [means[name].unique().sort() for name in ("num_seeds", "num_users")]
            seeds, users = (" or ".join(f"{count:,}" for count in some) for some in counts)
            plural = "" if seeds == "1" else "s"
            parts.append(f"for {about} ({seeds} seed{plural}, {users} users; {how})")
    return f"Bars and bands are 95% intervals {'; or, where seeds are too few, '.join(parts)}."


def _draw_panel(axes: "Axes", panel: pl.DataFrame, axis: _ParameterAxis, looks: _Looks) -> None:
    _set_axes(axes, panel, axis)
    means, margin, points = panel.filter(mark="mean").sort("x", "arm"), [], []
    for (family,), line in means.filter(kind="model").group_by("family", maintain_order=True):
        if family is not None:
            colour, label = looks["model", family][0], f"_family:{family}"
            axes.plot(line["x"], line["value"], color=colour, lw=1, alpha=0.6, label=label)
    for row in means.iter_rows(named=True):
        (colour, marker), arm = looks[row["kind"], row["family"]], row["arm"]
        _draw_seeds(axes, panel.filter(mark="seed", arm=arm), colour)
        if row["x"] is not None:
            ends, label = [row["low"], row["high"]], f"_interval:{arm}"
            axes.plot([row["x"]] * 2, ends, color=colour, lw=1.2, label=label)
            look: dict[str, Any] = {"marker": _AT_LIMIT if row["hit_epoch_limit"] else marker}
            look |= {"mfc": "white" if row["kind"] == "random" else colour, "mec": colour}
            axes.plot(row["x"], row["value"], ms=6, mew=1.2, zorder=4, label=f"_mean:{arm}", **look)
            points.append((row, colour))
            continue
        dashes: Any = (0, (4, 3)) if row["kind"] in _UNTRAINED else "-"
        axes.axhline(row["value"], color=colour, lw=1.1, ls=dashes, label=f"_line:{arm}")
        if row["low"] is not None:
            fill: Any = {"color": colour, "alpha": 0.14, "lw": 0, "label": f"_band:{arm}"}
            axes.axhspan(row["low"], row["high"], **fill)
        margin.append(
            (row["value"], textwrap.fill(arm + " ▲" * row["hit_epoch_limit"], 15), colour)
        )
    _label_margin(axes, margin)
    label_points(axes, points)


def _set_axes(axes: "Axes", panel: pl.DataFrame, axis: _ParameterAxis) -> None:
    """Limits, ticks and the break."""
    drawn = np.concatenate([panel[name].drop_nulls().to_numpy() for name in _NUMBERS])
    top = float(drawn.max())
    bottom = float(drawn.min()) if drawn.min() >= 0.4 * top else 0.0
    room = (top - bottom) * 0.16 or 0.01
    axes.set(xscale="log", xlim=(10**axis.left, 10**axis.stop))
    axes.set_ylim(max(0.0, bottom - room), top + room)
    large = axis.labelled_ticks()
    slots = [10**x for x in axis.slots.values()]
    powers = [min(int(math.log10(x) / 3 + 1e-9), 4) for x in large]
    names = [f"{x / 1000**k:g}{' kMBT'[k].strip()}" for x, k in zip(large, powers, strict=True)]
    axes.set_xticks(slots + large, ["0"] * len(slots) + names)
    axes.set_xticks([x for x in axis.ticks(range(1, 10)) if x not in large], minor=True)
    axes.xaxis.set_minor_formatter(lambda *_: "")
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g}")
    axes.grid(axis="y")
    if slots:
        share = (axis.gap - axis.left) / (axis.stop - axis.left)
        ends, slash = [share - 0.008, share + 0.008], cast("Any", [(-0.6, -1), (0.6, 1)])
        across: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "zorder": 5}
        axes.plot(ends, [0, 0], color="white", lw=2.5, **across)
        axes.plot(ends, [0, 0], ls="", ms=8, marker=slash, color=_GREY, label="_break", **across)
        axes.axvline(10**axis.gap, color="#CCCCCC", lw=0.7, ls=":", zorder=0.5)


def _draw_seeds(axes: "Axes", seeds: pl.DataFrame, colour: str) -> None:
    """One small dot a seed: beside its mean, or at the right end of the band."""
    from matplotlib.transforms import ScaledTranslation

    beside = axes.transData + ScaledTranslation(6 / 72, 0, axes.figure.dpi_scale_trans)
    for row in seeds.iter_rows(named=True):
        x, where = (row["x"], beside) if row["x"] else (0.985, axes.get_yaxis_transform())
        marker, size = (_AT_LIMIT, 3.4) if row["hit_epoch_limit"] else ("o", 2.8)
        look: dict[str, Any] = {"color": colour, "ms": size, "mew": 0, "alpha": 0.75, "ls": ""}
        look |= {"marker": marker, "label": f"_seed:{row['arm']}:{row['seed']}"}
        axes.plot(x, row["value"], transform=where, **look)


def _label_margin(axes: "Axes", labels: list[tuple[float, str, str]]) -> None:
    """Name bands and lines right of the panel, pushed apart where they are close."""
    line = 0.125 / _HEIGHT * float(np.ptp(axes.get_ylim()))  # the height of a line of text
    floor, beside = -math.inf, axes.get_yaxis_transform()
    for value, text, colour in sorted(labels):
        half = (text.count("\n") + 1) * line / 2
        centre = max(value, floor + half)
        floor = centre + half + 0.3 * line
        look: dict[str, Any] = {"color": colour, "va": "center", "fontsize": 7.5}
        look |= {"arrowprops": {"arrowstyle": "-", "color": colour, "lw": 0.6, "shrinkB": 0}}
        look |= {"xycoords": beside, "textcoords": beside, "annotation_clip": False}
        axes.annotate(text, (1, value), (1.035, centre), **look)
