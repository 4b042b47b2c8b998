"""Arms that are not trained: what comes after what, and what lies near what."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from tcf.data.split import Split
from tcf.errors import DataError
from tcf.evaluate.ranking import rank_targets
from tcf.model.nearest import NearestNeighbour
from tcf.model.transitions import Transitions
from tests import worlds


def split_of(train: list[list[int]], known: list[list[int]], targets: list[int], num_items: int):
    """A split with these training histories and these tasks."""
    tasks = worlds.ranking_tasks(known, targets)
    return Split(worlds.catalog(num_items), worlds.interactions(train), tasks, tasks)


def scores(model: Transitions | NearestNeighbour, split: Split, *, size: int) -> torch.Tensor:
    return torch.cat([block.clone() for block in model.score_blocks(split.test, size=size)])


TRAIN = [[1, 2, 3, 2, 3], [2, 3, 4], [5, 5, 1], [4]]
KNOWN = [[1, 2], [3], [4, 5], [], [1]]
SPLIT = split_of(TRAIN, KNOWN, [3, 4, 1, 2, 5], 6)


@pytest.mark.parametrize("size", [1, 2, 5, 64])
def test_transitions_count_what_came_next_and_fall_back_on_popularity(size: int):
    popularity = np.bincount([row for history in TRAIN for row in history], minlength=7)[1:]
    expected = np.tile(popularity / (popularity.max() + 1), (5, 1))
    after = {}
    for history in TRAIN:  # users do not follow one another
        for pair in pairwise(history):
            after[pair] = after.get(pair, 0) + 1
    for user, known in enumerate(KNOWN):
        for (before, next_), count in after.items():
            if known and before == known[-1]:
                expected[user, next_ - 1] += count
    found = scores(Transitions(SPLIT), SPLIT, size=size)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-15)
    assert expected[0, 2] > 3 and (expected[3] < 1).all()


def test_popularity_never_outweighs_a_count_and_equal_items_tie():
    train = [[1, 2], *[[3, 3, 3]] * 50, [4], [5]]
    split = split_of(train, [[1], [1]], [2, 4], 5)
    ledger = rank_targets(Transitions(split), split.test)
    assert ledger.rank.tolist() == [1, 3]  # item 3 was taken 150 times, but never after item 1
    assert ledger.ties.tolist() == [0, 1]


def test_transitions_beat_popularity_where_order_is_all_there_is():
    ring = [[1 + (start + step) % 30 for step in range(8)] for start in range(30)] * 3
    split = split_of([h[:-1] for h in ring], [h[:-1] for h in ring], [h[-1] for h in ring], 30)
    assert (rank_targets(Transitions(split), split.test).rank == 1).all()


@pytest.mark.parametrize("size", [1, 3, 64])
def test_nearest_is_the_cosine_to_the_mean_of_the_unit_vectors(size: int):
    rng = np.random.default_rng(0)
    split = worlds.random_split(num_users=40, num_items=25, seed=0)
    vectors = rng.normal(size=(25, 7)) * rng.uniform(0.1, 9, (25, 1))
    model = NearestNeighbour(worlds.embeddings(split.catalog, vectors), split.catalog)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    test, expected = split.test, np.empty((40, 25))
    for user in range(40):
        mean = units[test.rows[test.starts[user] : test.ends[user]] - 1].mean(0)
        expected[user] = units @ mean / np.linalg.norm(mean)
    np.testing.assert_allclose(scores(model, split, size=size).numpy(), expected, atol=1e-6)


def test_nearest_takes_users_without_a_history_and_items_without_a_direction():
    split = split_of([[1]], [[], [1, 2], [3]], [2, 3, 1], 3)
    vectors = np.array([[1.0, 0], [0, 2], [0, 0]])
    model = NearestNeighbour(worlds.embeddings(split.catalog, vectors), split.catalog)
    found = scores(model, split, size=2).numpy()
    half = 0.5**0.5
    np.testing.assert_allclose(found, [[0, 0, 0], [half, half, 0], [0, 0, 0]], atol=1e-7)
    assert rank_targets(model, split.test).ties.tolist() == [2, 0, 1]


def test_nearest_joins_vectors_by_item_id():
    split = worlds.random_split(num_users=5, num_items=9, seed=0)
    fewer = worlds.embeddings(worlds.catalog(8), np.ones((8, 2)))
    with pytest.raises(DataError, match=r"1 items of the catalogue have no vector \('i9'\)"):
        NearestNeighbour(fewer, split.catalog)


def test_blocks_of_scores_take_the_memory_of_one_block():
    split = worlds.random_split(num_users=200, num_items=30, seed=0)
    embeddings = worlds.embeddings(split.catalog, np.random.default_rng(0).normal(size=(30, 4)))
    for model in (Transitions(split), NearestNeighbour(embeddings, split.catalog)):
        places = {block.data_ptr() for block in model.score_blocks(split.test, size=16)}
        assert len(places) == 1
