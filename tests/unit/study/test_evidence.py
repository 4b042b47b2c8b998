"""The table that plots and reports draw: every mark, from ledgers."""

from pathlib import Path

import numpy as np
import pytest

from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS, mean_interval
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence
from tests.runs import ID, POPULARITY, TEXT, write_run, write_split


@pytest.fixture
def records(tmp_path: Path) -> Path:
    for seed in range(3):
        write_run(tmp_path, ID, seed=seed)
    write_run(tmp_path, TEXT, tuning={"num_trials": 4, "seconds": 9.5})
    write_run(tmp_path, POPULARITY)
    write_split(tmp_path)
    return tmp_path


def test_an_arm_has_its_mean_and_each_seed(records: Path):
    cells = read_cells(records)
    table = evidence(cells, metrics=["hr@10", "mrr@5"])
    assert len(table) == 2 * (4 + 2 + 2)
    values = cells[1].values("mrr@5")
    mean = table.filter(arm="ID", metric="mrr@5", mark="mean").row(0, named=True)
    interval = mean_interval(values, seed=0)
    assert (mean["value"], mean["low"], mean["high"]) == (
        interval.mean,
        interval.low,
        interval.high,
    )
    assert mean["interval_about"] == NEW_SEEDS
    assert (mean["num_seeds"], mean["num_users"], mean["seed"]) == (3, 200, None)
    assert mean["train_seconds"] == 2.5 and mean["epochs"] == 2 and not mean["hit_epoch_limit"]
    seeds = table.filter(arm="ID", metric="mrr@5", mark="seed")
    np.testing.assert_allclose(seeds["value"], values.mean(1))
    assert seeds["seed"].to_list() == [0, 1, 2]
    assert seeds["low"].null_count() == 3 and seeds["fingerprint"].n_unique() == 3


def test_it_says_what_an_arm_is_and_what_it_cost(records: Path):
    table = evidence(read_cells(records), metrics=["hr@10"])
    text = table.filter(arm="text", mark="mean").row(0, named=True)
    assert (text["kind"], text["family"], text["parameters"]) == ("model", "f", 1_230_000)
    assert text["parameters_without_embeddings"] == 400_000
    assert (text["num_trials"], text["tuning_seconds"]) == (4, 9.5)
    assert text["interval_about"] == NEW_USERS and text["hit_epoch_limit"]
    popularity = table.filter(arm="popularity", mark="mean").row(0, named=True)
    assert popularity["backbone"] is None and popularity["parameters"] is None
    assert popularity["epochs"] == 0


def test_a_slice_is_of_its_users_and_an_empty_one_has_no_row(records: Path):
    cells = read_cells(records)
    names = ["all", "target_train_count: 1-4", "target_train_count: 200 and more"]
    table = evidence(cells, metrics=["hr@10"], slices=names)
    rare = table.filter(arm="ID", mark="mean", slice=names[1]).row(0, named=True)
    members = np.arange(200) % 3 == 1
    assert rare["value"] == pytest.approx(cells[1].values("hr@10")[:, members].mean())
    assert rare["num_users"] == members.sum()
    assert table["slice"].unique().sort().to_list() == sorted(names[:2])


def test_an_unknown_slice_or_metric_is_refused(records: Path):
    cells = read_cells(records)
    with pytest.raises(ValueError, match="a metric is one of"):
        evidence(cells, metrics=["map@10"])
    with pytest.raises(ValueError, match="what users are sliced by must be one of"):
        evidence(cells, slices=["age: 3"])
