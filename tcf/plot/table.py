"""The table of evidence -> the rows that one plot draws, or what is wrong with them. No torch."""

from collections.abc import Iterable, Sequence

import polars as pl

from tcf._util import lookup

__all__ = ["evidence_rows", "in_order", "mean_rows", "panel_names", "refuse", "require"]

PANEL = ("dataset", "backbone")
ENCODERS = ("model", "random")  # what has a number of parameters
UNTRAINED = ("nearest", "transitions", "popularity", "chance")
KINDS = (*ENCODERS, "static", "id", *UNTRAINED)
NUMBERS = ("value", "low", "high")
SERIES = ("kind", "family", "tuned", "control")
_ALWAYS = (*PANEL, "arm", "kind", "mark", "value", "num_seeds", "num_users", "hit_epoch_limit")
_OF_MEANS = ("low", "high", "interval_about")
COLUMNS = (*PANEL, "slice", "metric", "mark", "arm", *SERIES, "seed", *NUMBERS)
COLUMNS += ("num_seeds", "num_users", "hit_epoch_limit", "interval_about")
Rules = Sequence[tuple[str, pl.Expr]]


def require(table: pl.DataFrame, columns: Iterable[str], *, what: str) -> None:
    """Raise a ``ValueError`` unless ``table`` has these columns and a row."""
    missing = [name for name in columns if name not in table.columns]
    if missing or table.is_empty():
        lack = f"the columns {', '.join(missing)}" if missing else "at least one row; it is empty"
        raise ValueError(f"{what} needs {lack}")


def refuse(rows: pl.DataFrame, rules: Rules, *, show: Sequence[str]) -> None:
    """Raise a ``ValueError`` with the first rule that a row breaks, and the row's columns."""
    for rule, broken in rules:
        for row in rows.filter(broken).head(1).iter_rows(named=True):
            found = ", ".join(f"{name}={row[name]!r}" for name in show)
            raise ValueError(f"{rule}; got {found}")


def filled(*names: str, among: pl.Expr | None = None) -> Rules:
    """Return the rules that these columns are filled, in all rows or ``among`` some."""
    where = pl.lit(True) if among is None else among
    return [(f"{name} must be filled", where & pl.col(name).is_null()) for name in names]


def finite(*names: str) -> Rules:
    """Return the rules that these columns hold finite numbers or nothing."""
    return [(f"{name} must be finite", ~pl.col(name).is_finite()) for name in names]


def evidence_rows(
    table: pl.DataFrame, *, metric: str, slice: str = "all", also: Sequence[str] = ()
) -> pl.DataFrame:
    """Return the rows of one metric and slice, each arm's mean before its seeds.

    What has no backbone, such as popularity, gets its rows in each of its data set's panels.

    Args:
        table: As `tcf.study.evidence.evidence` returns it.
        metric: Which rows to keep.
        slice: Likewise.
        also: Further columns that the plot needs; an arm has one value in each.

    Raises:
        ValueError: If a column, the metric, the slice or a number is missing, or rows contradict
            each other.
    """
    require(table, (*COLUMNS, *also), what="a table of evidence")
    for name, wanted in (("metric", metric), ("slice", slice)):
        lookup(dict.fromkeys(table[name].drop_nulls().unique(), wanted), wanted, name)
        table = table.filter(pl.col(name) == wanted)
        require(table, (), what=f"a table of evidence for {metric} and slice {slice!r}")
    rows = _in_every_panel(table)
    refuse(rows, _rules(also), show=(*_ALWAYS, "seed", "low", "high", *also))
    return in_order(rows)


def mean_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that stand for an arm over its seeds."""
    return rows.filter(mark="mean")


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Put the rows of each arm together, its mean first, then its seeds; arms keep their order."""
    arms = rows.group_by(*PANEL, "arm", maintain_order=True)
    return pl.concat([arm.sort("mark", "seed", maintain_order=True) for _, arm in arms])


def panel_names(rows: pl.DataFrame) -> tuple[list[tuple[str, str] | None], int]:
    """Return the panels, None where a pair of data set and backbone has no rows, and how many
    stand side by side where they find room: the shorter of the two lists."""
    datasets, backbones = (rows[name].unique(maintain_order=True).to_list() for name in PANEL)
    have = set(rows.select(PANEL).rows())
    if len(backbones) > len(datasets) > 1:
        pairs = [(dataset, backbone) for backbone in backbones for dataset in datasets]
    else:
        pairs = [(dataset, backbone) for dataset in datasets for backbone in backbones]
    shorter, longer = sorted((len(datasets), len(backbones)))
    return [pair if pair in have else None for pair in pairs], shorter if shorter > 1 else longer


def _in_every_panel(table: pl.DataFrame) -> pl.DataFrame:
    with_one = table.filter(pl.col("backbone").is_not_null())
    panels = with_one.select(PANEL).unique(maintain_order=True)
    loose = table.filter(pl.col("backbone").is_null()).drop("backbone")
    loose = loose.join(panels, on="dataset", maintain_order="left_right")
    return pl.concat([with_one, loose.select(table.columns)])


def _rules(also: Sequence[str]) -> Rules:
    value, low, high, kind, mark = (pl.col(x) for x in (*NUMBERS, "kind", "mark"))
    is_mean, arm = mark == "mean", (*PANEL, "arm")
    same = pl.struct(*SERIES, *also)
    return [
        *filled(*_ALWAYS),
        ("mark must be mean or seed", ~mark.is_in(["mean", "seed"])),
        *filled(*_OF_MEANS, among=is_mean),
        *filled("seed", among=~is_mean),
        *finite(*NUMBERS),
        (f"kind must be one of {', '.join(KINDS)}", ~kind.is_in(KINDS)),
        ("values must be fractions between 0 and 1", (value < 0) | (value > 1)),
        ("low <= value <= high must hold", (low > value + 1e-9) | (high < value - 1e-9)),
        ("an arm has one mean and one run a seed", pl.struct(*arm, "mark", "seed").is_duplicated()),
        ("an arm needs a row that is its mean", ~is_mean.any().over(*arm)),
        (
            f"an arm has one {', '.join((*SERIES, *also))}",
            same.n_unique().over(*arm) > 1,
        ),
    ]
