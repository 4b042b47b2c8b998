"""Users and items by how many interactions they have: once, or until nothing changes."""

import numpy as np
from scipy import sparse

from tcf.data.catalog import Catalog, Interactions
from tcf.data.filter import Filtered, keep_where
from tcf.data.spans import span_places


def filter_counts(
    catalog: Catalog,
    interactions: Interactions,
    *,
    min_item: int = 1,
    max_item: int | None = None,
    min_user: int = 1,
    max_user: int | None = None,
) -> Filtered:
    """Keep items, then users, by their number of interactions; users are counted on what is left.

    One pass: an item that loses users may end below ``min_item``; `filter_core` goes on until none
    does. ``min_item=20, min_user=5`` is a warm set as the study made them, ``max_item=4`` a cold
    one. Counts are of interactions: a user who takes an item twice counts twice.

    Args:
        catalog: Items.
        interactions: Users, oldest interaction first.
        min_item: Items with fewer are removed.
        max_item: Items with more are removed; None: no limit.
        min_user: Users with fewer, of items that stay, are removed.
        max_user: Users with more are removed; None: no limit.

    Returns, raises: as `filter_interactions`.

    Source: Li et al., arXiv 2305.11700 (warm sets: at least 20, 50 and 200).
    """
    settings = {
        "min_item": min_item,
        "max_item": max_item,
        "min_user": min_user,
        "max_user": max_user,
    }
    for name in ("item", "user"):
        low, high = settings[f"min_{name}"], settings[f"max_{name}"]
        if low is None or low < 1 or (high is not None and high < low):
            raise ValueError(
                f"min_{name} must be at least 1 and max_{name} no less; got {low} and {high}"
            )
    kept = _within(interactions.item_counts(catalog.num_items), min_item, max_item)
    kept = kept[interactions.rows]
    counts = interactions.counts(kept)
    kept &= np.repeat(_within(counts, min_user, max_user), interactions.counts())
    used = {name: value for name, value in settings.items() if value not in (None, 1)}
    return keep_where(catalog, interactions, kept, name="counts", settings=used)


def item_threshold(interactions: Interactions, *, share: float) -> int:
    """Return the ``min_item`` that keeps a share of the interactions.

    It is the largest n such that the items of at least n interactions have at least this share of
    all interactions among them.

    Raises:
        ValueError: If ``share`` is not within 0 and 1, or there is no interaction.
    """
    if not 0 < share <= 1 or not interactions.num_interactions:
        raise ValueError(
            "share must be above 0 and at most 1, of some interactions; "
            f"got {share} of {interactions.num_interactions}"
        )
    counts = np.sort(np.bincount(interactions.rows))[::-1]
    place = np.searchsorted(np.cumsum(counts), share * interactions.num_interactions)
    return int(counts[min(place, np.count_nonzero(counts) - 1)])


def filter_core(
    catalog: Catalog, interactions: Interactions, *, min_item: int = 5, min_user: int = 5
) -> Filtered:
    """Keep the k-core: the most users and items that all have enough interactions among themselves.

    What has too few is removed, which takes interactions from others, and so on until nothing
    changes; the order makes no difference. Each removed user and item is looked at once, so that
    the time is linear in the interactions, however many rounds it takes.

    Args:
        catalog: Items.
        interactions: Users, oldest interaction first.
        min_item: Interactions of each item that stays, with users that stay.
        min_user: Interactions of each user that stays, with items that stay.

    Returns, raises: as `filter_interactions`.

    Source: Seidman, Social Networks 1983; Batagelj & Zaversnik, arXiv cs/0310049.
    """
    if min_item < 1 or min_user < 1:
        raise ValueError(f"min_item and min_user must be at least 1; got {min_item} and {min_user}")
    users, items = _core(interactions, catalog.num_items, min_user=min_user, min_item=min_item)
    kept = items[interactions.rows]
    kept &= np.repeat(users, interactions.counts())
    settings = {"min_item": min_item, "min_user": min_user}
    return keep_where(catalog, interactions, kept, name="k-core", settings=settings)


def _core(
    interactions: Interactions, num_items: int, *, min_user: int, min_item: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return which users and which rows are in the core."""
    rows, offsets = interactions.rows, interactions.offsets
    ones = np.ones(len(rows), np.int8)
    by_user = sparse.csr_array((ones, rows, offsets), shape=(len(offsets) - 1, num_items + 1))
    by_item = by_user.tocsc()  # counting sort: linear, and what is there twice stays twice
    neighbours = ((offsets, rows), (by_item.indptr, by_item.indices))
    counts = (np.diff(offsets), np.diff(by_item.indptr))
    least = (min_user, min_item)
    alive = (counts[0] >= min_user, counts[1] >= min_item)
    gone = [np.flatnonzero(~inside) for inside in alive]  # and the other side not told yet
    while len(gone[0]) or len(gone[1]):
        for side, other in ((0, 1), (1, 0)):
            bounds, found = neighbours[side]
            lost = found[span_places(bounds[:-1][gone[side]], bounds[1:][gone[side]])]
            touched, times = _tally(lost, size=len(counts[other]))
            counts[other][touched] -= times
            short = touched[alive[other][touched] & (counts[other][touched] < least[other])]
            alive[other][short] = False
            gone[side], gone[other] = gone[side][:0], np.concatenate((gone[other], short))
    return alive


def _tally(values: np.ndarray, *, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct values below ``size`` and how often each is there, in the cheaper way."""
    if len(values) * 8 < size:
        return np.unique(values, return_counts=True)
    counts = np.bincount(values, minlength=size)
    touched = np.flatnonzero(counts)
    return touched, counts[touched]


def _within(counts: np.ndarray, least: int, most: int | None) -> np.ndarray:
    return (counts >= least) & (counts <= (counts.max(initial=0) if most is None else most))
