"""Lists scored against the ranking that they were cut from."""

import numpy as np
import pytest

from tcf.evaluate.ledger import Ledger
from tcf.evaluate.lists import ledger_of_lists
from tcf.evaluate.metrics import METRICS


def test_a_target_ranks_by_its_place_or_beyond_the_list():
    lists = [[4, 2, 9], [7, 1, 3], [5, 0, 0], [0, 0, 0]]
    ledger = ledger_of_lists(lists, targets=[9, 7, 6, 1])
    assert ledger.rank.tolist() == [3, 1, 4, 4]
    assert ledger.ties.tolist() == [0, 0, 0, 0]


def test_metrics_up_to_the_length_of_the_list_are_those_of_the_whole_ranking():
    rng = np.random.default_rng(0)
    order = rng.permuted(np.tile(np.arange(1, 31), (200, 1)), axis=1)
    targets = rng.integers(1, 31, 200)
    whole = Ledger(1 + (order == targets[:, None]).argmax(1), np.zeros(200, np.int32))
    cut = ledger_of_lists(order[:, :10], targets=targets)
    for k in (1, 5, 10):
        for metric in METRICS.values():
            np.testing.assert_array_equal(metric(cut, k=k), metric(whole, k=k))


def test_no_user_has_an_empty_ledger():
    assert len(ledger_of_lists(np.zeros((0, 10), int), targets=[])) == 0


def test_lists_and_targets_of_different_users_are_refused():
    message = r"lists must be \(n, K\) and targets \(n,\).*got \(2, 2\) and \(1,\)"
    with pytest.raises(ValueError, match=message):
        ledger_of_lists([[1, 2], [3, 4]], targets=[1])


def test_padding_is_no_target():
    with pytest.raises(ValueError, match=r"a target is an item row from 1 on; got 0 at 1$"):
        ledger_of_lists([[1, 2], [3, 4]], targets=[1, 0])


def test_a_list_with_an_item_twice_is_refused():
    message = r"a list names each item once; list 1 is \[3, 1, 3\]$"
    with pytest.raises(ValueError, match=message):
        ledger_of_lists([[1, 0, 0], [3, 1, 3]], targets=[1, 1])
