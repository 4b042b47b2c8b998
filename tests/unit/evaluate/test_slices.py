"""Slices by hand, their table against plain means and intervals, and what they refuse."""

import numpy as np
import polars as pl
import pytest

from tcf.evaluate.ledger import Ledger
from tcf.evaluate.metrics import metric
from tcf.evaluate.slices import (
    ALL_METRICS,
    SLICES,
    members,
    slice_labels,
    slice_names,
    slice_table,
)
from tcf.evaluate.stats import NEW_USERS, bootstrap_mean


def split_frame(num_users: int, *, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "target_train_count": rng.geometric(0.02, num_users).astype(np.int32) - 1,
            "history_length": rng.integers(2, 25, num_users).astype(np.int32),
            "target_in_history": rng.random(num_users) < 0.2,
        }
    )


def random_ledger(num_users: int, *, seed: int, longest: int = 60) -> Ledger:
    rng = np.random.default_rng(seed)
    ties = np.where(rng.random(num_users) < 0.3, rng.integers(1, 8, num_users), 0)
    ranks = rng.integers(1, longest, num_users)
    return Ledger(ranks.astype(np.int32), ties.astype(np.int32))


def test_the_bins_of_the_training_count_hold_their_ends():
    counts = [0, 1, 4, 5, 19, 20, 49, 50, 199, 200, 10**6]
    labels = slice_labels(pl.DataFrame({"target_train_count": counts}), "target_train_count")
    expected = ["cold", *["1-4"] * 2, *["5-19"] * 2, *["20-49"] * 2, *["50-199"] * 2]
    expected += ["200 and more"] * 2
    assert labels.to_list() == [f"target_train_count: {label}" for label in expected]
    assert labels.dtype == pl.Enum([n for n in slice_names() if n.startswith("target_train_count")])


def test_the_bins_of_the_other_slices():
    frame = pl.DataFrame(
        {
            "history_length": [0, 1, 4, 5, 9, 10, 19, 20, 500],
            "target_in_history": [True, False] * 4 + [True],
        }
    )
    expected = ["0", "1-4", "1-4", "5-9", "5-9", "10-19", "10-19", "20 and more", "20 and more"]
    lengths = slice_labels(frame, "history_length").to_list()
    assert lengths == [f"history_length: {label}" for label in expected]
    seen = slice_labels(frame, "target_in_history").to_list()
    assert seen == [f"target_in_history: {x}" for x in ["yes", "no"] * 4 + ["yes"]]


def test_every_user_is_in_one_bin_of_each_slice_and_in_all():
    frame = split_frame(500)
    assert slice_names()[0] == "all" and len(set(slice_names())) == 14
    for cut, bins in SLICES.items():
        found = [members(frame, f"{cut}: {label}") for label in bins]
        assert all(mask.dtype == bool and mask.shape == (500,) for mask in found)
        np.testing.assert_array_equal(np.sum(found, axis=0), np.ones(500))
    assert members(frame, "all").all()
    mask = members(frame, "target_train_count: 5-19")
    counts = frame["target_train_count"].to_numpy()
    np.testing.assert_array_equal(mask, (counts >= 5) & (counts <= 19))


def test_the_table_has_each_run_slice_and_metric_in_their_order():
    frame = split_frame(400)
    ledgers = {name: random_ledger(400, seed=n) for n, name in enumerate(("b", "a"))}
    table = slice_table(ledgers, frame, seed=0, num_resamples=20)
    assert table.columns == [
        *("run", "slice", "metric", "value", "low", "high", "num_users", "interval_about")
    ]
    present = [name for name in slice_names() if members(frame, name).any()]
    assert table["run"].unique(maintain_order=True).to_list() == ["b", "a"]
    one = table.filter(run="b")
    assert one["slice"].unique(maintain_order=True).to_list() == present
    assert one.filter(slice="all")["metric"].to_list() == list(ALL_METRICS)
    assert set(table["interval_about"]) == {NEW_USERS}
    assert len(table) == 2 * len(present) * len(ALL_METRICS)


def test_a_slice_without_users_has_no_row():
    frame = pl.DataFrame(
        {"target_train_count": [3, 3], "history_length": [7, 8], "target_in_history": [False] * 2}
    )
    table = slice_table({"run": random_ledger(2, seed=0)}, frame, seed=0, metrics=["hr@10"])
    assert table["slice"].to_list() == [
        "all",
        "target_train_count: 1-4",
        "history_length: 5-9",
        "target_in_history: no",
    ]
    assert not members(frame, "target_train_count: cold").any()


def test_no_users_and_no_runs_leave_an_empty_table():
    nobody = slice_table({"run": random_ledger(0, seed=0)}, split_frame(0), seed=0)
    nothing = slice_table({}, split_frame(5), seed=0)
    assert len(nobody) == len(nothing) == 0
    assert nobody.schema == nothing.schema


@pytest.mark.parametrize("name", ["hr@10", "ndcg@20", "mrr@5"])
def test_intervals_are_those_of_bootstrap_mean(name: str):
    num_users = 6000
    frame, ledger = split_frame(num_users), random_ledger(num_users, seed=1)
    table = slice_table({"run": ledger}, frame, seed=0, metrics=[name], num_resamples=4000)
    for row in table.iter_rows(named=True):
        values = metric(ledger, name)[members(frame, row["slice"])]
        expected = bootstrap_mean(values, seed=1, num_resamples=4000)
        assert row["num_users"] == len(values)
        width = expected.high - expected.low
        assert abs(row["low"] - expected.low) <= 0.06 * width
        assert abs(row["high"] - expected.high) <= 0.06 * width


def test_a_runs_rows_depend_on_the_seed_and_not_on_the_other_runs():
    frame = split_frame(300)
    ledgers = {str(n): random_ledger(300, seed=n) for n in range(3)}
    together = slice_table(ledgers, frame, seed=0, num_resamples=50)
    alone = slice_table({"1": ledgers["1"]}, frame, seed=0, num_resamples=50)
    assert together.filter(run="1").equals(alone)
    assert not alone.equals(slice_table({"1": ledgers["1"]}, frame, seed=1, num_resamples=50))


def test_drawing_in_chunks_or_user_by_user_leaves_the_intervals_alone(
    monkeypatch: pytest.MonkeyPatch,
):
    frame, ledgers = split_frame(6000), {"run": random_ledger(6000, seed=0)}
    settings = {"seed": 0, "metrics": ["ndcg@20"], "num_resamples": 4000}
    whole = slice_table(ledgers, frame, **settings)
    for name, value in (("_CHUNK", 3000), ("_RARE", 0), ("_RARE", 10**6)):
        monkeypatch.setattr(f"tcf.evaluate.slices.{name}", value)
        other = slice_table(ledgers, frame, **settings)
        assert whole["value"].equals(other["value"])
        width = whole["high"] - whole["low"]
        for end in ("low", "high"):
            assert ((whole[end] - other[end]).abs() <= 0.08 * width).all()


def test_users_that_all_agree_leave_no_width():
    ledger = Ledger(np.full(40, 2, np.int32), np.zeros(40, np.int32))
    table = slice_table({"run": ledger}, split_frame(40), seed=0)
    assert (table["low"] == table["value"]).all() and (table["high"] == table["value"]).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train_count: 5-19", "what users are sliced by must be one of history_length, target_in_"),
        ("target_train_count: 5-20", "a slice must be one of .*; did you mean .*: 5-19'"),
        ("target_train_count", "a slice must be one of .*; got 'target_train_count'"),
        ("", "what users are sliced by must be one of"),
    ],
)
def test_an_unknown_slice_is_refused(name: str, message: str):
    with pytest.raises(ValueError, match=message):
        members(split_frame(5), name)


def test_an_unknown_column_is_refused_with_the_near_miss():
    with pytest.raises(ValueError, match="got 'history_lenght'; did you mean 'history_length'"):
        slice_labels(split_frame(5), "history_lenght")


def test_a_frame_that_lacks_a_column_is_refused():
    frame = split_frame(5).drop("history_length")
    message = "a split's ledger needs the column 'history_length'; got target_train_count, target_"
    with pytest.raises(ValueError, match=message):
        members(frame, "history_length: 5-9")
    with pytest.raises(ValueError, match=message):
        slice_table({"run": random_ledger(5, seed=0)}, frame, seed=0)
    with pytest.raises(ValueError, match="needs the column 'history_length'; got none"):
        slice_labels(pl.DataFrame(), "history_length")


@pytest.mark.parametrize("bad", [-1, None])
def test_values_that_are_no_counts_are_refused(bad: int | None):
    frame = pl.DataFrame({"history_length": [3, bad, 2]}, schema={"history_length": pl.Int32})
    message = f"history_length must be 0 or more for every user; got {bad} at 1$"
    with pytest.raises(ValueError, match=message):
        slice_labels(frame, "history_length")


def test_ledgers_of_other_users_are_refused_with_the_count_on_each_side():
    ledgers = {"good": random_ledger(5, seed=0), "short": random_ledger(4, seed=0)}
    message = "a ledger must have the users of its split; 'short' has 4, the split 5"
    with pytest.raises(ValueError, match=message):
        slice_table(ledgers, split_frame(5), seed=0)


def test_bad_settings_are_refused():
    ledgers, frame = {"run": random_ledger(5, seed=0)}, split_frame(5)
    with pytest.raises(ValueError, match="a metric is one of hr, mrr, ndcg"):
        slice_table(ledgers, frame, seed=0, metrics=["recall@10"])
    with pytest.raises(ValueError, match="metrics must name at least one"):
        slice_table(ledgers, frame, seed=0, metrics=[])
    with pytest.raises(ValueError, match="num_resamples must be at least 1; got 0"):
        slice_table(ledgers, frame, seed=0, num_resamples=0)
    with pytest.raises(ValueError, match="ranks start at 1; got 0"):
        slice_table({"run": Ledger(np.zeros(5, int), np.zeros(5, int))}, frame, seed=0)
