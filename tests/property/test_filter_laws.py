"""Filters do what a slow reading of their definition does, and lose no item's name or time."""

from collections import Counter
from functools import partial

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tcf.data.catalog import Catalog, Interactions
from tcf.data.count_filters import filter_core, filter_counts, item_threshold
from tcf.data.event_filters import filter_duplicates, filter_times
from tcf.data.filter import apply_filters
from tcf.errors import DataError
from tests import worlds

LAW = settings(derandomize=True, max_examples=60, deadline=None)
NUM_ITEMS = 6
EVENT = st.tuples(st.integers(0, 9), st.integers(1, NUM_ITEMS))
USERS = st.lists(st.lists(EVENT, max_size=9).map(sorted), min_size=1, max_size=8)

Event = tuple[str, str, int]  # user, item, time


def whole(users: list[list[tuple[int, int]]]) -> tuple[Catalog, Interactions]:
    rows = [[row for _, row in user] for user in users]
    times = [[time for time, _ in user] for user in users]
    return worlds.catalog(NUM_ITEMS), worlds.interactions(rows, times)


def events(catalog: Catalog, taken: Interactions) -> list[Event]:
    assert taken.times is not None
    ids = np.array(["", *catalog.item_ids], dtype=object)[taken.rows].tolist()
    users = [taken.user_ids[user] for user in taken.users()]
    return list(zip(users, ids, taken.times.tolist(), strict=True))


def check(users: list, one, expected: list[Event]) -> None:
    """A filter keeps these events, in this order, and reports so."""
    data = whole(users)
    try:
        catalog, kept, report = one(*data)
    except DataError:
        assert not expected
        return
    assert events(catalog, kept) == expected
    assert set(catalog.item_ids) == {item for _, item, _ in expected}
    assert set(kept.user_ids) == {user for user, _, _ in expected}
    texts = dict(zip(data[0].item_ids, data[0].texts, strict=True))
    assert catalog.texts == tuple(texts[item] for item in catalog.item_ids)
    assert kept.rows.dtype == np.int32 and kept.offsets.dtype == np.int64
    assert report.interactions_before == sum(map(len, users))
    assert report.users_before == len(users) and report.items_before == NUM_ITEMS
    after = (report.users_after, report.items_after, report.interactions_after)
    assert after == (kept.num_users, catalog.num_items, len(expected))


@LAW
@given(USERS, st.integers(1, 4), st.integers(0, 4), st.integers(1, 4), st.integers(0, 4))
def test_counts_are_of_items_then_of_users(users, min_item, more_items, min_user, more_users):
    max_item, max_user = min_item + more_items, min_user + more_users
    found = events(*whole(users))
    count = Counter(item for _, item, _ in found)
    found = [event for event in found if min_item <= count[event[1]] <= max_item]
    count = Counter(user for user, _, _ in found)
    found = [event for event in found if min_user <= count[event[0]] <= max_user]
    limits = {"min_item": min_item, "max_item": max_item}
    limits |= {"min_user": min_user, "max_user": max_user}
    check(users, partial(filter_counts, **limits), found)


@LAW
@given(USERS, st.integers(1, 5), st.integers(1, 5))
def test_the_core_is_what_counting_again_and_again_leaves(users, min_item, min_user):
    found, before = events(*whole(users)), -1
    while len(found) != before:
        before = len(found)
        items, takers = Counter(e[1] for e in found), Counter(e[0] for e in found)
        found = [e for e in found if items[e[1]] >= min_item and takers[e[0]] >= min_user]
    check(users, partial(filter_core, min_item=min_item, min_user=min_user), found)


@LAW
@given(USERS, st.integers(0, 10), st.integers(1, 10))
def test_a_window_keeps_what_is_in_it(users, start, length):
    found = [e for e in events(*whole(users)) if start <= e[2] < start + length]
    check(users, partial(filter_times, start=start, end=start + length), found)


@LAW
@given(USERS, st.sampled_from(["consecutive", "any"]), st.sampled_from(["first", "last"]))
def test_one_of_repeated_pairs_stays(users, which, keep):
    found = events(*whole(users))
    order = found if keep == "first" else found[::-1]
    kept: list[Event] = []
    for place, event in enumerate(order):
        pairs = [other[:2] for other in order[:place]]
        if event[:2] not in (pairs[-1:] if which == "consecutive" else pairs):
            kept.append(event)
    expected = kept if keep == "first" else kept[::-1]
    check(users, partial(filter_duplicates, which=which, keep=keep), expected)


@LAW
@given(USERS, st.floats(0.01, 1))
def test_the_threshold_is_the_largest_that_keeps_the_share(users, share):
    _, taken = whole(users)
    if not taken.num_interactions:
        return
    counts = Counter(taken.rows.tolist())
    kept = {
        n: sum(c for c in counts.values() if c >= n) for n in range(1, max(counts.values()) + 2)
    }
    wanted = share * taken.num_interactions
    expected = max(n for n, number in kept.items() if number >= wanted)
    assert item_threshold(taken, share=share) == expected


@LAW
@given(USERS, st.integers(1, 3))
def test_a_core_is_its_own_core_and_has_no_filter_left_to_make(users, least):
    core = partial(filter_core, min_item=least, min_user=least)
    counts = partial(filter_counts, min_item=least, min_user=least)
    try:
        once = core(*whole(users))
    except DataError:
        return
    again = apply_filters(*whole(users), filters=(core, core, counts))
    assert events(*again[:2]) == events(*once[:2])
    assert again[2].interactions_before == once[2].interactions_before
    assert again[2].interactions_after == once[2].interactions_after
