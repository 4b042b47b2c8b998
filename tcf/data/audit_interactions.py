"""What interactions show of themselves: short, repeated, copied and untimed ones, and order."""

import numpy as np
import polars as pl

from tcf.data.catalog import Catalog, Interactions
from tcf.data.findings import Finding, percent
from tcf.data.hashing import distinct, hash_sequences

__all__ = [
    "equal_times",
    "gini",
    "identical_histories",
    "interaction_findings",
    "item_order",
    "popularity_skew",
    "repeated_items",
    "short_histories",
    "true_times",
]

_RARE = 0.01
_LONG = 5  # shorter histories are the same by chance
_DAYS = 1_000_000  # seconds: times below it are of the first days of 1970, and so no times


def interaction_findings(catalog: Catalog, taken: Interactions) -> list[Finding]:
    """Return every check of interactions that no filter settles."""
    return [
        repeated_items(taken),
        identical_histories(taken),
        equal_times(taken),
        item_order(catalog, taken),
        popularity_skew(taken, num_items=catalog.num_items),
    ]


def short_histories(taken: Interactions, *, min_interactions: int) -> Finding:
    """Users below the minimum are filtered away, and what is found holds for the others alone.

    Raises:
        ValueError: If ``min_interactions`` is below 1.
    """
    if min_interactions < 1:
        raise ValueError(f"min_interactions must be at least 1; got {min_interactions}")
    counts = taken.counts()
    short = counts < min_interactions
    lost = int(counts[short].sum())
    return Finding.judged(
        "short histories",
        f"{int(short.sum())} of {taken.num_users} users "
        f"({percent(short.sum(), taken.num_users)}) have fewer than {min_interactions} "
        f"interactions; with them go {percent(lost, taken.num_interactions)} of all",
        warn=short.sum() > 0.05 * taken.num_users,
        fix="results hold for the users that stay: say so, or lower the minimum",
        figures={
            "share_short": int(short.sum()) / max(1, taken.num_users),
            "share_interactions_lost": lost / max(1, taken.num_interactions),
        },
    )


def repeated_items(taken: Interactions) -> Finding:
    """An item that a user takes again can be predicted by looking into the history."""
    num_rows = int(taken.rows.max(initial=0)) + 1
    pairs = len(distinct(taken.users() * num_rows + taken.rows))
    again = taken.num_interactions - pairs
    in_a_row = int((_neighbours(taken) & (taken.rows[1:] == taken.rows[:-1])).sum())
    return Finding.judged(
        "repeated items",
        f"{again} of {taken.num_interactions} interactions "
        f"({percent(again, taken.num_interactions)}) are with an item that the user had before, "
        f"{in_a_row} of them right after it",
        warn=again > _RARE * taken.num_interactions,
        fix="repeats are won by remembering, not by recommending: keep each user's first "
        "interaction with an item, or report targets already known apart (target_in_history)",
        figures={
            "share_repeated": again / max(1, taken.num_interactions),
            "share_repeated_at_once": in_a_row / max(1, taken.num_interactions),
        },
    )


def identical_histories(taken: Interactions) -> Finding:
    """Users who took the same items in the same order are robots, or one user twice."""
    long = taken.counts() >= _LONG
    content = hash_sequences(taken.rows, taken.offsets)[long]
    groups = np.unique(content, return_counts=True)[1]
    surplus = len(content) - len(groups)
    return Finding.judged(
        "identical histories",
        f"{surplus} of {len(content)} users ({percent(surplus, len(content))}) with at least "
        f"{_LONG} interactions repeat another's whole history; "
        f"the largest group has {int(groups.max(initial=0))}",
        warn=surplus > _RARE * len(content),
        fix="one history in training and test gives the target away: drop the copies",
        figures={"share_surplus": surplus / max(1, len(content))},
    )


def equal_times(taken: Interactions) -> Finding:
    """Where a user's times are equal, "the last item" is an accident of the file's order."""
    times = true_times(taken)
    if times is None:
        kind = "no times" if taken.times is None else "positions in the history for times"
        return Finding("equal times", "ok", f"not made: the data has {kind}, only an order")
    equal = _neighbours(taken) & (times[1:] == times[:-1])
    steps = int(np.maximum(taken.counts() - 1, 0).sum())
    users = taken.counts() >= 2
    last = int(equal[taken.offsets[1:][users] - 2].sum())
    share_last = last / max(1, int(users.sum()))
    return Finding(
        "equal times",
        "problem" if share_last > 0.5 else "warning" if share_last > _RARE else "ok",
        f"{percent(equal.sum(), steps)} of a user's steps take no time; "
        f"{percent(last, int(users.sum()))} of users have several last items",
        "which item is the target is arbitrary there, and the order of the input too: hold out "
        "by time (a global time split) or treat what happened at once as one basket"
        if share_last > _RARE
        else "",
        {"share_last_equal": share_last, "share_steps_equal": int(equal.sum()) / max(1, steps)},
    )


def item_order(catalog: Catalog, taken: Interactions) -> Finding:
    """The order of items and the number in an id should say nothing of time or popularity."""
    counts = taken.item_counts(catalog.num_items)[1:]
    some = np.flatnonzero(counts)
    numbers = pl.Series(list(catalog.item_ids)).cast(pl.Float64, strict=False).to_numpy()
    orders = {"row": some.astype(np.float64)}
    if np.isfinite(numbers).all():
        orders["id"] = numbers[some]
    truths = {"popularity": counts[some].astype(np.float64)}
    times = true_times(taken)
    if times is not None:
        first = np.full(catalog.num_items, np.inf)
        np.minimum.at(first, taken.rows - 1, times)
        truths["first_time"] = first[some]
    found = {
        f"{name}_{of}": _spearman(order, truth)
        for name, order in orders.items()
        for of, truth in truths.items()
    }
    shown = ", ".join(f"{name.replace('_', ' with ', 1)} {rho:+.2f}" for name, rho in found.items())
    largest = max(found.values(), key=abs)
    return Finding.judged(
        "item order",
        f"rank correlations: {shown.replace('_', ' ')}",
        warn=abs(largest) >= 0.3,
        fix="rows or ids tell which items are popular or new: break no ties by row, and read no id "
        "as a number (ranks here average over ties; a list of equal scores has the lower row "
        "first)",
        figures={"largest": largest, **found},
    )


def popularity_skew(taken: Interactions, *, num_items: int) -> Finding:
    """How unequal items are: of all interactions, how much goes to few."""
    counts = taken.item_counts(num_items)[1:]
    top = np.sort(counts)[::-1][: max(1, num_items // 100)]
    share, skew = top.sum() / max(1, counts.sum()), gini(counts)
    return Finding.judged(
        "popularity skew",
        f"Gini {skew:.3f}; 1% of items have {percent(share, 1)} of interactions, "
        f"{int((counts == 0).sum())} have none",
        warn=skew > 0.9 or share > 0.5,
        fix="a few items decide every mean: read the slices by target_train_count, and popularity "
        "beside every arm",
        figures={"gini": skew, "share_of_top_1_percent": float(share)},
    )


def gini(counts: np.ndarray) -> float:
    """Gini coefficient of ``(n,)`` counts: 0 where all are alike, ``1 - 1 / n`` if one has all.

    With ``x_1 <= ... <= x_n`` it is ``sum_i (2 i - n - 1) x_i / (n sum_i x_i)``; of nothing, 0.
    """
    ordered, num = np.sort(counts), len(counts)
    weights = 2 * np.arange(1, num + 1) - num - 1
    return float(weights @ ordered / (num * ordered.sum())) if ordered.any() else 0.0


def true_times(taken: Interactions) -> np.ndarray | None:
    """Return when each interaction was; None where nothing says so.

    Some files have each user's positions (0, 1, 2, ...) in the column of times. Small numbers are
    taken for them.
    """
    times = taken.times
    return None if times is None or times.max(initial=0) < _DAYS else times


def _neighbours(taken: Interactions) -> np.ndarray:
    """``(num_interactions - 1,)`` bool: an interaction and the next are of one user."""
    inside = np.ones(max(taken.num_interactions - 1, 0), bool)
    ends = taken.offsets[1:-1]
    inside[ends[(ends > 0) & (ends < taken.num_interactions)] - 1] = False
    return inside


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    rho = pl.DataFrame({"one": one, "other": other}).select(
        pl.corr("one", "other", method="spearman")
    )
    value = rho.item()
    return 0.0 if value is None or np.isnan(value) else float(value)  # one of them is constant
