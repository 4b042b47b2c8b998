"""Users and items by count, and the k-core."""

import numpy as np
import pytest

from tcf.data.count_filters import filter_core, filter_counts, item_threshold
from tcf.data.filter import filter_interactions
from tcf.errors import DataError
from tests import worlds

HISTORIES = [[1, 2, 3, 1], [1, 2], [3], [1, 1, 4, 5, 2, 2]]  # items: 5, 4, 2, 1, 1


def test_items_are_counted_first_and_users_on_what_is_left():
    catalog, kept, report = filter_counts(
        worlds.catalog(6), worlds.interactions(HISTORIES), min_item=4, min_user=3
    )
    assert worlds.history_ids(catalog, kept) == {
        "u0": ["i1", "i2", "i1"],
        "u3": ["i1", "i1", "i2", "i2"],
    }
    assert (report.name, report.settings) == ("counts", {"min_item": 4, "min_user": 3})
    assert str(report) == "kept 2 of 4 users, 2 of 6 items, 7 of 13 interactions"
    assert report.as_dict() == {
        "users_before": 4,
        "users_after": 2,
        "items_before": 6,
        "items_after": 2,
        "interactions_before": 13,
        "interactions_after": 7,
    }


def test_the_most_that_items_and_users_may_have():
    catalog, kept, _ = filter_counts(worlds.catalog(6), worlds.interactions(HISTORIES), max_item=2)
    assert worlds.history_ids(catalog, kept) == {"u0": ["i3"], "u2": ["i3"], "u3": ["i4", "i5"]}
    _, kept, _ = filter_counts(worlds.catalog(6), worlds.interactions(HISTORIES), max_user=4)
    assert kept.user_ids == ("u0", "u1", "u2")


def test_a_warm_set_is_the_items_and_then_the_users_filter():
    rng = np.random.default_rng(0)
    histories = [(rng.zipf(1.5, 12) % 30 + 1).tolist() for _ in range(40)]
    whole = worlds.catalog(30), worlds.interactions(histories)
    warm = filter_counts(*whole, min_item=20, min_user=5)
    catalog, kept, _ = filter_counts(*whole, min_item=20)
    catalog, kept, _ = filter_interactions(catalog, kept, min_interactions=5, last=None)
    assert worlds.history_ids(*warm[:2]) == worlds.history_ids(catalog, kept)
    assert 0 < warm[2].interactions_after < warm[2].interactions_before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_item": 0}, "min_item must be at least 1 and max_item no less; got 0 and None"),
        ({"min_user": 5, "max_user": 4}, "min_user must be .* and max_user no less; got 5 and 4"),
    ],
)
def test_counts_that_cannot_be_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        filter_counts(worlds.catalog(1), worlds.interactions([[1]]), **settings)


def test_nothing_left_is_an_error_that_names_the_filter():
    message = r"must leave an interaction; counts \(min_item=9\) leaves none of 2: loosen it"
    with pytest.raises(DataError, match=message):
        filter_counts(worlds.catalog(2), worlds.interactions([[1, 2]]), min_item=9)


def test_the_core_is_what_is_left_when_nothing_changes_any_more():
    # item 5 leaves, so u2 is short, so item 3 is short, so u1 is short
    histories = [[1, 2, 1, 2], [1, 2, 3], [3, 3, 5], [1, 2, 2]]
    catalog, kept, report = filter_core(
        worlds.catalog(5), worlds.interactions(histories), min_item=3, min_user=3
    )
    assert worlds.history_ids(catalog, kept) == {
        "u0": ["i1", "i2", "i1", "i2"],
        "u3": ["i1", "i2", "i2"],
    }
    assert (report.name, report.settings) == ("k-core", {"min_item": 3, "min_user": 3})


def test_a_chain_falls_link_by_link_to_the_end():
    """User n takes the items n and n + 1: with two of each needed, each end takes the next."""
    links = 3000
    chain = [[n, n + 1] for n in range(1, links)]
    ring = [[links + 1, links + 2], [links + 2, links + 1]]
    catalog, kept, _ = filter_core(
        worlds.catalog(links + 2), worlds.interactions([*chain, *ring]), min_item=2, min_user=2
    )
    assert catalog.item_ids == (f"i{links + 1}", f"i{links + 2}")
    assert kept.num_users == 2


def test_an_empty_core_and_a_core_of_nothing_are_refused():
    with pytest.raises(DataError, match=r"k-core \(min_item=2, min_user=2\) leaves none of 2"):
        filter_core(worlds.catalog(2), worlds.interactions([[1, 2]]), min_item=2, min_user=2)
    with pytest.raises(ValueError, match="min_item and min_user must be at least 1; got 0 and 5"):
        filter_core(worlds.catalog(2), worlds.interactions([[1, 2]]), min_item=0)


def test_times_stay_with_their_interactions():
    taken = worlds.interactions([[1, 3, 1], [2], [1]], [[1, 2, 3], [4], [5]])
    _, kept, _ = filter_counts(worlds.catalog(3), taken, min_item=2)
    assert kept.times is not None and kept.times.tolist() == [1, 3, 5]
    assert kept.user_ids == ("u0", "u2")


@pytest.mark.parametrize(("share", "threshold"), [(0.3, 5), (0.4, 4), (0.69, 4), (0.7, 2), (1, 1)])
def test_the_threshold_that_keeps_a_share(share: float, threshold: int):
    taken = worlds.interactions(HISTORIES)
    assert item_threshold(taken, share=share) == threshold
    _, kept, _ = filter_counts(worlds.catalog(6), taken, min_item=threshold)
    assert kept.num_interactions >= share * taken.num_interactions


@pytest.mark.parametrize("share", [0, 1.1])
def test_a_share_is_a_share(share: float):
    with pytest.raises(ValueError, match=f"share must be above 0 and at most 1, .*; got {share}"):
        item_threshold(worlds.interactions(HISTORIES), share=share)
    with pytest.raises(ValueError, match=r"of some interactions; got 0.5 of 0"):
        item_threshold(worlds.interactions([]), share=0.5)
