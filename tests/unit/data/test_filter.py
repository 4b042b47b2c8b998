"""Filtering: enough interactions, the last ones, and nothing nobody kept."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tcf.data.count_filters import filter_counts
from tcf.data.filter import apply_filters, filter_interactions, filter_sample, sample_users
from tcf.errors import DataError
from tests import worlds


def test_users_are_counted_before_their_last_interactions_are_cut():
    taken = worlds.interactions([[1, 2, 3, 4], [5, 6], [4, 4, 2]])
    catalog, kept, report = filter_interactions(
        worlds.catalog(7), taken, min_interactions=3, last=2
    )
    assert kept.user_ids == ("u0", "u2")
    assert catalog.item_ids == ("i2", "i3", "i4")  # renumbered: 2 -> 1, 3 -> 2, 4 -> 3
    assert catalog.texts == ("the item 2", "the item 3", "the item 4")
    assert kept.rows.tolist() == [2, 3, 3, 1] and kept.rows.dtype == np.int32
    assert kept.offsets.tolist() == [0, 2, 4]
    assert report.as_dict() == {
        "users_before": 3,
        "users_after": 2,
        "items_before": 7,
        "items_after": 3,
        "interactions_before": 9,
        "interactions_after": 4,
    }
    assert str(report) == "kept 2 of 3 users, 3 of 7 items, 4 of 9 interactions"


def test_last_none_keeps_whole_histories():
    taken = worlds.interactions([[1, 2, 3] * 10])
    _, kept, _ = filter_interactions(worlds.catalog(3), taken, last=None)
    np.testing.assert_array_equal(kept.rows, taken.rows)


def test_the_defaults_are_the_studys_5_and_23():
    taken = worlds.interactions([[1] * 4, [2] * 5, [3] * 30])
    _, kept, _ = filter_interactions(worlds.catalog(3), taken)
    assert kept.counts().tolist() == [5, 23]


@pytest.mark.parametrize("arguments", [{"min_interactions": 0}, {"last": 0}])
def test_settings_below_1_are_refused(arguments: dict):
    with pytest.raises(ValueError, match="min_interactions and last must be at least 1; got "):
        filter_interactions(worlds.catalog(1), worlds.interactions([[1] * 9]), **arguments)


def test_nobody_left_is_an_error():
    message = "no user has min_interactions=5 or more; the longest history has 3"
    with pytest.raises(DataError, match=message):
        filter_interactions(worlds.catalog(1), worlds.interactions([[1] * 3, [1]]))


def test_sampled_users_keep_their_histories_and_their_order():
    whole = worlds.interactions([[1, 2], [3], [4, 5, 6], [7, 8]])
    some = sample_users(whole, num_users=2, rng=np.random.default_rng(0))
    histories = dict(zip(whole.user_ids, np.split(whole.rows, whole.offsets[1:-1]), strict=True))
    found = dict(zip(some.user_ids, np.split(some.rows, some.offsets[1:-1]), strict=True))
    assert len(found) == 2 and list(found) == sorted(found)
    assert all(rows.tolist() == histories[user].tolist() for user, rows in found.items())
    same = sample_users(whole, num_users=2, rng=np.random.default_rng(0))
    assert same.user_ids == some.user_ids
    assert sample_users(whole, num_users=4, rng=np.random.default_rng(1)).user_ids == whole.user_ids


@pytest.mark.parametrize("number", [0, 5])
def test_no_more_users_are_sampled_than_there_are(number: int):
    whole = worlds.interactions([[1], [2], [3], [4]])
    with pytest.raises(ValueError, match=f"num_users must be within 1..4.*got {number}"):
        sample_users(whole, num_users=number, rng=np.random.default_rng(0))


def test_times_stay_with_their_interactions():
    taken = replace(
        worlds.interactions([[1, 2, 3], [1], [2, 4]]), times=np.array([1, 2, 3, 9, 4, 4])
    )
    _, kept, _ = filter_interactions(worlds.catalog(4), taken, min_interactions=2, last=2)
    assert kept.times is not None and kept.times.tolist() == [2, 3, 4, 4]
    some = sample_users(taken, num_users=3, rng=np.random.default_rng(0))
    assert some.times is not None and some.times.tolist() == [1, 2, 3, 9, 4, 4]


def test_a_sample_reports_and_drops_the_items_nobody_kept():
    whole = worlds.interactions([[1, 2], [3], [4, 5, 6], [7, 8]])
    catalog, kept, report = filter_sample(worlds.catalog(8), whole, num_users=2, seed=0)
    some = sample_users(whole, num_users=2, rng=np.random.default_rng(0))
    assert worlds.history_ids(catalog, kept) == worlds.history_ids(worlds.catalog(8), some)
    assert catalog.num_items == some.num_interactions == report.items_after
    assert (report.name, report.settings) == ("sample", {"num_users": 2, "seed": 0})


def test_filters_follow_one_another_and_report_together():
    whole = worlds.catalog(5), worlds.interactions([[1, 1, 2, 3], [1, 4], [1, 2], [5] * 5])
    filters = (partial(filter_counts, min_item=2), partial(filter_interactions, last=1))
    with pytest.raises(DataError, match="no user has min_interactions=5"):
        apply_filters(*whole, filters=(partial(filter_counts, max_item=4), *filters))
    catalog, kept, report = apply_filters(*whole, filters=filters)
    assert worlds.history_ids(catalog, kept) == {"u3": ["i5"]}
    counts = ["users", "items", "interactions"]
    told = report.as_dict()
    assert [told[f"{what}_before"] for what in counts] == [4, 5, 13]
    assert [told[f"{what}_after"] for what in counts] == [1, 1, 1]
    first, second = told["filters"]
    assert (first["name"], first["min_item"], first["interactions_after"]) == ("counts", 2, 11)
    assert (second["name"], second["last"], second["interactions_before"]) == (
        "interactions",
        1,
        11,
    )
    assert str(report) == "kept 1 of 4 users, 1 of 5 items, 1 of 13 interactions"


def test_one_filter_reports_as_it_does_alone():
    whole = worlds.catalog(2), worlds.interactions([[1, 2] * 3])
    alone = filter_interactions(*whole)[2]
    assert apply_filters(*whole, filters=(filter_interactions,))[2] == alone
    assert "name" not in alone.as_dict() and "filters" not in alone.as_dict()  # as records had it
    with pytest.raises(ValueError, match="apply_filters needs at least one filter; got none"):
        apply_filters(*whole, filters=())
