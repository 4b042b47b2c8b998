"""Arms against one other, user by user."""

from pathlib import Path

import numpy as np
import pytest

from tcf.errors import DataError
from tcf.evaluate.corrections import benjamini_hochberg, holm
from tcf.evaluate.paired import difference_interval, paired_permutation, seed_test
from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS
from tcf.study.cells import read_cells
from tcf.study.compare import compare, paired_values
from tests.runs import ID, POPULARITY, TEXT, write_run, write_split

NAMES = ["all", "target_train_count: 1-4"]


@pytest.fixture
def records(tmp_path: Path) -> Path:
    for seed in range(3):
        write_run(tmp_path, ID, seed=seed)
        write_run(tmp_path, TEXT, seed=seed, better=1.3)
    write_run(tmp_path, POPULARITY)
    write_split(tmp_path)
    return tmp_path


def test_each_arm_meets_the_one_it_is_compared_with(records: Path):
    cells = {cell.arm: cell for cell in read_cells(records)}
    table = compare(list(cells.values()), metrics=["ndcg@10"])
    assert table["arm"].to_list() == ["popularity", "text"]
    row = table.filter(arm="text").row(0, named=True)
    a, b = cells["text"].values("ndcg@10"), cells["ID"].values("ndcg@10")
    interval = difference_interval(a, b, seed=0)
    assert row["difference"] == pytest.approx(a.mean() - b.mean())
    assert (row["low"], row["high"]) == (interval.low, interval.high)
    assert row["p"] == seed_test(a, b).p
    assert row["interval_about"] == NEW_SEEDS
    assert (row["value"], row["against_value"]) == (a.mean(), b.mean())
    changes = a.mean(0) - b.mean(0)
    assert (row["num_better"], row["num_worse"]) == ((changes > 0).sum(), (changes < 0).sum())


def test_what_is_not_trained_is_the_same_for_every_seed(records: Path):
    cells = {cell.arm: cell for cell in read_cells(records)}
    row = compare(list(cells.values())).filter(arm="popularity").row(0, named=True)
    a, b = (cells[x].values("ndcg@10") for x in ("popularity", "ID"))
    assert row["backbone"] == "SASRec" and row["interval_about"] == NEW_SEEDS
    assert row["p"] == seed_test(np.repeat(a, 3, axis=0), b).p


def test_fewer_than_three_seeds_are_about_these_models(tmp_path: Path):
    for arm in (ID, TEXT):
        write_run(tmp_path, arm)
    cells = {cell.arm: cell for cell in read_cells(tmp_path)}
    row = compare(list(cells.values())).row(0, named=True)
    assert row["interval_about"] == NEW_USERS and row["test"] == "paired permutation"
    a, b = (cells[x].values("ndcg@10") for x in ("text", "ID"))
    assert row["p"] == paired_permutation(a, b, seed=0).p


def test_the_whole_table_is_corrected_together(records: Path):
    table = compare(read_cells(records), metrics=["hr@10", "ndcg@10"], slices=NAMES)
    assert len(table) == 8
    np.testing.assert_array_equal(table["p_holm"], holm(table["p"].to_numpy()))
    np.testing.assert_array_equal(table["p_bh"], benjamini_hochberg(table["p"].to_numpy()))


def test_an_arm_that_is_not_there_is_refused(records: Path):
    with pytest.raises(ValueError, match="against must be an arm of these records: ID, popularity"):
        compare(read_cells(records), against="IDs")


def test_an_arm_alone_has_nothing_to_be_compared_with(tmp_path: Path):
    write_run(tmp_path, ID)
    assert compare(read_cells(tmp_path)).is_empty()


def test_other_users_are_refused_with_the_count_on_each_side(records: Path, tmp_path: Path):
    other = tmp_path / "other"
    write_run(other, ID, num_users=150, checksum="b" * 64)
    message = r"of one split; d/.* has 200 users of split c{12}, d/.* has 150 of b{12}"
    with pytest.raises(DataError, match=message):
        paired_values(read_cells(records)[0], read_cells(other)[0], "hr@10")
