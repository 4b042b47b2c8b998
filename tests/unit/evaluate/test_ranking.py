"""Ranks on cases with a known answer, and scores that are no numbers."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from tcf.data.split import Targets
from tcf.evaluate.metrics import hr
from tcf.evaluate.ranking import count_ranks, rank_targets
from tests import worlds


class Fixed(torch.nn.Module):
    """Item vectors are the scores themselves; says whether it was in evaluation mode."""

    def __init__(self, scores: list[float]):
        super().__init__()
        self.scores, self.was_training = scores, None

    def score_vectors(self, targets: Targets) -> tuple[Tensor, Tensor]:
        self.was_training = self.training
        return torch.ones(len(targets), 1), torch.tensor(self.scores, dtype=torch.float32)[:, None]


def test_known_items_do_not_compete_and_the_target_always_does():
    tasks = worlds.ranking_tasks([[4, 4, 3], [], [2], [1, 2, 3]], [2, 2, 2, 4])
    ledger = rank_targets(Fixed([1, 2, 3, 4]), tasks)
    assert ledger.rank.tolist() == [1, 3, 3, 1]  # the third knows its own target
    assert ledger.ties.tolist() == [0, 0, 0, 0]
    assert ledger.rank.dtype == ledger.ties.dtype == np.int32


def test_ties_are_the_other_candidates_of_the_same_score():
    tasks = worlds.ranking_tasks([[], [1], [5]], [3, 3, 3])
    ledger = rank_targets(Fixed([7, 7, 7, 7, 9]), tasks)
    assert ledger.rank.tolist() == [2, 2, 1]
    assert ledger.ties.tolist() == [3, 2, 3]


def test_a_model_that_scores_all_items_alike_gets_10_over_the_candidates():
    split = worlds.random_split(num_users=150, num_items=40, seed=0)
    ledger = rank_targets(Fixed([0.1] * 40), split.test)
    test = split.test
    known = [set(test.rows[a:b]) for a, b in zip(test.starts, test.ends, strict=True)]
    candidates = [40 - len(k - {t}) for k, t in zip(known, test.targets, strict=True)]
    assert (ledger.rank == 1).all()
    np.testing.assert_allclose(hr(ledger, k=10), 10 / np.array(candidates), rtol=1e-12)


def test_a_module_is_put_in_evaluation_mode_and_back():
    tasks = worlds.ranking_tasks([[1]], [2])
    for training in (True, False):
        model = Fixed([1, 2]).train(training)
        rank_targets(model, tasks)
        assert model.was_training is False
        assert model.training is training


def test_a_module_goes_back_to_training_after_an_error():
    model = Fixed([1, float("nan")]).train()
    with pytest.raises(ValueError, match="every score must be finite"):
        rank_targets(model, worlds.ranking_tasks([[1]], [2]))
    assert model.training


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("side", ["user", "item"])
def test_vectors_that_are_not_finite_are_refused(bad: float, side: str):
    tasks = worlds.ranking_tasks([[1], [1], [1]], [2, 2, 2])
    users, items = torch.ones(3, 2), torch.ones(3, 2)
    (users if side == "user" else items)[1, 0] = bad
    message = f"every score must be finite; 1 of 3 {side} vectors hold NaN or infinity, the first "
    with pytest.raises(ValueError, match=message + "at 1: training has diverged; lower the lear"):
        count_ranks(users, items, tasks)


def test_finite_vectors_whose_products_are_not_are_refused():
    tasks = worlds.ranking_tasks([[1]], [2])
    with pytest.raises(ValueError, match=r"vectors are so long that scores reach 2.0e\+40"):
        count_ranks(torch.full((1, 2), 1e20), torch.full((3, 2), 1e20), tasks)
    long = torch.full((1, 2), 1e20, dtype=torch.float64)
    ledger = count_ranks(long, torch.full((3, 2), 1e20, dtype=torch.float64), tasks)
    assert ledger.ties.tolist() == [1]


class InBlocks:
    """Hands out scores that are there already, a block at a time."""

    def __init__(self, scores: Tensor):
        self.scores = scores

    def score_blocks(self, targets: Targets, *, size: int) -> Iterator[Tensor]:
        yield from self.scores.split(size)


@pytest.mark.parametrize("num_users", [1, 64, 65, 200])
def test_blocks_of_scores_give_the_ranks_of_the_products_they_hold(num_users: int):
    split = worlds.random_split(num_users=num_users, num_items=40, seed=0)
    rng = np.random.default_rng(0)
    users = torch.from_numpy(rng.integers(-2, 3, (num_users, 3)).astype(float))
    items = torch.from_numpy(rng.integers(-1, 2, (40, 3)).astype(float))
    expected = count_ranks(users, items, split.test)
    found = rank_targets(InBlocks(users @ items.t()), split.test)
    np.testing.assert_array_equal(found.rank, expected.rank)
    np.testing.assert_array_equal(found.ties, expected.ties)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_blocks_whose_scores_are_not_finite_are_refused(bad: float):
    split = worlds.random_split(num_users=150, num_items=40, seed=0)
    scores = torch.zeros(150, 40)
    scores[130, 7] = bad
    with pytest.raises(ValueError, match="every score must be finite; task 130 has NaN or infin"):
        rank_targets(InBlocks(scores), split.test)


@pytest.mark.parametrize(
    ("num_rows", "message"),
    [
        (128, "score_blocks must yield a row for each of 150 tasks; got 128"),
        (149, "score_blocks must yield 22 rows for the tasks from 128 on; got 21"),
        (151, "score_blocks must yield 22 rows for the tasks from 128 on; got 23"),
        (300, "score_blocks must yield 22 rows for the tasks from 128 on; got 64"),
    ],
)
def test_blocks_must_hold_a_row_for_each_task(num_rows: int, message: str):
    split = worlds.random_split(num_users=150, num_items=40, seed=0)
    with pytest.raises(ValueError, match=message):
        rank_targets(InBlocks(torch.zeros(num_rows, 40)), split.test)


def test_single_precision_ranks_differ_only_where_another_score_is_within_a_hair():
    rng = np.random.default_rng(0)
    num_users, num_items, dim = 500, 400, 64
    histories = [rng.integers(1, num_items + 1, 8).tolist() for _ in range(num_users)]
    tasks = worlds.ranking_tasks(histories, rng.integers(1, num_items + 1, num_users).tolist())
    users = torch.from_numpy(rng.normal(size=(num_users, dim)))
    items = torch.from_numpy(rng.normal(size=(num_items, dim)))
    exact = count_ranks(users, items, tasks)
    single = count_ranks(users.float(), items.float(), tasks)
    differ = np.flatnonzero((exact.rank != single.rank) | (exact.ties != single.ties))
    assert len(differ) <= num_users / 500
    scores = (users @ items.t()).numpy()
    for user in differ:
        column = tasks.targets[user] - 1
        gaps = np.abs(np.delete(scores[user], column) - scores[user, column])
        assert gaps.min() <= 1e-5 * np.abs(scores[user]).max()
