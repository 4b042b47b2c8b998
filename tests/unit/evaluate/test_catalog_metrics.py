"""Coverage, Gini and novelty by hand, and what they refuse."""

import numpy as np
import pytest

from tcf.evaluate.catalog_metrics import coverage, exposures, gini, list_metrics, novelty


def test_a_list_for_all_covers_what_is_in_it():
    lists = np.tile([1, 3], (5, 1))
    assert exposures(lists, num_items=4).tolist() == [5, 0, 5, 0]
    assert coverage(lists, num_items=4) == 0.5
    assert gini(lists, num_items=4) == 0.5
    assert coverage([[1, 2, 3, 4]], num_items=4) == 1
    assert gini([[1, 2], [3, 4]], num_items=4) == 0
    assert gini([[2], [2]], num_items=4) == 1 - 1 / 4


def test_places_left_empty_count_nowhere():
    short, full = [[1, 0], [2, 0]], [[1], [2]]
    counts = [3, 1, 0]
    assert exposures(short, num_items=3).tolist() == [1, 1, 0]
    for function in (coverage, gini):
        assert function(short, num_items=3) == function(full, num_items=3)
    assert novelty(short, train_counts=counts) == novelty(full, train_counts=counts)


def test_novelty_is_in_bits_and_greatest_for_what_training_never_saw():
    counts = [6, 2, 0, 0]  # with the one added to each: 7, 3, 1, 1 of 12
    assert novelty([[3]], train_counts=counts) == pytest.approx(np.log2(12))
    assert novelty([[1, 2]], train_counts=counts) == pytest.approx(np.log2([12 / 7, 12 / 3]).mean())
    assert novelty([[1, 2, 3, 4]], train_counts=[0, 0, 0, 0]) == 2


def test_a_record_keeps_the_three_and_their_cut_off():
    lists = np.array([[1, 3], [1, 2]], np.int32)
    assert list_metrics(lists, train_counts=np.array([5, 1, 0, 2])) == {
        "k": 2,
        "coverage": 0.75,
        "gini": gini(lists, num_items=4),
        "novelty": novelty(lists, train_counts=[5, 1, 0, 2]),
    }


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (np.zeros((2, 3), int), "lists must name an item; got 6 places, all of them empty"),
        (np.zeros((0, 3), int), "lists must name an item; got 0 places, all of them empty"),
        ([[1, 5]], "lists must hold rows from 0 to num_items=4; got 1 to 5"),
        ([[1, -1]], "lists must hold rows from 0 to num_items=4; got -1 to 1"),
    ],
)
def test_lists_that_are_none_are_refused(lists, message: str):
    with pytest.raises(ValueError, match=message):
        exposures(lists, num_items=4)
    with pytest.raises(ValueError, match=message):
        list_metrics(np.asarray(lists), train_counts=np.zeros(4))
