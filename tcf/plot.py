"""Table -> scaling plot: metric against encoder parameters beside the item-ID baseline.

Nothing is read and nothing is fitted here: what is drawn are the table's own numbers, their means
over seeds and their intervals, and `Drawing.data` holds exactly those. No torch.
"""

import itertools
import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tcf._util import atomic_write, lookup
from tcf.evaluate.stats import MIN_SEEDS, NEW_SEEDS, NEW_USERS, Interval, seed_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Drawing", "scaling_plot"]

_KINDS = ("model", "static", "random", "id", "popularity")
_FILLED = ("dataset", "backbone", "arm", "kind", "seed", "value", "low", "high", "num_users")
_FILLED += ("hit_epoch_limit",)
_PANEL = ("dataset", "backbone")
_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("dataset", "backbone", "metric", "mark", "arm", "kind", "family"), pl.String),
    **dict.fromkeys(("parameters", "seed"), pl.Int64),
    **dict.fromkeys(("x", "value", "low", "high"), pl.Float64),
    **dict.fromkeys(("num_seeds", "num_users"), pl.Int64),
    "hit_epoch_limit": pl.Boolean,
    "interval_about": pl.String,
}
# Colours that stay apart for colour-blind readers: Okabe & Ito (2008).
_FAMILY_COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_FAMILY_MARKERS = ("o", "s", "D", "h")
_KIND_COLOURS = {"static": "#000000", "random": "#555555", "id": "#D55E00", "popularity": "#777777"}
_KIND_MARKERS = {"static": "D", "random": "o", "id": "o"}
_AT_LIMIT = "^"  # the marker of a run that stopped at its epoch limit, in every colour
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.linewidth": 0.7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "svg.fonttype": "none",
    "svg.hashsalt": "tcf",
}
# Inches: a panel, what stands around it, and a line of the legend or the note.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM, _LINE = 3.6, 2.6, 0.62, 1.0, 0.34, 0.55, 0.17


@dataclass(frozen=True)
class Drawing:
    """A finished plot and exactly the numbers drawn in it.

    Attributes:
        figure: The Matplotlib figure.
        data: One row a mark: ``mark`` is "mean" (the marker, line or band of an arm, with its
            interval) or "seed" (one dot). ``value``, ``low`` and ``high`` are fractions; ``x`` is
            the position on the axis, which for a static encoder lies left of the break;
            ``interval_about`` says what the interval covers.
    """

    figure: "Figure"
    data: pl.DataFrame

    def save(self, stem: str | Path) -> tuple[Path, Path]:
        """Write ``stem.svg`` and ``stem.csv``, each whole or not at all; the same drawing gives the same bytes."""
        from matplotlib import rc_context

        picture, numbers = Path(f"{stem}.svg"), Path(f"{stem}.csv")
        with atomic_write(picture) as temporary, rc_context(_STYLE):
            metadata: dict[str, Any] = {"Date": None, "Creator": "tcf"}
            self.figure.savefig(temporary, format="svg", metadata=metadata)
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
    points of one family are joined. Static encoders stand left of the axis break, encoders with
    random weights are open markers, the item-ID baseline is a band (mean and interval), popularity
    a dashed line. A triangle marks what stopped at its epoch limit. With three seeds or more an
    interval covers new seeds and new users, otherwise new users only; the note says which. Panels
    and families come in the order of the table; the order of seeds does not matter.

    Args:
        table: One row a run and metric, with the columns dataset, backbone, arm, kind ("model",
            "static", "random", "id" or "popularity"), family, parameters, seed, metric, value, low,
            high (fractions; the 95% interval over users), num_users and hit_epoch_limit.
        metric: Which rows to draw.
        title: Heading of the figure.
        x_label: What the parameters count.

    Returns:
        The figure and its numbers.

    Raises:
        ValueError: If a column, the metric or a number is missing, or rows contradict each other.
    """
    from matplotlib import style

    runs = _checked(table, metric)
    axis = _ParameterAxis.of(runs)
    data = pl.DataFrame(list(_marks(runs, axis)), schema=_SCHEMA, orient="row")
    with style.context(["default", _STYLE]):
        return Drawing(_figure(data, axis, title=title, x_label=x_label), data)


# The numbers ------------------------------------------------------------------------------------


def _checked(table: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return the rows of ``metric``, or say what is wrong with them."""
    missing = [name for name in (*_FILLED, "metric", "family", "parameters") if name not in table]
    if missing:
        raise ValueError(
            f"a table of runs needs the columns {', '.join(missing)}; they are missing"
        )
    if table.is_empty():
        raise ValueError("a table of runs must hold at least one run; it is empty")
    known = table["metric"].drop_nulls().unique()
    runs = table.filter(
        pl.col("metric") == lookup({name: name for name in known}, metric, "metric")
    )
    value, low, high, kind = (pl.col(name) for name in ("value", "low", "high", "kind"))
    parameters, sized = pl.col("parameters"), kind.is_in(["model", "random"])
    rules = [(pl.col(name).is_null(), f"{name} must be filled") for name in _FILLED]
    rules += [(~pl.col(name).is_finite(), f"{name} must be finite") for name in _FILLED[5:8]]
    rules += [
        (~kind.is_in(_KINDS), f"kind must be one of {', '.join(_KINDS)}"),
        ((low < 0) | (high > 1), "values must be fractions between 0 and 1"),
        ((low > value + 1e-9) | (high < value - 1e-9), "low <= value <= high must hold"),
        (sized & ~(parameters > 0).fill_null(False), "an encoder needs its parameters, above 0"),
        (
            (kind == "static") & (parameters > 0).fill_null(False),
            "static encoders have 0 parameters",
        ),
        (pl.struct(*_PANEL, "arm", "seed").is_duplicated(), "an arm has one run a seed"),
        (
            pl.struct("kind", "family", "parameters").n_unique().over(*_PANEL, "arm") > 1,
            "an arm has one kind, one family and one number of parameters",
        ),
    ]
    for broken, rule in rules:
        for row in runs.filter(broken).head(1).iter_rows(named=True):
            found = ", ".join(f"{name}={row[name]!r}" for name in (*_FILLED[:8], "parameters"))
            raise ValueError(f"{rule}; got {found}")
    if runs.filter(sized).is_empty():
        raise ValueError(
            "a scaling plot needs at least one run of kind model or random; found none"
        )
    return runs


@dataclass(frozen=True)
class _ParameterAxis:
    """The x axis in log10 units: static encoders, a break, then parameters."""

    slots: dict[str, float]
    gap: float | None
    start: float
    stop: float
    left: float

    @classmethod
    def of(cls, runs: pl.DataFrame) -> "_ParameterAxis":
        sized = runs.filter(pl.col("kind").is_in(["model", "random"]))["parameters"]
        low, high = math.log10(sized.min()), math.log10(sized.max())  # type: ignore[arg-type]
        span = max(high - low, 0.3)
        start, stop = low - 0.07 * span, high + 0.09 * span
        names = runs.filter(pl.col("kind") == "static")["arm"].unique(maintain_order=True).to_list()
        if not names:
            return cls({}, None, start, stop, start)
        first = start - (0.13 + 0.17 * (len(names) - 1)) * span
        slots = {name: first + 0.17 * span * place for place, name in enumerate(names)}
        return cls(slots, start - 0.02 * span, start, stop, first - 0.09 * span)

    def position(self, row: dict[str, Any]) -> float | None:
        if row["kind"] == "static":
            return 10 ** self.slots[row["arm"]]
        return float(row["parameters"]) if row["kind"] in ("model", "random") else None

    def ticks(self) -> tuple[list[float], list[float]]:
        """Major and minor ticks right of the break: decades, or finer where few decades fit."""
        steps = (
            (1,),
            (1, 3),
            (1, 2, 5),
            (1, 1.5, 2, 3, 5, 7),
            (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
        )
        found: list[float] = []
        for step in steps:
            found = self._inside(step)
            if len(found) >= 3:
                break
        return found, [x for x in self._inside(range(1, 10)) if x not in found]

    def _inside(self, steps: Sequence[float]) -> list[float]:
        decades = range(math.floor(self.start), math.ceil(self.stop) + 1)
        every = [float(f"{step}e{decade}") for decade in decades for step in steps]
        return [x for x in every if self.start <= math.log10(x) <= self.stop]


def _marks(runs: pl.DataFrame, axis: _ParameterAxis) -> Iterator[tuple[Any, ...]]:
    """Rows of `Drawing.data`: for each arm its mean, then its seeds."""
    for _, arm in runs.group_by(*_PANEL, "arm", maintain_order=True):
        arm = arm.sort("seed")
        row = arm.row(0, named=True)
        names = (row["dataset"], row["backbone"], row["metric"])
        about = (row["arm"], row["kind"], row["family"], row["parameters"])
        x, interval, drawn = axis.position(row), _interval(arm), row["kind"] != "popularity"
        ends = (interval.low, interval.high) if drawn else (None, None)
        num_users, limited = arm["num_users"].max(), bool(arm["hit_epoch_limit"].any())
        covers = interval.about if drawn else None
        numbers = (None, x, interval.mean, *ends, len(arm), num_users, limited, covers)
        yield (*names, "mean", *about, *numbers)
        for run in arm.iter_rows(named=True) if drawn else ():
            numbers = (run["seed"], x, run["value"], None, None, 1, run["num_users"])
            yield (*names, "seed", *about, *numbers, run["hit_epoch_limit"], None)


def _interval(arm: pl.DataFrame) -> Interval:
    """Mean over seeds: for new seeds and users from three seeds on, for new users below.

    The seeds met the same users, so averaging their intervals over users keeps the width: one
    seed's own interval, and for two a cautious one.
    """
    mean, low, high = (float(np.mean(arm[name].to_numpy())) for name in ("value", "low", "high"))
    if len(arm) < MIN_SEEDS:
        return Interval(mean, low, high, 0.95, NEW_USERS)
    ends = arm.select("value", "low", "high").iter_rows()
    return seed_interval(arm["value"], [Interval(*row, 0.95, NEW_USERS).variance for row in ends])


# The picture ------------------------------------------------------------------------------------


def _figure(
    data: pl.DataFrame, axis: _ParameterAxis, *, title: str | None, x_label: str
) -> "Figure":
    from matplotlib.figure import Figure

    datasets, backbones = (data[name].unique(maintain_order=True).to_list() for name in _PANEL)
    wide = len(datasets) >= len(backbones) and len(datasets) > 1  # the longer side runs across
    rows, columns = (backbones, datasets) if wide else (datasets, backbones)
    looks = _looks(data)
    width = len(columns) * (_LEFT + _WIDTH + _RIGHT)
    note = textwrap.wrap(_note(data), int(width * 17))
    handles = _handles(data, looks)
    per_line = max(1, int(width / 2.1))
    foot = (len(note) + math.ceil(len(handles) / per_line)) * _LINE + 0.25
    head = 0.3 if title else 0.0
    height = head + len(rows) * (_TOP + _HEIGHT + _BOTTOM) + foot
    figure = Figure(figsize=(width, height))
    for down, row in enumerate(rows):
        for across, column in enumerate(columns):
            names = (column, row) if wide else (row, column)
            panel = data.filter(dataset=names[0], backbone=names[1])
            if panel.is_empty():
                continue
            left = across * (_LEFT + _WIDTH + _RIGHT) + _LEFT
            base = height - head - down * (_TOP + _HEIGHT + _BOTTOM) - _TOP - _HEIGHT
            box = (left / width, base / height, _WIDTH / width, _HEIGHT / height)
            axes = figure.add_axes(box, label=" ".join(names))
            axes.set_title(" · ".join(names), loc="left", fontsize=9, fontweight="bold")
            axes.set_xlabel(x_label)
            axes.set_ylabel(f"{_metric_name(panel['metric'][0])} (%)")
            _draw_panel(axes, panel, axis, looks)
    if title:
        figure.text(_LEFT / width, 1 - 0.2 / height, title, fontsize=11, va="center")
    bottom = (len(note) * _LINE + 0.1) / height
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(_LEFT / width - 0.01, bottom),
        ncols=per_line,
        frameon=False,
        fontsize=7.5,
        borderaxespad=0,
        handlelength=1.8,
    )
    figure.text(_LEFT / width, 0.06 / height, "\n".join(note), fontsize=7, color="#444444")
    return figure


def _draw_panel(
    axes: "Axes", panel: pl.DataFrame, axis: _ParameterAxis, looks: dict[Any, tuple[str, str]]
) -> None:
    means = panel.filter(mark="mean").sort("x", "arm")
    _set_axes(axes, panel, axis)
    for (family,), line in means.filter(kind="model").group_by("family", maintain_order=True):
        if family is not None:
            colour = looks["model", family][0]
            axes.plot(
                line["x"], line["value"], color=colour, lw=1, alpha=0.6, label=f"_family:{family}"
            )
    margin, labels = [], []
    for row in means.iter_rows(named=True):
        colour, _ = look = looks[row["kind"], row["family"]]
        seeds = panel.filter(mark="seed", arm=row["arm"])
        if row["kind"] == "popularity":
            axes.axhline(
                row["value"], color=colour, lw=1, ls=(0, (4, 3)), label=f"_line:{row['arm']}"
            )
        elif row["kind"] == "id":
            axes.axhspan(
                row["low"], row["high"], color=colour, alpha=0.14, lw=0, label=f"_band:{row['arm']}"
            )
            axes.axhline(row["value"], color=colour, lw=1.1, label=f"_line:{row['arm']}")
            _draw_seeds(axes, row["arm"], seeds, look)
        else:
            axes.plot(
                [row["x"]] * 2,
                [row["low"], row["high"]],
                color=colour,
                lw=1.2,
                label=f"_interval:{row['arm']}",
            )
            _draw_seeds(axes, row["arm"], seeds, look)
            axes.plot(row["x"], row["value"], **_marker(row, look), label=f"_mean:{row['arm']}")
            labels.append((row, colour))
        if row["x"] is None:
            name = row["arm"] + (" ▲" if row["hit_epoch_limit"] else "")
            margin.append((row["value"], textwrap.fill(name, 15), colour))
    _label_margin(axes, margin)
    _label_points(axes, panel, labels)


def _set_axes(axes: "Axes", panel: pl.DataFrame, axis: _ParameterAxis) -> None:
    """Limits, ticks and the break."""
    from matplotlib.ticker import NullFormatter, PercentFormatter

    drawn = np.concatenate(
        [panel[name].drop_nulls().to_numpy() for name in ("value", "low", "high")]
    )
    top, bottom = float(drawn.max()), float(drawn.min())
    bottom = 0.0 if bottom < 0.4 * top else bottom
    room = (top - bottom) * 0.16 or 0.01
    axes.set_ylim(max(0.0, bottom - room), top + room)
    axes.set_xscale("log")
    axes.set_xlim(10**axis.left, 10**axis.stop)
    major, minor = axis.ticks()
    slots = [10**x for x in axis.slots.values()]
    axes.set_xticks(slots + major, ["0"] * len(slots) + [_short(x) for x in major])
    axes.set_xticks(minor, minor=True)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    axes.grid(axis="y", color="#EBEBEB", lw=0.6)
    axes.set_axisbelow(True)
    if axis.gap is None:
        return
    share = (axis.gap - axis.left) / (axis.stop - axis.left)
    ends = [share - 0.008, share + 0.008]
    across: Any = {"transform": axes.transAxes, "clip_on": False, "zorder": 5}
    axes.plot(ends, [0, 0], color="white", lw=2.5, **across)
    slash: Any = [(-0.6, -1), (0.6, 1)]
    axes.plot(ends, [0, 0], ls="", marker=slash, ms=8, color="#444444", label="_break", **across)
    axes.axvline(10**axis.gap, color="#CCCCCC", lw=0.7, ls=":", zorder=0.5)


def _draw_seeds(axes: "Axes", arm: str, seeds: pl.DataFrame, look: tuple[str, str]) -> None:
    """One small dot a seed: beside its mean, or at the right end of the band."""
    from matplotlib.transforms import ScaledTranslation

    if seeds["x"].null_count():
        transform, x = axes.get_yaxis_transform(), [0.985] * len(seeds)
    else:
        beside = ScaledTranslation(6 / 72, 0, axes.get_figure(root=True).dpi_scale_trans)
        transform, x = axes.transData + beside, seeds["x"].to_list()
    for limited in (False, True):
        part = seeds["hit_epoch_limit"].to_numpy() == limited
        if part.any():
            axes.plot(
                np.array(x)[part],
                seeds["value"].to_numpy()[part],
                ls="",
                color=look[0],
                mew=0,
                marker=_AT_LIMIT if limited else "o",
                ms=3.4 if limited else 2.8,
                alpha=0.75,
                transform=transform,
                label=f"_seed:{arm}",
            )


def _marker(row: dict[str, Any], look: tuple[str, str]) -> dict[str, Any]:
    """How a mean is marked: the colour is the family's, open means untrained, a triangle the limit."""
    return {
        "marker": _AT_LIMIT if row["hit_epoch_limit"] else look[1],
        "ms": 6.5 if row["hit_epoch_limit"] else 5.5,
        "mfc": "white" if row["kind"] == "random" else look[0],
        "mec": look[0],
        "mew": 1.2,
        "ls": "",
        "zorder": 4,
    }


def _looks(data: pl.DataFrame) -> dict[Any, tuple[str, str]]:
    """Colour and marker of every (kind, family)."""
    looks, count = {}, 0
    for kind, family in data.select("kind", "family").unique(maintain_order=True).iter_rows():
        if kind == "model":
            places = count % len(_FAMILY_COLOURS), count % len(_FAMILY_MARKERS)
            looks[kind, family] = _FAMILY_COLOURS[places[0]], _FAMILY_MARKERS[places[1]]
            count += 1
        else:
            looks[kind, family] = _KIND_COLOURS[kind], _KIND_MARKERS.get(kind, "o")
    return looks


def _handles(data: pl.DataFrame, looks: dict[Any, tuple[str, str]]) -> list[Any]:
    """Legend entries of what is in the figure and is not named beside itself."""
    from matplotlib.lines import Line2D

    grey: Any = {"color": "#555555", "ls": ""}
    found = [
        Line2D([], [], color=look[0], marker=look[1], ms=5, lw=1, label=family)
        for (kind, family), look in looks.items()
        if kind == "model" and family is not None
    ]
    found += [
        Line2D([], [], **grey, marker="o", ms=5, label="mean over seeds"),
        Line2D([], [], **grey, marker="|", ms=9, mew=1.2, label="95% interval (see note)"),
        Line2D([], [], **grey, marker="o", ms=2.8, label="one seed"),
    ]
    if "random" in data["kind"]:
        found.append(Line2D([], [], **grey, marker="o", ms=5, mfc="white", label="random weights"))
    if data["hit_epoch_limit"].any():
        text = "stopped at its epoch limit:\nmay not have converged"
        found.append(Line2D([], [], **grey, marker=_AT_LIMIT, ms=6, label=text))
    return found


def _note(data: pl.DataFrame) -> str:
    """What the intervals cover, in words."""
    means = data.filter(pl.col("mark") == "mean", pl.col("interval_about").is_not_null())
    parts = []
    for about in (NEW_SEEDS, NEW_USERS):
        part = means.filter(interval_about=about)
        if part.is_empty():
            continue
        seeds, users = _range(part["num_seeds"]), _range(part["num_users"])
        how = "variance between seeds / seeds + variance over users, Student's t: at least 95%"
        if about == NEW_USERS:
            how = "bootstrap over users; another seed may well fall outside"
        parts.append(
            f"for {about} ({seeds} seed{'' if seeds == '1' else 's'}, {users} users; {how})"
        )
    return f"Bars and bands are 95% intervals {'; or, where seeds are too few, '.join(parts)}."


def _label_margin(axes: "Axes", labels: list[tuple[float, str, str]]) -> None:
    """Name bands and lines right of the panel, pushed apart where they are close."""
    low, high = axes.get_ylim()
    line = 0.125 / _HEIGHT * (high - low)  # height of a line of text
    floor = -math.inf
    for value, text, colour in sorted(labels):
        half = (text.count("\n") + 1) * line / 2
        centre = max(value, floor + half)
        floor = centre + half + 0.3 * line
        axes.annotate(
            text,
            (1, value),
            (1.035, centre),
            xycoords=axes.get_yaxis_transform(),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=7.5,
            color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "shrinkA": 1, "shrinkB": 0},
            annotation_clip=False,
        )


def _label_points(axes: "Axes", panel: pl.DataFrame, labels: list[tuple[Any, str]]) -> None:
    """Name each encoder at the free place nearest to its marker."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(axes.get_figure(root=True)).get_renderer()  # type: ignore[arg-type]
    frame = axes.get_window_extent(renderer)
    taken = _obstacles(axes, panel)
    for row, colour in labels:
        ends = [(row["x"], row[end]) for end in ("low", "value", "high")]
        (x, low), (_, middle), (_, high) = axes.transData.transform(ends)
        text = axes.text(0, 0, row["arm"], fontsize=7, color=colour, transform=axes.transAxes)
        extent = text.get_window_extent(renderer)
        wide, tall = extent.width * 1.06, extent.height  # room for another font
        places = []  # (left, bottom, how far from where a reader looks first)
        for step in range(14):
            away = 4 + 6 * step
            for shift in (0.5, 0.2, 0.8, 0.0, 1.0):
                far = away + 8 * abs(shift - 0.5)
                places += [(x - shift * wide, high + away, far)]
                places += [(x - shift * wide, low - away - tall, far + 1)]
            places += [(x - 7 - away - wide, middle - tall / 2, away + 3)]
            places += [(x + 13 + away, middle - tall / 2, away + 3)]
        boxes = np.array([(left, base, left + wide, base + tall) for left, base, _ in places])
        outside = np.maximum(0, [*(frame.min - boxes[:, :2]).T, *(boxes[:, 2:] - frame.max).T])
        cost = _overlap(boxes, taken) + 20 * outside.sum(0) + np.array(places)[:, 2]
        best = int(cost.argmin())
        text.set_position(axes.transAxes.inverted().transform(boxes[best, :2]))
        text.set_verticalalignment("bottom")
        taken = np.vstack([taken, boxes[best]])


def _overlap(boxes: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Square pixels of each box ``(n, 4)`` that are taken already."""
    low = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    return np.maximum(high - low, 0).prod(2).sum(1)


def _obstacles(axes: "Axes", panel: pl.DataFrame) -> np.ndarray:
    """Boxes ``(n, 4)`` in pixels of what a label must not cover."""
    frame, boxes = axes.get_window_extent(), []
    for row in panel.iter_rows(named=True):
        if row["x"] is None:
            y = axes.transData.transform((1, row["value"]))[1]
            boxes += [(frame.x0, y - 2, frame.x1, y + 2)] if row["mark"] == "mean" else []
        elif row["mark"] == "seed":
            x, y = axes.transData.transform((row["x"], row["value"]))
            boxes.append((x + 5, y - 4, x + 12, y + 4))
        else:
            ends = [(row["x"], row[end]) for end in ("low", "value", "high")]
            (x, low), (_, y), (_, high) = axes.transData.transform(ends)
            boxes += [(x - 6, y - 6, x + 6, y + 6), (x - 2, low - 2, x + 2, high + 2)]
    for line in axes.get_lines():
        if str(line.get_label()).startswith("_family"):
            points = axes.transData.transform(line.get_xydata())
            for (x0, y0), (x1, y1) in itertools.pairwise(points):
                steps = np.linspace(0, 1, 60)[:, None]
                dots = np.array([x0, y0]) + steps * np.array([x1 - x0, y1 - y0])
                boxes += [(x - 2, y - 2, x + 2, y + 2) for x, y in dots]
    return np.array(boxes, dtype=float).reshape(-1, 4)


def _range(counts: pl.Series) -> str:
    low, high = counts.min(), counts.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _short(count: float) -> str:
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= unit:
            return f"{count / unit:g}{name}"
    return f"{count:g}"


def _metric_name(metric: str) -> str:
    name, _, cut = metric.partition("@")
    return f"{name.upper()}@{cut}" if cut else name.upper()
