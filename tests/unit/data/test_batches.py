"""Batches: each example once, and every array says what its docstring says."""

import numpy as np
import torch

from tcf.data.batches import (
    Batch,
    pair_batches,
    sequence_batches,
    spans,
    target_histories,
    windows,
)
from tcf.data.columns import BatchColumns
from tests import worlds

HISTORIES = [[1, 2, 3, 4], [5], [4, 1, 4], [], [2, 6], [3, 3, 3, 2, 1, 7, 8]]


def given(seed: int = 0) -> dict:
    return {"rng": np.random.default_rng(seed), "columns": BatchColumns(30)}


def read(batch: Batch) -> list[dict]:
    """A batch as lists of rows: the history seen, then (place, target) of each prediction."""
    length = max(batch.history.shape[1], 1)
    result = []
    for place, user in enumerate(batch.users.tolist()):
        mine = (batch.owners == place).nonzero().squeeze(1)
        history = batch.rows[batch.history[place][batch.mask[place]]].tolist()
        targets = batch.rows[batch.targets[mine]].tolist()
        assert (batch.positions[mine] // length == place).all()
        places = (batch.positions[mine] % length).tolist()
        known = batch.rows[batch.known[1][batch.known[0] == place]].unique().tolist()
        result.append(
            {"user": user, "history": history, "places": places, "targets": targets, "known": known}
        )
    return result


def test_every_user_with_a_pair_of_items_comes_once_and_predicts_each_next_item():
    taken = worlds.interactions(HISTORIES)
    batches = list(sequence_batches(taken, max_history=20, batch_size=2, **given()))
    assert [len(b.users) for b in batches] == [2, 2]
    users = [user for batch in batches for user in read(batch)]
    assert sorted(u["user"] for u in users) == [0, 2, 4, 5]
    for user in users:
        assert user["history"] == HISTORIES[user["user"]][:-1]
        assert user["targets"] == HISTORIES[user["user"]][1:]


def test_a_long_history_keeps_its_last_items_and_one_more_to_predict():
    taken = worlds.interactions(HISTORIES)
    (batch,) = sequence_batches(taken, max_history=3, batch_size=9, **given())
    (user,) = [u for u in read(batch) if u["user"] == 5]
    assert user["history"] == [2, 1, 7] and user["targets"] == [1, 7, 8]
    assert user["known"] == [1, 2, 3, 7, 8]  # all of the training history, also what was cut


def test_histories_are_left_padded_and_cut_to_the_longest_of_the_batch():
    taken = worlds.interactions([[1, 2], [1, 2, 3, 4]])
    (batch,) = sequence_batches(taken, max_history=20, batch_size=9, **given())
    order = batch.users.argsort()
    assert batch.mask[order].tolist() == [[False, False, True], [True, True, True]]
    for user in read(batch):
        assert user["places"] == ([2] if user["user"] == 0 else [0, 1, 2])


def test_counts_are_the_slots_of_the_batch_inputs_and_last_targets():
    taken = worlds.interactions([[1, 2, 2], [2, 9]])
    (batch,) = sequence_batches(taken, max_history=20, batch_size=9, **given())
    assert batch.rows.tolist() == [1, 2, 9]
    assert batch.counts.tolist() == [1, 3, 1]


def test_every_interaction_comes_once_as_a_pair():
    taken = worlds.interactions(HISTORIES)
    batches = list(pair_batches(taken, batch_size=4, **given()))
    found = []
    for batch in batches:
        assert batch.history.shape == (len(batch.users), 0) == batch.mask.shape
        assert batch.counts.sum() == len(batch.users)
        for user in read(batch):
            assert user["history"] == [] and user["places"] == [0]
            found.append((user["user"], *user["targets"]))
            assert set(user["known"]) <= set(HISTORIES[user["user"]])
            assert user["targets"][0] in user["known"]
    expected = [(user, row) for user, history in enumerate(HISTORIES) for row in history]
    assert sorted(found) == sorted(expected)


def test_the_order_follows_the_generator():
    split = worlds.random_split(num_users=40, num_items=30, seed=0)

    def users(make, seed: int, **settings) -> list[int]:
        batches = make(
            split.train,
            batch_size=8,
            rng=np.random.default_rng(seed),
            columns=BatchColumns(30),
            **settings,
        )
        return torch.cat([batch.users for batch in batches]).tolist()

    for make, settings in ((pair_batches, {}), (sequence_batches, {"max_history": 5})):
        assert users(make, 0, **settings) == users(make, 0, **settings)
        assert users(make, 0, **settings) != users(make, 1, **settings)


def test_windows_and_spans_and_target_histories():
    rows = np.arange(1, 10, dtype=np.int32)
    starts, ends = np.array([0, 2, 2]), np.array([2, 2, 7])
    assert windows(rows, starts, ends, length=3).tolist() == [[0, 1, 2], [0, 0, 0], [5, 6, 7]]
    assert windows(rows, starts[:2], ends[:2], length=3).tolist() == [[1, 2], [0, 0]]
    owners, elements = spans(rows, starts, ends)
    assert owners.tolist() == [0, 0, 2, 2, 2, 2, 2]
    assert elements.tolist() == [1, 2, 3, 4, 5, 6, 7]
    tasks = worlds.ranking_tasks([[1, 2], [5], [6, 7, 8]], [3, 3, 3])
    found = target_histories(tasks, slice(1, 3), max_history=2)
    assert found.tolist() == [[0, 5], [7, 8]] and found.dtype == torch.int64


def test_a_batch_moves_with_all_its_parts():
    taken = worlds.interactions(HISTORIES)
    (batch,) = pair_batches(taken, batch_size=99, **given())
    moved = batch.to(torch.device("meta"))
    assert {part.device.type for part in vars(moved).values() if part is not None} == {"meta"}
