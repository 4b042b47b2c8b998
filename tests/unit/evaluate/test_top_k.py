"""The best k of each task on cases with a known answer; the blocks stay as they are."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from tcf.data.split import Targets
from tcf.evaluate.ranking import rank_and_list, rank_targets
from tcf.model.nearest import NearestNeighbour
from tcf.model.popularity import Popularity
from tcf.model.transitions import Transitions
from tests import worlds


class InBlocks:
    """Hands out scores that are there already, a block at a time, each a view that is no copy."""

    def __init__(self, scores: Tensor):
        self.scores = scores

    def score_blocks(self, targets: Targets, *, size: int) -> Iterator[Tensor]:
        yield from self.scores.split(size)


def test_known_items_are_left_out_and_the_target_stays_in():
    tasks = worlds.ranking_tasks([[4, 4, 3], [], [2], [1, 2, 3]], [2, 2, 2, 4])
    scores = torch.tensor([1.0, 2, 3, 4]).repeat(4, 1)
    _, lists = rank_and_list(InBlocks(scores), tasks, k=3)
    assert lists.tolist() == [[2, 1, 0], [4, 3, 2], [4, 3, 2], [4, 0, 0]]
    assert lists.dtype == np.int32


def test_equal_scores_are_ordered_by_row():
    tasks = worlds.ranking_tasks([[], [1], [5]], [3, 3, 3])
    scores = torch.tensor([7.0, 7, 7, 7, 9]).repeat(3, 1)
    _, lists = rank_and_list(InBlocks(scores), tasks, k=3)
    assert lists.tolist() == [[5, 1, 2], [5, 2, 3], [1, 2, 3]]


def test_all_items_alike_give_the_first_rows():
    split = worlds.random_split(num_users=130, num_items=1000, seed=0)
    _, lists = rank_and_list(InBlocks(torch.zeros(130, 1000)), split.test, k=10)
    known = split.test.rows[split.test.starts[0] : split.test.ends[0]]
    left = [row for row in range(1, 1001) if row not in known or row == split.test.targets[0]]
    assert lists[0].tolist() == left[:10]


@pytest.mark.parametrize("arm", ["popularity", "transitions", "nearest"])
def test_the_ledger_is_that_of_rank_targets_and_blocks_are_not_written_into(arm: str):
    split = worlds.random_split(num_users=150, num_items=300, seed=0)
    vectors = np.random.default_rng(0).normal(size=(300, 4))
    model = {
        "popularity": lambda: Popularity(split),
        "transitions": lambda: Transitions(split),
        "nearest": lambda: NearestNeighbour(
            worlds.embeddings(split.catalog, vectors), split.catalog
        ),
    }[arm]()
    expected = rank_targets(model, split.test)
    found, lists = rank_and_list(model, split.test, k=5)
    np.testing.assert_array_equal(found.rank, expected.rank)
    np.testing.assert_array_equal(found.ties, expected.ties)
    hits = (lists == split.test.targets[:, None]).any(1)
    assert (hits[found.rank + found.ties <= 5]).all() and not hits[found.rank > 5].any()


def test_scores_that_belong_to_another_stay_as_they_are():
    split = worlds.random_split(num_users=100, num_items=40, seed=0)
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(100, 40)))
    before = scores.clone()
    rank_and_list(InBlocks(scores), split.test, k=5)
    assert torch.equal(scores, before)


def test_a_list_without_a_place_is_refused():
    with pytest.raises(ValueError, match="k must be at least 1; got 0"):
        rank_and_list(InBlocks(torch.zeros(1, 4)), worlds.ranking_tasks([[1]], [2]), k=0)
