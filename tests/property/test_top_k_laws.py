"""The best k agree with a stable sort in NumPy, whatever ties, known items and widths do."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tcf.data.split import Targets
from tcf.evaluate.ranking import count_ranks
from tcf.evaluate.top_k import TopK
from tests import worlds

LAW = settings(derandomize=True, max_examples=60, deadline=None)


def by_sorting(scores: np.ndarray, tasks: Targets, k: int) -> np.ndarray:
    lists = np.zeros((len(tasks), k), int)
    for user, target in enumerate(tasks.targets):
        known = set(tasks.rows[tasks.starts[user] : tasks.ends[user]].tolist()) - {target}
        order = np.argsort(-scores[user], kind="stable") + 1
        best = [row for row in order if row not in known][:k]
        lists[user, : len(best)] = best
    return lists


@LAW
@given(
    seed=st.integers(0, 2**16),
    num_users=st.sampled_from([1, 63, 64, 65, 130]),
    num_items=st.sampled_from([1, 2, 9, 64, 130, 1000, 3000]),
    k=st.sampled_from([1, 3, 10, 50]),
    longest=st.sampled_from([0, 5, 60]),
    values=st.sampled_from([1, 2, 40, None]),
)
def test_lists_are_those_of_a_stable_sort(seed, num_users, num_items, k, longest, values):
    rng = np.random.default_rng(seed)
    histories = [
        rng.integers(1, num_items + 1, rng.integers(0, longest + 1)).tolist()
        for _ in range(num_users)
    ]
    tasks = worlds.ranking_tasks(histories, rng.integers(1, num_items + 1, num_users).tolist())
    items = rng.normal(size=num_items) if values is None else rng.integers(0, values, num_items)
    users = rng.choice([-1.0, 1.0], (num_users, 1))
    top = TopK(num_users, k=k)
    items = items[:, None].astype(float)
    ledger = count_ranks(torch.from_numpy(users), torch.from_numpy(items), tasks, top=top)
    np.testing.assert_array_equal(top.rows, by_sorting(users @ items.T, tasks, k))
    again = count_ranks(torch.from_numpy(users), torch.from_numpy(items), tasks)
    np.testing.assert_array_equal(ledger.rank, again.rank)
    np.testing.assert_array_equal(ledger.ties, again.ties)
