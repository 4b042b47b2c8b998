"""HR, NDCG and MRR by hand, and what they refuse."""

import numpy as np
import pytest

from tcf.evaluate.ledger import Ledger
from tcf.evaluate.metrics import METRICS, hr, metric, mrr, ndcg


def ledger(ranks: list[int], ties: list[int] | None = None) -> Ledger:
    return Ledger(np.array(ranks, np.int32), np.array(ties or [0] * len(ranks), np.int32))


def test_without_ties_they_are_the_usual_formulas():
    ranks = ledger([1, 2, 3, 10, 11])
    np.testing.assert_array_equal(hr(ranks, k=10), [1, 1, 1, 1, 0])
    expected = [1, 1 / np.log2(3), 1 / 2, 1 / np.log2(11), 0]
    np.testing.assert_allclose(ndcg(ranks, k=10), expected, rtol=1e-12)
    np.testing.assert_allclose(mrr(ranks, k=10), [1, 1 / 2, 1 / 3, 1 / 10, 0], rtol=1e-12)


def test_a_tie_across_the_cut_off_counts_by_its_share():
    np.testing.assert_allclose(hr(ledger([10], [3]), k=10), [1 / 4])
    np.testing.assert_allclose(mrr(ledger([1], [1]), k=10), [(1 + 1 / 2) / 2])
    np.testing.assert_allclose(ndcg(ledger([2], [1]), k=2), [1 / np.log2(3) / 2])


def test_no_user_has_no_metric():
    assert hr(ledger([]), k=10).shape == (0,)


def test_a_metric_by_its_name():
    ranks = ledger([1, 4, 30], [0, 2, 1])
    for name, function in METRICS.items():
        np.testing.assert_array_equal(metric(ranks, f"{name}@5"), function(ranks, k=5))


@pytest.mark.parametrize(
    "name", ["hr", "hr@", "hr@ten", "hr@1.5", "recall@10", "hr@-1", "", "HR@10"]
)
def test_an_unknown_name_is_refused(name: str):
    message = f"a metric is one of hr, mrr, ndcg and a cut-off, like 'hr@10'; got '{name}'$"
    with pytest.raises(ValueError, match=message):
        metric(ledger([1]), name)


@pytest.mark.parametrize("function", METRICS.values())
def test_cut_offs_and_ranks_start_at_1(function):
    with pytest.raises(ValueError, match="k must be at least 1; got 0"):
        function(ledger([1]), k=0)
    with pytest.raises(ValueError, match="ranks start at 1; got 0"):
        function(ledger([3, 0]), k=10)
