"""Slices of users: who is in which, and every metric of many runs in each of them. Loads no torch.

A slice is named by what it cuts and where, such as ``"target_train_count: 5-19"``; ``"all"`` is
everyone. What it cuts are the columns of a split's ledger (`tcf.study.records`).
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import polars as pl

from tcf._util import lookup
from tcf.evaluate.ledger import Ledger
from tcf.evaluate.metrics import check_metric, metric
from tcf.evaluate.stats import NEW_USERS

__all__ = ["ALL_METRICS", "SLICES", "members", "slice_labels", "slice_names", "slice_table"]

# What a split's ledger says of each user, and the lowest value of each bin; the last has no end.
SLICES: dict[str, dict[str, int]] = {
    "target_train_count": {
        "cold": 0,
        "1-4": 1,
        "5-19": 5,
        "20-49": 20,
        "50-199": 50,
        "200 and more": 200,
    },
    "history_length": {"0": 0, "1-4": 1, "5-9": 5, "10-19": 10, "20 and more": 20},
    "target_in_history": {"no": 0, "yes": 1},
}
ALL_METRICS = tuple(f"{kind}@{k}" for kind in ("hr", "ndcg", "mrr") for k in (5, 10, 20))
_CHUNK = 1 << 22  # numbers drawn at a time
_RARE = 32  # users of a cell below which drawing them is faster than a binomial
_SCHEMA = {
    **dict.fromkeys(("run", "slice", "metric"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "num_users": pl.Int64,
    "interval_about": pl.String,
}


def slice_names() -> tuple[str, ...]:
    """Return the name of every slice, ``"all"`` first."""
    return ("all", *(label for name in SLICES for label in _labels(name)))


def slice_labels(split: pl.DataFrame, name: str) -> pl.Series:
    """Return the slice of each user in one of `SLICES`.

    Args:
        split: A split's ledger, one row a user.
        name: Of a column of it, such as ``"target_train_count"``.

    Returns:
        ``(num_users,)`` Enum such as ``"target_train_count: 5-19"``, users in the ledger's order.

    Raises:
        ValueError: If ``name`` is none of `SLICES`, or the ledger lacks its column or a value in
            it, or a value is negative.
    """
    bins = lookup(SLICES, name, "what users are sliced by")
    if name not in split.columns:
        raise ValueError(
            f"a split's ledger needs the column {name!r}; got {', '.join(split.columns) or 'none'}"
        )
    values = split[name].cast(pl.Int64)
    if values.null_count() or values.lt(0).any():
        first = int((values.is_null() | values.lt(0)).arg_max() or 0)
        raise ValueError(f"{name} must be 0 or more for every user; got {values[first]} at {first}")
    codes = np.searchsorted(list(bins.values()), values.to_numpy(), side="right") - 1
    labels = _labels(name)
    return pl.Series(name, labels, pl.Enum(labels)).gather(codes)


def members(split: pl.DataFrame, name: str) -> np.ndarray:
    """Return which users are in a slice.

    Args:
        split: A split's ledger, one row a user.
        name: ``"all"``, or a slice such as ``"target_train_count: 5-19"``.

    Returns:
        ``(num_users,)`` bool, users in the ledger's order; all False where a slice is empty.

    Raises:
        ValueError: If there is no such slice, or as `slice_labels`.
    """
    if name == "all":
        return np.ones(len(split), bool)
    cut = name.partition(": ")[0]
    lookup(SLICES, cut, "what users are sliced by")
    lookup(dict.fromkeys(_labels(cut)), name, "a slice")
    return (slice_labels(split, cut) == name).to_numpy()


def slice_table(
    ledgers: Mapping[str, Ledger],
    split: pl.DataFrame,
    *,
    seed: int,
    metrics: Sequence[str] = ALL_METRICS,
    num_resamples: int = 1000,
) -> pl.DataFrame:
    """Return every metric of many runs in every slice, with a 95% percentile-bootstrap interval.

    Users that no metric can tell apart are counted as one cell: those of one rank and number of
    ties, and all those beyond the last cut-off. A bootstrap over users is then a multinomial draw
    of the cells' counts, made once for a run and slice and shared by its metrics, so that they vary
    together. A run's rows do not depend on the other runs.

    Args:
        ledgers: Run -> ledger, all of one split.
        split: The split's ledger, the same users in the same order.
        seed: Of the resampling; the same for every run and slice.
        metrics: Such as ``"hr@10"``.
        num_resamples: Resamples drawn.

    Returns:
        Columns run, slice, metric, value, low, high, num_users and interval_about (these trained
        models on new users), in the order given. A slice without users has no row.

    Raises:
        ValueError: If a ledger and the split differ in length, a rank is below 1, or as
            `slice_labels` and `metric`.

    Source: Efron & Tibshirani (1993), chapter 13.
    """
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be at least 1; got {num_resamples}")
    if not metrics:
        raise ValueError("metrics must name at least one, such as 'hr@10'; got none")
    for name in metrics:
        check_metric(name)
    everyone = pl.Series("all", ["all"], pl.Enum(["all"])).new_from_index(0, len(split))
    cuts = pl.DataFrame([everyone, *(slice_labels(split, name) for name in SLICES)])
    last = max(int(name.partition("@")[2]) for name in metrics)
    figures = partial(_figures, metrics=metrics, seed=seed, num_resamples=num_resamples)
    rows: list[tuple] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # NumPy draws outside the interpreter's lock
        for run, ledger in ledgers.items():
            if len(ledger) != len(split):
                raise ValueError(
                    f"a ledger must have the users of its split; {run!r} has {len(ledger)}, "
                    f"the split {len(split)}"
                )
            parts = _cells(ledger, cuts, last=last)
            for (label, cells), found in zip(
                parts.items(), pool.map(figures, parts.values()), strict=True
            ):
                about = (int(cells["users"].sum()), NEW_USERS)
                rows += [(run, label, *of, *about) for of in zip(metrics, *found, strict=True)]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _cells(ledger: Ledger, cuts: pl.DataFrame, *, last: int) -> dict[str, pl.DataFrame]:
    """Return, for each slice that has users, their number at each rank and ties, the fewest first.

    Ranks beyond the last cut-off are one, and their ties are none: no metric sees either.
    """
    beyond = ledger.rank > last
    told = cuts.with_columns(
        rank=np.where(beyond, last + 1, ledger.rank), ties=np.where(beyond, 0, ledger.ties)
    )
    counted = told.group_by(told.columns).len("users")
    parts = {}
    for cut in cuts.columns:
        cells = counted.group_by(cut, "rank", "ties").agg(pl.col("users").sum())
        for part in cells.sort(cut, "users", "rank", "ties").partition_by(cut):
            parts[part[cut][0]] = part
    return parts


def _figures(
    cells: pl.DataFrame, *, metrics: Sequence[str], seed: int, num_resamples: int
) -> list[list[float]]:
    """Return value, low and high of every metric over the users that cells count."""
    ledger = Ledger(cells["rank"].to_numpy(), cells["ties"].to_numpy())
    gains = np.stack([metric(ledger, name) for name in metrics], axis=1)  # (cells, metrics)
    users = cells["users"].to_numpy().astype(np.int64)
    rng = np.random.default_rng(seed)
    means = np.empty((num_resamples, len(metrics)))
    at_once = int(max(1, _CHUNK // (len(users) + users[users < _RARE].sum())))
    for start in range(0, num_resamples, at_once):
        part = means[start : start + at_once]
        part[:] = _resample(users, size=len(part), rng=rng) @ gains / users.sum()
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return [figures.tolist() for figures in (users @ gains / users.sum(), low, high)]


def _resample(users: np.ndarray, *, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the ``(size, cells)`` counts of resamples of users: draws of one multinomial.

    Its price is a binomial a cell. Cells of few users, which come first, are drawn as one, and
    then its users one by one.
    """
    num_rare = int(np.searchsorted(users, _RARE))
    rare, common = users[:num_rare], users[num_rare:]
    merged = np.append(rare.sum(), common)
    drawn = rng.multinomial(users.sum(), merged / users.sum(), size=size)
    if not num_rare:
        return drawn[:, 1:]
    cell = np.repeat(np.arange(num_rare), rare)[rng.integers(rare.sum(), size=drawn[:, 0].sum())]
    resample = np.repeat(np.arange(size), drawn[:, 0])
    counts = np.bincount(resample * num_rare + cell, minlength=size * num_rare)
    return np.concatenate([counts.reshape(size, num_rare), drawn[:, 1:]], axis=1)


def _labels(name: str) -> list[str]:
    return [f"{name}: {label}" for label in SLICES[name]]
