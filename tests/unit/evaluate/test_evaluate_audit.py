"""The audit's rankings: what popularity reaches, and targets that the user knows already."""

import pytest

from tcf.data import leave_one_out
from tcf.evaluate import known_targets, popularity_score
from tests import worlds


def test_popularity_that_wins_everything_is_worth_a_word():
    """Item 1 is every user's target and the most popular: it is first, for all."""
    histories = [[2 + user, 3 + user, 4 + user, 1] for user in range(6)]
    histories += [[1, 20 + user, 21 + user, 1] for user in range(6)]
    finding = popularity_score(leave_one_out(worlds.catalog(30), worlds.interactions(histories)))
    assert finding.verdict == "warning" and "gains over popularity" in finding.fix
    assert finding.figures == {"hr@10": 1.0, "ndcg@10": 1.0, "hr@10_of_chance": 10 / 30}


def test_popularity_that_knows_nothing():
    split = worlds.block_split(num_blocks=40, num_users=400)
    finding = popularity_score(split)
    assert finding.verdict == "ok"
    assert finding.figures["hr@10"] < 0.05
    assert finding.found == (
        f"HR@10 {finding.figures['hr@10']:.4f}, NDCG@10 {finding.figures['ndcg@10']:.4f} on the "
        "test targets; a random order has HR@10 0.0167"
    )


def test_targets_among_the_known_items_are_counted():
    histories = [[1, 2, 3, 1], [1, 2, 3, 4], [4, 2, 3, 3]]
    finding = known_targets(leave_one_out(worlds.catalog(4), worlds.interactions(histories)))
    assert finding.verdict == "warning"
    assert finding.found == "2 of 3 test targets (66.7%) are among the user's known items"
    assert "here the target stays in" in finding.fix
    assert finding.figures == {"share_known": pytest.approx(2 / 3)}
    assert known_targets(worlds.block_split()).verdict == "ok"
