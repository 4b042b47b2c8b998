"""The table of slices is the mean of each user's metric over the slice's members."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tcf.evaluate.ledger import Ledger
from tcf.evaluate.metrics import METRICS, metric
from tcf.evaluate.slices import members, slice_table

LAW = settings(derandomize=True, max_examples=40, deadline=None)
USER = st.tuples(
    st.integers(1, 40),  # rank
    st.integers(0, 30),  # ties
    st.integers(0, 300),  # training count of the target
    st.integers(0, 30),  # length of the history
    st.booleans(),
)
NAMES = st.lists(
    st.builds("{}@{}".format, st.sampled_from(sorted(METRICS)), st.integers(1, 35)),
    min_size=1,
    max_size=4,
    unique=True,
)


@LAW
@given(st.lists(USER, min_size=1, max_size=60), NAMES)
def test_every_value_is_the_mean_of_its_members(users, names):
    ranks, ties, counts, lengths, seen = (np.array(column) for column in zip(*users, strict=True))
    ledger = Ledger(ranks.astype(np.int32), ties.astype(np.int32))
    frame = pl.DataFrame(
        {"target_train_count": counts, "history_length": lengths, "target_in_history": seen}
    )
    table = slice_table({"run": ledger}, frame, seed=0, metrics=names, num_resamples=20)
    for row in table.iter_rows(named=True):
        mask = members(frame, row["slice"])
        assert row["num_users"] == mask.sum()
        expected = metric(ledger, row["metric"])[mask].mean()
        np.testing.assert_allclose(row["value"], expected, rtol=0, atol=1e-12)
        assert row["low"] <= row["high"]
