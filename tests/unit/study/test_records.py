"""Records and ledgers: what is written is what is read, and nothing else is taken for it."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tcf.errors import DataError
from tcf.evaluate.ledger import Ledger
from tcf.evaluate.metrics import metric
from tcf.study.arms import Arm
from tcf.study.backbones import SASRecConfig
from tcf.study.config import RunConfig
from tcf.study.records import (
    MAX_RECORD_BYTES,
    read_ledger,
    read_records,
    record_path,
    split_path,
    summarize,
    write_ledger,
    write_record,
    write_split_ledger,
)
from tests import worlds

RANDOM = np.random.default_rng(0)
LEDGER = Ledger(
    RANDOM.integers(1, 40, 200).astype(np.int32), RANDOM.integers(0, 3, 200).astype(np.int32)
)
TEXT = Arm(name="text", kind="model", encoder="e", family="f")


def record(config: RunConfig, *, key: str) -> dict:
    text = config.arm.has_text
    history = {"epochs": [{}, {}], "hit_epoch_limit": True, "best_epoch": 2}
    return {
        "schema": 1,
        "fingerprint": key,
        "config": config.model_dump(mode="json"),
        "vectors": {"parameters": {"total": 9, "without_embeddings": 4}} if text else None,
        "history": history if config.backbone else None,
        "metrics": summarize(LEDGER, ["hr@10", "mrr@5"]),
    }


def test_a_ledger_comes_back_and_holds_ranks_and_ties_alone(tmp_path: Path):
    path = tmp_path / "records" / "run.parquet"
    write_ledger(path, LEDGER)
    found = read_ledger(path)
    np.testing.assert_array_equal(found.rank, LEDGER.rank)
    np.testing.assert_array_equal(found.ties, LEDGER.ties)
    assert pl.read_parquet_schema(path) == {"rank": pl.Int32, "ties": pl.Int32}
    assert [p.name for p in path.parent.iterdir()] == ["run.parquet"]


def test_a_ledger_that_is_none_is_refused(tmp_path: Path):
    path = tmp_path / "run.parquet"
    with pytest.raises(DataError, match=r"run.parquet: a rank ledger is needed .*run the study"):
        read_ledger(path)
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match=r"run.parquet: a rank ledger is needed"):
        read_ledger(path)
    pl.DataFrame({"rank": [1]}).write_parquet(path)
    with pytest.raises(DataError, match=r"run.parquet: a rank ledger is needed"):
        read_ledger(path)


def test_a_split_ledger_says_what_slices_need_and_names_nobody(tmp_path: Path):
    split = worlds.random_split(num_users=30, num_items=12, seed=0)
    path = split_path(tmp_path, split.checksum)
    assert path.name == f"split-{split.checksum[:12]}.parquet"
    write_split_ledger(path, split)
    frame = pl.read_parquet(path)
    assert frame.columns == ["target_train_count", "history_length", "target_in_history"]
    assert not any(kind == pl.String for kind in frame.dtypes)
    for user, (count, length, seen) in enumerate(frame.iter_rows()):
        target = split.test.targets[user]
        known = split.test.rows[split.test.starts[user] : split.test.ends[user]]
        assert count == (split.train.rows == target).sum()
        assert length == len(known)
        assert seen == (target in known)


def test_a_summary_is_the_mean_with_its_interval(tmp_path: Path):
    summary = summarize(LEDGER, ["hr@10", "ndcg@5"])
    assert list(summary) == ["hr@10", "ndcg@5"]
    for name, found in summary.items():
        assert found["mean"] == pytest.approx(metric(LEDGER, name).mean(), rel=1e-12)
        assert found["low"] < found["mean"] < found["high"]
        assert found["num_users"] == 200
    assert summary == summarize(LEDGER, ["hr@10", "ndcg@5"])  # its resampling has a fixed seed


def test_the_name_of_a_record_is_readable_and_holds_its_fingerprint():
    config = RunConfig(dataset="My Data/2", arm=TEXT, backbone=SASRecConfig(), seed=3)
    path = record_path(Path("folder"), config, fingerprint="abcdef0123456789" * 4)
    assert path == Path("folder/my-data-2-sasrec-text-seed-3-abcdef012345.json")


def test_records_come_back_in_the_order_of_their_files(tmp_path: Path):
    trained = RunConfig(dataset="d", arm=TEXT, backbone=SASRecConfig(), seed=3)
    popular = RunConfig(dataset="d", arm=Arm(name="pop", kind="popularity"), backbone=None)
    for config, key in ((trained, "a" * 64), (popular, "b" * 64)):
        write_record(record_path(tmp_path, config, fingerprint=key), record(config, key=key))
    found = read_records(tmp_path)
    assert [r["fingerprint"][0] for r in found.values()] == ["b", "a"]  # d-pop, d-sasrec
    assert all(json.loads(path.read_text()) == made for path, made in found.items())


def test_two_records_of_one_cell_are_refused(tmp_path: Path):
    config = RunConfig(dataset="d", arm=TEXT, backbone=SASRecConfig(), seed=3)
    for key in ("a" * 64, "b" * 64):
        write_record(record_path(tmp_path, config, fingerprint=key), record(config, key=key))
    message = r"\('d', 'SASRec', 'text', 3\) has two, a{12} and b{12}: remove the outdated one"
    with pytest.raises(DataError, match=message):
        read_records(tmp_path)


def test_a_folder_without_records_is_refused(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match="a folder with run records is needed; it holds none"):
            read_records(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "x.json: a run record must be JSON: "),
        ('"\\ud800', "x.json: a run record must be JSON: "),
        ("{}", "x.json: a run record of schema 1 is needed; found None"),
        ('{"schema": 2}', "x.json: a run record of schema 1 is needed; found 2"),
        ("[]", "x.json: a run record of schema 1 is needed; found list"),
    ],
)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, text: str, message: str):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_records(tmp_path)


def test_a_record_that_is_not_utf_8_is_refused(tmp_path: Path):
    (tmp_path / "x.json").write_bytes(b'{"schema": 1, "name": "\xe9"}')
    with pytest.raises(DataError, match=r"x.json: a run record must be JSON"):
        read_records(tmp_path)


def test_a_record_is_at_most_20_kilobytes(tmp_path: Path):
    assert MAX_RECORD_BYTES == 20_000
    path = tmp_path / "x.json"
    with pytest.raises(AssertionError, match="at most 20000 bytes; this has"):
        write_record(path, {"schema": 1, "long": "x" * 20_000})
    assert not path.exists()


def test_the_limit_is_that_of_the_file(tmp_path: Path):
    """What counts is what lies on disk, its indents and its letters beyond ASCII included."""
    path = tmp_path / "x.json"
    long = {"epochs": [{"loss": 1.5} for _ in range(1000)]}
    assert len(json.dumps(long)) < MAX_RECORD_BYTES
    with pytest.raises(AssertionError, match="at most 20000 bytes"):
        write_record(path, long)
    write_record(path, {"epochs": long["epochs"][:700]})
    assert path.stat().st_size <= MAX_RECORD_BYTES


def test_a_folder_named_like_a_record_is_named_and_left_out(tmp_path: Path):
    config = RunConfig(dataset="d", arm=TEXT, backbone=SASRecConfig())
    write_record(tmp_path / "run.json", record(config, key="a" * 64))
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(DataError, match=r"folder.json: a run record must be JSON: .*director"):
        read_records(tmp_path)
    said: list[str] = []
    assert list(read_records(tmp_path, say=said.append)) == [tmp_path / "run.json"]
    assert "left out: " in said[0] and "folder.json" in said[0]
