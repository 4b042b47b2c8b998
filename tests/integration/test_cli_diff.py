"""`tcf diff` from end to end: two arms, two runs, two folders, and errors in one line."""

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.test_cli import STUDY, error_of, records, tcf
from tests.runs import ID, write_run, write_split

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
PRESETS = EXPERIMENTS / "presets" / "records"
__all__ = ["records"]  # the fixture


def test_two_arms_of_committed_records():
    done = tcf("diff", PRESETS / "ID, paper", "ID, strong")
    assert done.exit_code == 0, done.output
    for said in (
        f"A: MicroLens-50k/SASRec/ID, paper, seeds 0, 1, 2, in {PRESETS}",
        "B: MicroLens-50k/SASRec/ID, strong, seeds 0, 1, 2, in ",
        "train.weight_decay",
        "ndcg@10, about new seeds and new users",
        "target_train_count: 1-4",
        "+0.0058",
        "corrected for all 11 comparisons (Holm)",
        "ledgers hold no ids; name the data with --study FILE [--data FOLDER]",
    ):
        assert said in done.stdout
    assert all(len(line) <= 160 for line in done.stdout.splitlines())


def test_the_data_name_users_and_items_and_json_has_everything(records: Path, tmp_path: Path):
    out = tmp_path / "new" / "diff.json"
    metrics = ("--metric", "mrr@10", "--metric", "hr@5")
    data = ("--study", STUDY, "--top", 2)
    done = tcf("diff", records / "SASRec/ID", "SASRec/TF-IDF", *metrics, *data, "--out", out)
    assert done.exit_code == 0, done.output
    told = json.loads(out.read_text())
    assert {row["metric"] for row in told["slices"]} == {"mrr@10", "hr@5"}
    assert 0 < len(told["users"]) <= 4 and 0 < len(told["items"]) <= 4
    for said in ("users that moved most, by mrr@10", told["users"][0]["user_id"]):
        assert said in done.stdout
    assert told["items"][0]["text"] in done.stdout
    assert "hr@5, about these trained models on new users" in done.stdout
    assert "ledgers hold no ids" not in done.stdout


def test_a_run_against_itself(records: Path, tmp_path: Path):
    shutil.copytree(records, tmp_path / "old")
    (path,) = (tmp_path / "old").glob("*sasrec-id*.json")
    done = tcf("diff", path, records)
    assert done.exit_code == 0, done.output
    key = json.loads(path.read_text())["fingerprint"][:12]
    assert f"A and B are the same run: one fingerprint, {key}" in done.stdout
    assert "config, data and environment: nothing differs" in done.stdout


def test_long_values_are_cut(tmp_path: Path):
    for name, commit in (("a", "0123456789ab" + "0" * 28 + "-dirty"), ("b", "words " * 20)):
        write_run(tmp_path / name, ID, provenance={"commit": commit})
        write_split(tmp_path / name)
    done = tcf("diff", tmp_path / "a" / "ID", tmp_path / "b")
    assert done.exit_code == 0, done.output
    assert "0123456789ab-dirty " in done.stdout
    assert "words words words words words words words words… " in done.stdout


class TestMistakes:
    def test_other_splits_still_show_what_differs(self):
        quickstart = EXPERIMENTS / "quickstart" / "records"
        done = tcf(
            "diff", EXPERIMENTS / "microlens" / "records" / "SASRec/ID", quickstart / "DSSM/ID"
        )
        assert done.exit_code == 1
        assert "interactions_after" in done.stdout and "backbone.name" in done.stdout
        (line,) = done.stderr.splitlines()
        assert "must be of one split; simulated world/DSSM/ID has 1,000 users of split" in line

    def test_data_of_another_study(self):
        done = tcf("diff", PRESETS / "ID, paper", "ID, strong", "--study", STUDY)
        assert done.exit_code == 1
        (line,) = done.stderr.splitlines()
        assert "users and items can be named from the data that the records were made from" in line

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("ID, strong", "--metric", "auc"), "a metric is one of hr, mrr, ndcg and a cut-off"),
            (
                ("ID, strong", "--data", "."),
                "--data is read by a study: name its file with",
            ),
            (("nobody",), "'nobody' must name one cell; it names 0 of: MicroLens-50k/SASRec/ID, "),
            (("SASRec/ID, paper/seed 9",), "ID, paper has the seeds 0, 1, 2; got 9"),
        ],
    )
    def test_one_line(self, arguments: tuple, message: str):
        assert message in error_of(tcf("diff", PRESETS / "ID, paper", *arguments))

    def test_a_folder_without_records(self, tmp_path: Path):
        line = error_of(tcf("diff", tmp_path / "SASRec/ID", "x"))
        assert "must be a record's file, or a folder of records with the name of a cell" in line
