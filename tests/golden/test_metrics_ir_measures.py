"""Agreement with ir-measures (trec_eval's own code), an independent witness, to 1e-12.

Ledgers without ties, since trec_eval orders ties by document id. Each user is a query with one
relevant document, the target, at its rank among 40 retrieved ones, or not retrieved at all.
"""

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, Success, nDCG

from tcf.evaluate.ledger import Ledger
from tcf.evaluate.metrics import metric

DEPTH = 40
NAMES = {"hr": Success, "ndcg": nDCG, "mrr": RR}


def as_trec(ledger: Ledger) -> tuple[dict, dict]:
    """Return judgements and a run, each of query -> document -> number."""
    judged = {f"u{user}": {"target": 1} for user in range(len(ledger))}
    run = {}
    for user, rank in enumerate(ledger.rank.tolist()):
        documents = {f"d{place}": float(-place) for place in range(1, DEPTH + 1) if place != rank}
        run[f"u{user}"] = documents | ({"target": float(-rank)} if rank <= DEPTH else {})
    return judged, run


@pytest.mark.parametrize("k", [1, 5, 10, 20])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_user_gets_what_ir_measures_gives(k: int, seed: int):
    ranks = np.random.default_rng(seed).integers(1, DEPTH + 10, 300)
    ledger = Ledger(ranks.astype(np.int32), np.zeros(300, np.int32))
    measures = {name: measure @ k for name, measure in NAMES.items()}
    found = {name: np.full(300, np.nan) for name in NAMES}
    names = {str(measure): name for name, measure in measures.items()}
    for figure in ir_measures.iter_calc(list(measures.values()), *as_trec(ledger)):
        found[names[str(figure.measure)]][int(figure.query_id[1:])] = figure.value
    for name, values in found.items():
        np.testing.assert_allclose(metric(ledger, f"{name}@{k}"), values, rtol=0, atol=1e-12)
