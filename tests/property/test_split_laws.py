"""Splitting loses nothing, doubles nothing and lets nothing through."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tcf.data.batches import cloze_batches, pair_batches, sequence_batches
from tcf.data.columns import BatchColumns
from tcf.data.filter import filter_interactions
from tcf.data.split import Split, leave_one_out
from tests import worlds

LAW = settings(derandomize=True, max_examples=40, deadline=None)
NUM_ITEMS = 9
ROW = st.integers(1, NUM_ITEMS)
HISTORIES = st.lists(st.lists(ROW, min_size=3, max_size=9), min_size=1, max_size=7)


def by_user(rows: np.ndarray, offsets: np.ndarray) -> list[list[int]]:
    return [rows[a:b].tolist() for a, b in pairwise(offsets)]


def numbered_split(histories: list[list[int]]) -> Split:
    """Number every event, so that equal items are told apart."""
    ends = np.cumsum([len(history) for history in histories])
    events = np.split(np.arange(1, ends[-1] + 1), ends[:-1])
    return leave_one_out(worlds.catalog(int(ends[-1])), worlds.interactions(events))


@LAW
@given(HISTORIES)
def test_train_validation_and_test_are_disjoint_and_sum_to_the_input(histories):
    split = numbered_split(histories)
    parts = [split.train.rows, split.validation.targets, split.test.targets]
    together = np.concatenate(parts)
    assert sorted(together) == list(range(1, sum(map(len, histories)) + 1))


@LAW
@given(HISTORIES)
def test_each_user_reads_train_then_validation_then_test(histories):
    split = leave_one_out(worlds.catalog(NUM_ITEMS), worlds.interactions(histories))
    train = by_user(split.train.rows, split.train.offsets)
    for user, history in enumerate(histories):
        validation, test = split.validation.targets[user], split.test.targets[user]
        assert [*train[user], validation, test] == history
        known = split.validation.rows[split.validation.starts[user] : split.validation.ends[user]]
        assert known.tolist() == train[user]
        known = split.test.rows[split.test.starts[user] : split.test.ends[user]]
        assert known.tolist() == [*train[user], validation]
        assert split.test.target_in_history[user] == (test in known)


@LAW
@given(st.lists(st.lists(ROW, max_size=9), max_size=7), st.integers(1, 4), st.integers(1, 5))
def test_filtering_keeps_the_last_items_of_long_enough_users(histories, least, last):
    kept = [history[-last:] for history in histories if len(history) >= least]
    if not kept:
        return
    catalog, found, report = filter_interactions(
        worlds.catalog(NUM_ITEMS),
        worlds.interactions(histories),
        min_interactions=least,
        last=last,
    )
    ids = [f"i{row}" for history in kept for row in history]
    assert [catalog.item_ids[row - 1] for row in found.rows] == ids
    assert set(catalog.item_ids) == set(ids)
    assert report.interactions_after == found.num_interactions == len(ids)


@LAW
@given(HISTORIES, st.integers(1, 4), st.integers(0, 99))
def test_batches_never_hold_a_held_out_event(histories, batch_size, seed):
    split = numbered_split(histories)
    rng = np.random.default_rng(seed)
    train = set(split.train.rows.tolist())
    settings = {"batch_size": batch_size, "rng": rng, "columns": BatchColumns(split.num_items)}
    for batches in (
        sequence_batches(split.train, max_history=20, **settings),
        cloze_batches(split.train, max_history=20, hidden_share=0.3, **settings),
        pair_batches(split.train, **settings),
    ):
        for batch in batches:
            assert set(batch.rows.tolist()) <= train
            known = set(map(tuple, batch.known.t().tolist()))
            own = zip(batch.owners.tolist(), batch.targets.tolist(), strict=True)
            assert set(own) <= known  # a target is its user's own
