"""Position bias: a ranker that always takes the first, and one that does not."""

import numpy as np
import pytest

from tcf.evaluate import order_agreement, position_bias


def test_the_first_place_every_time_is_a_bias():
    found = position_bias(np.zeros(100, int), num_candidates=4)
    assert found.counts == (100, 0, 0, 0)
    assert found.shares == (1.0, 0.0, 0.0, 0.0)
    assert found.statistic == pytest.approx(300)  # 75^2/25 + 3 * 25
    assert found.p < 1e-10


def test_even_shares_are_none_and_unreadable_answers_are_left_out():
    found = position_bias([0, 1, 2, 3, -1, -1], num_candidates=4)
    assert (found.counts, found.statistic, found.p) == ((1, 1, 1, 1), 0.0, 1.0)
    assert position_bias([-1], num_candidates=2).p == 1.0


def test_a_place_must_be_one():
    with pytest.raises(ValueError, match=r"within 0\.\.3, or -1 for none; got 0 to 4"):
        position_bias([0, 4], num_candidates=4)


def test_agreement_counts_the_same_item_in_pairs_of_orders():
    assert order_agreement([[5, 6, 0], [5, 7, 0]]) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="at least two orders"):
        order_agreement([[5, 6]])
