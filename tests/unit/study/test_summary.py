"""The printed table: means, intervals that say what they are about, and unequal tuning flagged."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tcf.evaluate.ledger import Ledger
from tcf.study.arms import Arm
from tcf.study.backbones import SASRecConfig
from tcf.study.cells import Cell, read_cells
from tcf.study.config import RunConfig
from tcf.study.evidence import evidence
from tcf.study.records import record_path, summarize, write_ledger, write_record
from tcf.study.space import Choice, LogUniform, Tuning
from tcf.study.summary import coverage_notes, summary, tuning_notes

SPACE = Tuning(space={"train.learning_rate": LogUniform(low=1e-4, high=1e-2)}, num_trials=8)


def write(
    folder: Path, arm: Arm, *, seed: int = 0, tuning: Tuning | None = None, num_trials: int = 8
) -> None:
    backbone = SASRecConfig() if arm.is_trained else None
    config = RunConfig(dataset="d", arm=arm, backbone=backbone, seed=seed, tuning=tuning)
    rng = np.random.default_rng(seed)
    ledger = Ledger(rng.integers(1, 30, 100).astype(np.int32), np.zeros(100, np.int32))
    key = f"{arm.name[0]}{seed}" * 32
    path = record_path(folder, config, fingerprint=key)
    search = {"num_trials": num_trials, "num_failed": 0, "seconds": 12.3}
    record: dict[str, Any] = {
        "schema": 1,
        "fingerprint": key,
        "config": config.model_dump(mode="json"),
        "data": {"checksum": "c" * 64},
        "vectors": {"parameters": {"total": 1_230_000}} if arm.has_text else None,
        "history": {"epochs": [{}], "hit_epoch_limit": arm.has_text} if backbone else None,
        "compute": {"train_seconds": 1.5, "train_flops": 10, "peak_process_bytes": 7},
        "metrics": summarize(ledger, ["hr@10"]),
        **({"tuning": search} if tuning else {}),
    }
    write_ledger(path.with_suffix(".parquet"), ledger)
    write_record(path, record)


def shown(cells: list[Cell]) -> pl.DataFrame:
    return summary(evidence(cells, metrics=["hr@10"]), cells)


ID = Arm(name="ID", kind="id")
TEXT = Arm(name="text", kind="model", encoder="e")
POPULARITY = Arm(name="popularity", kind="popularity")


def test_an_interval_over_users_alone_is_marked(tmp_path: Path):
    for seed in range(3):
        write(tmp_path, ID, seed=seed)
    write(tmp_path, TEXT)
    write(tmp_path, POPULARITY)
    cells = read_cells(tmp_path)
    table = shown(cells)
    rows = {row["arm"]: row for row in table.iter_rows(named=True)}
    assert [rows[arm]["hr@10"].endswith("*") for arm in ("ID", "text", "popularity")] == [
        False,
        True,
        True,
    ]
    mean = float(np.mean([r["metrics"]["hr@10"]["mean"] for r in cells[1].records]))
    assert rows["ID"]["hr@10"].startswith(f"{mean:.4f} (")
    assert rows["ID"]["seeds"] == 3
    assert rows["text"]["parameters"] == "1.23M"
    assert rows["text"]["at epoch limit"] == "yes"
    assert not {"trials", "tuning", "slice"} & set(table.columns)  # nothing to say of anyone
    assert tuning_notes(cells) == ["settings as given: no arm was searched for its own"]


def test_intervals_that_hold_too_seldom_for_new_seeds_say_so_once(tmp_path: Path):
    for seed in range(3):
        write(tmp_path, ID, seed=seed)
    assert coverage_notes(evidence(read_cells(tmp_path), metrics=["hr@10"])) == []
    write(tmp_path, TEXT)
    write(tmp_path, POPULARITY)
    (note,) = coverage_notes(evidence(read_cells(tmp_path), metrics=["hr@10", "ndcg@10"]))
    assert note.startswith("with 1 seed, 95% intervals of this kind (these trained models")


def test_an_arm_with_fewer_trials_is_flagged(tmp_path: Path):
    write(tmp_path, ID, tuning=SPACE)
    write(tmp_path, TEXT, tuning=SPACE, num_trials=3)
    write(tmp_path, POPULARITY)
    cells = read_cells(tmp_path)
    rows = {row["arm"]: row for row in shown(cells).iter_rows(named=True)}
    assert rows["ID"]["trials"] == 8 and rows["ID"]["tuning seconds"] == 12
    assert not rows["ID"]["tuning"]
    assert rows["text"]["tuning"] == "fewer trials: 3 of 8"
    assert not rows["popularity"]["tuning"]  # nothing of it can be tuned
    (note,) = tuning_notes(cells)
    assert note == (
        "d, SASRec: each arm searched train.learning_rate 0.0001 to 0.01 (log), "
        "by hr@10 on validation"
    )


def test_an_arm_without_a_search_beside_one_with_it_is_flagged(tmp_path: Path):
    write(tmp_path, ID)
    write(tmp_path, TEXT, tuning=SPACE)
    cells = read_cells(tmp_path)
    rows = {row["arm"]: row for row in shown(cells).iter_rows(named=True)}
    assert rows["ID"]["tuning"] == "fewer trials: 0 of 8"
    assert "d, SASRec: arms without a search" in tuning_notes(cells)


def test_different_spaces_are_flagged(tmp_path: Path):
    other = Tuning(space={"backbone.dropout": Choice(values=(0.1, 0.3))}, num_trials=8)
    write(tmp_path, ID, tuning=SPACE)
    write(tmp_path, TEXT, tuning=other)
    cells = read_cells(tmp_path)
    assert shown(cells)["tuning"].to_list() == ["spaces differ", "spaces differ"]
    assert any("backbone.dropout in [0.1, 0.3]" in note for note in tuning_notes(cells))
