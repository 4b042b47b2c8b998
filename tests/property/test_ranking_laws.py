"""Ranks agree with ten lines of NumPy, whatever ties, repeats and blocks do."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tcf.data.split import Targets
from tcf.evaluate.metrics import hr, mrr, ndcg
from tcf.evaluate.ranking import count_ranks
from tests import worlds

LAW = settings(derandomize=True, max_examples=30, deadline=None)
SEED = st.integers(0, 2**16)
NUM_USERS = st.sampled_from([1, 2, 63, 64, 65, 127, 128, 129])  # edges of the blocks of 64
NUM_ITEMS = st.sampled_from([1, 2, 7, 8, 30, 1919, 1920, 1921])  # edges of the counters of bytes


def world(seed: int, num_users: int, num_items: int) -> tuple[np.ndarray, np.ndarray, Targets]:
    """Small integer vectors, so that sums are exact and many scores tie; known items repeat."""
    rng = np.random.default_rng(seed)
    users = rng.integers(-2, 3, (num_users, 3)).astype(float)
    items = rng.integers(-1, 2, (num_items, 3)).astype(float)
    histories = [
        rng.integers(1, num_items + 1, rng.integers(0, 9)).tolist() for _ in range(num_users)
    ]
    targets = [
        history[0] if history and rng.random() < 0.3 else int(rng.integers(1, num_items + 1))
        for history in histories
    ]
    return users, items, worlds.ranking_tasks(histories, targets)


def ranks_by_numpy(
    users: np.ndarray, items: np.ndarray, tasks: Targets
) -> tuple[list[int], list[int]]:
    ranks, ties = [], []
    for user, target in enumerate(tasks.targets - 1):
        scores = items @ users[user]
        candidate = np.ones(len(items), bool)
        candidate[tasks.rows[tasks.starts[user] : tasks.ends[user]] - 1] = False
        candidate[target] = False
        ranks.append(1 + int((scores[candidate] > scores[target]).sum()))
        ties.append(int((scores[candidate] == scores[target]).sum()))
    return ranks, ties


@LAW
@given(SEED, NUM_USERS, NUM_ITEMS)
def test_ranks_and_ties_are_those_of_numpy(seed, num_users, num_items):
    users, items, tasks = world(seed, num_users, num_items)
    ledger = count_ranks(torch.from_numpy(users), torch.from_numpy(items), tasks)
    ranks, ties = ranks_by_numpy(users, items, tasks)
    assert ledger.rank.tolist() == ranks
    assert ledger.ties.tolist() == ties


@LAW
@given(SEED, st.sampled_from([1, 64, 65, 150]))
def test_real_valued_scores_in_double_precision_give_the_ranks_of_numpy(seed, num_users):
    _, _, tasks = world(seed, num_users, 300)
    rng = np.random.default_rng(seed)
    users, items = rng.normal(size=(num_users, 8)), rng.normal(size=(300, 8))
    ledger = count_ranks(torch.from_numpy(users), torch.from_numpy(items), tasks)
    assert ledger.rank.tolist() == ranks_by_numpy(users, items, tasks)[0]


@LAW
@given(SEED, NUM_ITEMS)
def test_when_all_items_score_alike_the_target_is_anywhere_among_the_candidates(seed, num_items):
    _, _, tasks = world(seed, 70, num_items)
    users, items = torch.full((70, 3), 0.1), torch.full((num_items, 3), 0.7)
    ledger = count_ranks(users, items, tasks)
    assert (ledger.rank == 1).all()
    for user, target in enumerate(tasks.targets):
        known = set(tasks.rows[tasks.starts[user] : tasks.ends[user]].tolist()) - {target}
        candidates = num_items - len(known)
        assert ledger.ties[user] + 1 == candidates
        assert np.isclose(hr(ledger, k=10)[user], min(10 / candidates, 1))


@LAW
@given(SEED, st.integers(2, 60))
def test_relabelling_items_permutes_scores_and_leaves_ranks_and_metrics_alone(seed, num_items):
    users, items, tasks = world(seed, 70, num_items)
    order = np.random.default_rng(seed).permutation(num_items)  # item r becomes order[r]
    relabelled = Targets(
        tasks.users,
        (order[tasks.targets - 1] + 1).astype(np.int32),
        (order[tasks.rows - 1] + 1).astype(np.int32),
        tasks.starts,
        tasks.ends,
    )
    moved = np.empty_like(items)
    moved[order] = items
    one = count_ranks(torch.from_numpy(users), torch.from_numpy(items), tasks)
    two = count_ranks(torch.from_numpy(users), torch.from_numpy(moved), relabelled)
    np.testing.assert_array_equal(one.rank, two.rank)
    np.testing.assert_array_equal(one.ties, two.ties)
    for function in (hr, ndcg, mrr):
        np.testing.assert_array_equal(function(one, k=10), function(two, k=10))


@LAW
@given(SEED, st.integers(0, 63))
def test_a_users_rank_does_not_depend_on_who_else_is_ranked(seed, shift):
    users, items, tasks = world(seed, 130, 40)
    some = slice(shift, shift + 66)
    part = Targets(
        tasks.users[some], tasks.targets[some], tasks.rows, tasks.starts[some], tasks.ends[some]
    )
    whole = count_ranks(torch.from_numpy(users), torch.from_numpy(items), tasks)
    alone = count_ranks(torch.from_numpy(users[some]), torch.from_numpy(items), part)
    np.testing.assert_array_equal(alone.rank, whole.rank[some])
    np.testing.assert_array_equal(alone.ties, whole.ties[some])
