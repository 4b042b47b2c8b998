"""Metrics under ties are the average over every order of the tied items."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tcf.evaluate.ledger import Ledger
from tcf.evaluate.metrics import METRICS, hr, mrr, ndcg

LAW = settings(derandomize=True, max_examples=60, deadline=None)
RANK, TIES, K = st.integers(1, 30), st.integers(0, 4), st.integers(1, 25)
GAINS = {
    "hr": lambda place: 1.0,
    "ndcg": lambda place: 1 / np.log2(1 + place),
    "mrr": lambda place: 1 / place,
}


def ledger(ranks, ties) -> Ledger:
    return Ledger(np.array(ranks, np.int32), np.array(ties, np.int32))


@LAW
@given(RANK, TIES, K, st.sampled_from(sorted(METRICS)))
def test_a_metric_is_its_mean_over_all_orders_of_the_ties(rank, ties, k, name):
    values = []
    for order in itertools.permutations(["target", *range(ties)]):
        place = rank + order.index("target")
        values.append(GAINS[name](place) if place <= k else 0.0)
    found = METRICS[name](ledger([rank], [ties]), k=k)
    assert np.isclose(found[0], np.mean(values), rtol=1e-12, atol=0)


@LAW
@given(st.lists(st.tuples(RANK, TIES), min_size=1, max_size=8), K)
def test_metrics_are_fractions_rise_with_k_and_keep_their_order(pairs, k):
    some = ledger(*zip(*pairs, strict=True))
    for function in METRICS.values():
        values = function(some, k=k)
        assert values.dtype == np.float64 and values.shape == (len(pairs),)
        assert (values >= 0).all() and (values <= 1 + 1e-12).all()
        assert (function(some, k=k + 1) >= values - 1e-12).all()
    assert (mrr(some, k=k) <= ndcg(some, k=k) + 1e-12).all()
    assert (ndcg(some, k=k) <= hr(some, k=k) + 1e-12).all()


@LAW
@given(RANK, TIES)
def test_a_better_rank_is_never_worse(rank, ties):
    for function in METRICS.values():
        better, worse = function(ledger([rank, rank + 1], [ties, ties]), k=10)
        assert better >= worse - 1e-15
