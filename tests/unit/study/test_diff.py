"""What differs between two cells: settings, where they ran, what they cost, and their metrics."""

import json
from pathlib import Path

import numpy as np
import pytest

from tcf.errors import DataError
from tcf.study.arms import Arm
from tcf.study.backbones import DSSMConfig, SASRecConfig
from tcf.study.cells import Cell, open_pair, read_cells
from tcf.study.compare import compare_pairs
from tcf.study.diff import Difference, costs, diff, differences
from tcf.train import TrainConfig
from tests.runs import ID, POPULARITY, TEXT, write_run, write_split

PRESETS = Path(__file__).parents[3] / "experiments" / "presets" / "records"


def pair(tmp_path: Path, *settings: dict) -> list[Cell]:
    """Two runs of one arm, each in a folder of its own."""
    found = []
    for name, one in zip("ab", settings, strict=True):
        write_run(tmp_path / name, **{"arm": ID, **one})
        write_split(tmp_path / name)
        found += read_cells(tmp_path / name)
    return found


def edit(path: Path, part: str, **changes: object) -> None:
    record = json.loads(path.read_text())
    record["config"][part].update(changes)
    path.write_text(json.dumps(record))


def rewritten(tmp_path: Path, **changes: object) -> list[Cell]:
    """Two runs, the second with other settings of its backbone in the JSON itself."""
    pair(tmp_path, {}, {})
    (path,) = (tmp_path / "b").glob("*.json")
    edit(path, "backbone", **changes)
    return [*read_cells(tmp_path / "a"), *read_cells(tmp_path / "b")]


class TestDifferences:
    def test_the_committed_presets_differ_in_five_settings_and_the_name(self):
        a, b = open_pair(f"{PRESETS}/ID, paper", "ID, strong")
        assert [(one.part, one.field, one.a, one.b) for one in differences(a, b)] == [
            ("config", "arm.name", "ID, paper", "ID, strong"),
            ("config", "backbone.dropout", 0.1, 0.3),
            ("config", "train.max_epochs", 30, 60),
            ("config", "train.monitor", "hr@10", "ndcg@10"),
            ("config", "train.weight_decay", 0.1, 0.01),
            ("config", "train.loss", "in_batch_softmax", "full_softmax"),
        ]

    def test_an_audit_that_older_records_lack_is_no_difference(self, tmp_path: Path):
        pair(tmp_path, {}, {})
        (path,) = (tmp_path / "b").glob("*.json")
        record = json.loads(path.read_text())
        record["data"]["audit"] = {"verdicts": {"ok": 12}, "checks": {}}
        path.write_text(json.dumps(record))
        a, b = (*read_cells(tmp_path / "a"), *read_cells(tmp_path / "b"))
        assert differences(a, b) == ()

    def test_a_setting_newer_than_a_record_has_its_default_there(self, tmp_path: Path):
        a, b = rewritten(tmp_path, norm="post")
        assert "norm" not in a.records[0]["config"]["backbone"]
        assert b.records[0]["config"]["backbone"]["norm"] == "post"
        assert differences(a, b) == ()

    def test_its_other_values_differ_from_the_default(self, tmp_path: Path):
        a, b = pair(tmp_path, {}, {"config": {"backbone": SASRecConfig(norm="pre")}})
        assert differences(a, b) == (Difference("config", "backbone.norm", "post", "pre"),)

    def test_what_one_has_alone_is_told_in_its_place(self, tmp_path: Path):
        train = TrainConfig(patience=None, clip_norm=1.0)
        a, b = pair(tmp_path, {}, {"config": {"train": train, "backbone": DSSMConfig()}})
        found = {one.field: (one.a, one.b) for one in differences(a, b)}
        assert found["train.patience"] == (5, None)
        assert found["train.clip_norm"] == (None, 1.0)
        assert found["backbone.max_history"] == (20, None)
        assert found["backbone.name"] == ("SASRec", "DSSM")

    def test_transforms_are_told_one_by_one(self, tmp_path: Path):
        cut = Arm.model_validate(
            {**TEXT.model_dump(), "transforms": [{"name": "pca", "dims": 8}, {"name": "l2"}]}
        )
        a, b = pair(tmp_path, {"arm": TEXT}, {"arm": cut})
        assert [(one.field, one.a, one.b) for one in differences(a, b)] == [
            ("arm.transforms.0.name", None, "pca"),
            ("arm.transforms.0.dims", None, 8),
            ("arm.transforms.1.name", None, "l2"),
        ]

    def test_what_is_not_trained_has_no_settings_of_training(self, tmp_path: Path):
        a, b = pair(tmp_path, {"arm": POPULARITY}, {"arm": ID})
        found = {one.field: one.a for one in differences(a, b)}
        assert found["arm.kind"] == "popularity"
        assert found["train.learning_rate"] is None and found["dim"] is None

    def test_data_and_environment(self, tmp_path: Path):
        old = {"commit": "a" * 40, "versions": {"torch": "1", "numpy": "2"}, "machine": "m"}
        new = {**old, "versions": {"torch": "2", "numpy": "2"}, "seed": 9}
        a, b = pair(tmp_path, {"provenance": old}, {"provenance": new, "numbers": 2})
        assert differences(a, b) == (
            Difference("environment", "versions.torch", "1", "2"),
            Difference("environment", "numbers", 1, 2),
        )

    def test_values_of_several_seeds_are_told_once_each(self, tmp_path: Path):
        for seed, commit in enumerate("xyy"):
            write_run(tmp_path / "a", ID, seed=seed, provenance={"commit": commit})
        write_run(tmp_path / "b", ID, provenance={"commit": "x"})
        (a,), (b,) = (read_cells(tmp_path / name) for name in "ab")
        assert differences(a, b) == (
            Difference("config", "seed", [0, 1, 2], 0),
            Difference("environment", "commit", ["x", "y"], "x"),
        )

    def test_a_config_of_another_version_is_refused(self, tmp_path: Path):
        a, b = rewritten(tmp_path, wings=2)
        message = r"its config must be one that this version knows: .*wings.*read it with the vers"
        with pytest.raises(DataError, match=message):
            differences(a, b)


def test_costs_are_means_over_seeds(tmp_path: Path):
    for seed in range(3):
        write_run(tmp_path, TEXT, seed=seed, tuning={"num_trials": 7, "seconds": 2.0 * seed})
    write_run(tmp_path, POPULARITY)
    cells = {cell.arm: cell for cell in read_cells(tmp_path)}
    found = {name: (a, b) for name, a, b in costs(cells["popularity"], cells["text"]).iter_rows()}
    assert found["train_seconds"] == (1.5, 2.5)
    assert found["parameters.tower"] == (None, 5.0)
    assert found["epochs"] == (None, 2.0) and found["hit_epoch_limit"] == (None, 1.0)
    assert found["tuning.num_trials"] == (None, 7.0) and found["tuning.seconds"] == (None, 2.0)
    assert "device" not in found


class TestDiff:
    def test_slices_are_those_of_compare_with_b_less_a(self, tmp_path: Path):
        a, b = pair(tmp_path, {"better": 1.5}, {"arm": TEXT})
        made = diff(a, b, metrics=["hr@10", "mrr@5"])
        slices = [
            "all",
            "target_train_count: cold",
            "target_train_count: 1-4",
            "target_train_count: 20-49",
            "history_length: 1-4",
            "history_length: 5-9",
            "target_in_history: no",
            "target_in_history: yes",
        ]
        expected = compare_pairs([(b, a)], metrics=["hr@10", "mrr@5"], slices=slices)
        assert made.slices.equals(expected)
        change = b.values("hr@10") - a.values("hr@10")
        assert made.slices["difference"][0] == pytest.approx(change.mean())
        assert (made.users, made.items) == (None, None)
        assert not made.is_one_run
        assert made.differences == differences(a, b) and made.costs.equals(costs(a, b))

    def test_a_slice_of_everyone_is_not_there_twice(self):
        a, b = open_pair(f"{PRESETS}/ID, paper", "ID, strong")
        made = diff(a, b)
        assert len(made.slices) == 11  # nobody's target is in the history of these users
        assert not made.slices["slice"].str.starts_with("target_in_history").any()
        row = made.slices.row(0, named=True)
        means = [np.mean([r["metrics"]["ndcg@10"]["mean"] for r in x.records]) for x in (a, b)]
        assert row["difference"] == pytest.approx(means[1] - means[0], rel=1e-9)

    def test_one_run_is_told_as_such(self, tmp_path: Path):
        a, b = pair(tmp_path, {}, {})
        made = diff(a, b, slices=["all"])
        assert made.is_one_run and made.differences == ()
        assert made.slices.select("difference", "p", "num_better", "num_worse").row(0) == (
            0.0,
            1.0,
            0,
            0,
        )

    def test_other_splits_are_refused_with_the_count_on_each_side(self, tmp_path: Path):
        a, b = pair(tmp_path, {}, {"arm": TEXT, "num_users": 150, "checksum": "b" * 64})
        write_split(tmp_path / "b", num_users=150, checksum="b" * 64)
        message = r"text has 150 users of split b{12}, d/SASRec/ID has 200 of c{12}"
        with pytest.raises(DataError, match=message):
            diff(a, b)
        assert ("data", "checksum") in {(one.part, one.field) for one in differences(a, b)}

    def test_everything_goes_into_json(self, tmp_path: Path):
        a, b = pair(tmp_path, {}, {"arm": TEXT})
        told = json.loads(json.dumps(diff(a, b).as_dict(), allow_nan=False))
        assert told["a"]["name"] == "d/SASRec/ID" and told["b"]["seeds"] == [0]
        assert told["b"]["fingerprints"] == [b.records[0]["fingerprint"]]
        assert told["a"]["records"] == [a.paths[0].name]
        assert {"part": "config", "field": "arm.name", "a": "ID", "b": "text"} in told[
            "differences"
        ]
        assert told["users"] is None and told["is_one_run"] is False
        assert len(told["slices"]) == 8 and told["costs"][0]["field"] == "parameters.tower"
