"""Candidate sets: what may be in one, who is drawn, and ranks among a few."""

import numpy as np
import pytest
import torch

from tcf.data.split import Targets
from tcf.errors import DataError
from tcf.evaluate import Candidates, candidate_scores, ledger_of_scores, metric, sample_candidates
from tcf.evaluate.ranking import rank_targets
from tcf.model.popularity import Popularity
from tcf.model.transitions import Transitions
from tests import worlds

SPLIT = worlds.random_split(num_users=60, num_items=40, seed=0)


def drawn(num_candidates: int = 4, *, num_users: int = 20, seed: int = 0) -> Candidates:
    return sample_candidates(
        SPLIT.test,
        num_items=SPLIT.num_items,
        num_users=num_users,
        num_candidates=num_candidates,
        seed=seed,
    )


def test_a_set_holds_the_target_and_nothing_that_was_taken():
    sets = drawn(10)
    assert sets.rows.shape == (20, 10)
    assert (sets.rows[np.arange(20), sets.places] == sets.tasks.targets).all()
    for task, row in enumerate(sets.rows):
        assert len(set(row.tolist())) == 10
        assert not set(row.tolist()) & set(sets.history(task).tolist())
    assert not sets.tasks.target_in_history.any()


def test_one_seed_is_one_set_and_more_candidates_ask_the_same_users():
    assert drawn().checksum == drawn().checksum != drawn(seed=1).checksum
    assert (drawn(4).tasks.users == drawn(10).tasks.users).all()


def test_another_order_holds_the_same_items():
    sets = drawn()
    other = sets.shuffled(seed=3)
    assert (np.sort(other.rows) == np.sort(sets.rows)).all()
    assert other.checksum != sets.checksum
    assert len(set(sets.places.tolist())) == 4  # the target's place is drawn as well


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([3, 1, 4], "row 1 of the history: leave such tasks out"),
        ([3, 3, 4], "distinct; those of user 0 repeat"),
        ([5, 6, 4], "hold the target; those of user 0 do not"),
    ],
)
def test_what_no_set_may_be(row: list[int], message: str):
    tasks = worlds.ranking_tasks([[1, 2]], [3])
    with pytest.raises(DataError, match=message):
        Candidates(tasks, np.array([row], np.int32))
    with pytest.raises(DataError, match="one line of rows for each of 1 tasks"):
        Candidates(tasks, np.array(row, np.int32))


def test_fewer_users_or_items_than_asked_are_refused():
    with pytest.raises(ValueError, match=r"within 1\.\.\d+, the tasks .* \(60 in all\); got 61"):
        drawn(num_users=61)
    with pytest.raises(ValueError, match="who has not taken more items; got 40"):
        drawn(40)
    with pytest.raises(ValueError, match="at least 2; got 1"):
        drawn(1)


@pytest.mark.parametrize("model", [Popularity(SPLIT), Transitions(SPLIT)])
def test_all_items_as_candidates_are_the_whole_ranking(model: Popularity | Transitions):
    tasks = SPLIT.test.take(~SPLIT.test.target_in_history)
    whole = rank_targets(model, tasks)
    for task in range(len(tasks)):
        one = tasks.take(np.array([task]))
        known = one.rows[one.starts[0] : one.ends[0]]
        rows = np.setdiff1d(np.arange(1, SPLIT.num_items + 1), known).astype(np.int32)
        sets = Candidates(one, rows[None])
        ledger = ledger_of_scores(candidate_scores(model, sets), sets)
        assert (ledger.rank[0], ledger.ties[0]) == (whole.rank[task], whole.ties[task])


class Constant(torch.nn.Module):
    def score_vectors(self, targets: Targets) -> tuple[torch.Tensor, torch.Tensor]:
        assert not self.training
        return torch.ones(len(targets), 3), torch.ones(SPLIT.num_items, 3)


def test_who_cannot_tell_has_the_hit_rate_of_chance():
    sets, model = drawn(), Constant().train()
    ledger = ledger_of_scores(candidate_scores(model, sets), sets)
    assert metric(ledger, "hr@1").mean() == 0.25
    assert model.training


def test_scores_must_be_one_finite_number_a_candidate():
    sets = drawn()
    with pytest.raises(ValueError, match=r"shape \(20, 4\); got \(20, 3\)"):
        ledger_of_scores(np.zeros((20, 3)), sets)
    scores = np.zeros((20, 4))
    scores[7, 2] = np.nan
    with pytest.raises(ValueError, match="task 7 has one that is not"):
        ledger_of_scores(scores, sets)
