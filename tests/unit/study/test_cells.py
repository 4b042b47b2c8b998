"""Records and ledgers as cells: what belongs together, what is left out, what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from tcf.errors import DataError
from tcf.evaluate.metrics import metric
from tcf.study.cells import find_cell, open_pair, read_cells
from tcf.study.records import read_ledger
from tests.runs import ID, POPULARITY, TEXT, write_run, write_split


@pytest.fixture
def records(tmp_path: Path) -> Path:
    for seed in (2, 0, 1):
        write_run(tmp_path, ID, seed=seed)
    write_run(tmp_path, TEXT)
    write_run(tmp_path, POPULARITY)
    write_split(tmp_path)
    return tmp_path


def test_runs_of_one_arm_are_one_cell_by_seed(records: Path):
    cells = {cell.name: cell for cell in read_cells(records)}
    assert set(cells) == {"d/SASRec/ID", "d/SASRec/text", "d/popularity"}
    cell = cells["d/SASRec/ID"]
    assert cell.seeds == (0, 1, 2)
    assert (cell.dataset, cell.backbone, cell.arm) == ("d", "SASRec", "ID")
    expected = [metric(read_ledger(p.with_suffix(".parquet")), "ndcg@10") for p in cell.paths]
    np.testing.assert_array_equal(cell.values("ndcg@10"), expected)
    assert cells["d/popularity"].backbone is None


def test_one_seed_of_a_cell_is_a_cell(records: Path):
    cell = find_cell(read_cells(records), "SASRec/ID")
    assert cell.run(1).seeds == (1,)
    np.testing.assert_array_equal(cell.run(1).values("hr@10"), cell.values("hr@10")[1:2])
    with pytest.raises(ValueError, match="d/SASRec/ID has the seeds 0, 1, 2; got 7"):
        cell.run(7)


def test_what_is_damaged_is_named_and_the_rest_is_used(records: Path):
    damaged, lost, other, *_ = sorted(records.glob("d-sasrec-id-*.json"))
    damaged.write_text("{")
    lost.with_suffix(".parquet").unlink()
    write_run(records, ID, seed=7, num_users=50).with_suffix(".parquet").replace(
        other.with_suffix(".parquet")
    )
    said: list[str] = []
    cells = read_cells(records, say=said.append)
    assert {cell.arm for cell in cells} == {"popularity", "text"}
    assert len(said) == 4  # and the run that lent its ledger
    assert any("a run record must be JSON" in line and damaged.name in line for line in said)
    assert any("a rank ledger is needed" in line and lost.stem in line for line in said)
    assert any("it has 50 users, its record says [200]" in line for line in said)


def test_nothing_left_is_an_error(tmp_path: Path):
    path = write_run(tmp_path, ID)
    path.with_suffix(".parquet").unlink()
    with pytest.raises(DataError, match="no run has both a record and a ledger"):
        read_cells(tmp_path, say=lambda line: None)


def test_runs_of_another_split_are_refused(records: Path):
    write_run(records, TEXT, seed=5, checksum="b" * 64)
    message = "the runs of 'd' must come from one split; found c{12} .*, b{12} .*move the outdated"
    with pytest.raises(DataError, match=message):
        read_cells(records)


def test_runs_of_other_numbers_are_refused(records: Path):
    write_run(records, TEXT, seed=5, numbers=2)
    with pytest.raises(DataError, match=r"must come from the same numbers; found 1 .*, 2 "):
        read_cells(records)


def test_a_name_tells_one_cell(records: Path):
    cells = read_cells(records)
    assert find_cell(cells, "text").name == "d/SASRec/text"
    with pytest.raises(ValueError, match=r"'nobody' must name one cell; it names 0 of: d/"):
        find_cell(cells, "nobody")


def test_slices_need_the_ledger_of_the_split(records: Path):
    cell = read_cells(records)[0]
    (path,) = records.glob("split-*.parquet")
    path.unlink()
    with pytest.raises(DataError, match="the ledger of the split is needed for slices"):
        _ = cell.split


def test_the_ledger_of_the_split_has_the_users_of_the_runs(records: Path):
    write_split(records, num_users=10)
    with pytest.raises(DataError, match="must have the 200 users of the runs; it has 10"):
        _ = read_cells(records)[0].split


class TestOpenPair:
    def test_a_folder_with_the_name_of_a_cell(self, records: Path):
        a, b = open_pair(f"{records}/SASRec/ID", "SASRec/text")
        assert (a.name, b.name) == ("d/SASRec/ID", "d/SASRec/text")
        assert a.seeds == (0, 1, 2)

    def test_one_run_of_it(self, records: Path):
        a, b = open_pair(f"{records}/SASRec/ID/seed 1", "SASRec/ID/seed 2")
        assert (a.seeds, b.seeds) == ((1,), (2,))

    def test_two_files(self, records: Path):
        paths = sorted(records.glob("d-sasrec-id-*.json"))
        a, b = open_pair(*map(str, paths[:2]))
        assert (a.paths, b.paths) == ((paths[0],), (paths[1],))

    def test_another_folder_alone_takes_the_same_name(self, records: Path, tmp_path: Path):
        other = tmp_path / "new"
        write_run(other, ID)
        a, b = open_pair(f"{records}/SASRec/ID", str(other))
        assert a.name == b.name and b.paths[0].parent == other

    def test_what_is_neither_is_refused(self, records: Path, tmp_path: Path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError, match="must be a record's file, or a folder of records"):
            open_pair(f"{tmp_path}/empty/SASRec/ID", "x")
        with pytest.raises(ValueError, match="is a folder: name one of its cells after it, of: d/"):
            open_pair(str(records), "x")
        with pytest.raises(ValueError, match="'nobody' must name one cell"):
            open_pair(f"{records}/SASRec/ID", "nobody")

    def test_a_file_that_is_no_record_is_refused(self, records: Path):
        path = next(records.glob("d-sasrec-id-*.json"))
        path.write_text(json.dumps({"schema": 9}))
        with pytest.raises(DataError, match="a run record of schema 1 is needed; found 9"):
            open_pair(str(path), str(path))

    def test_a_run_without_its_ledger_is_refused(self, records: Path):
        path = next(records.glob("d-sasrec-id-*.json"))
        path.with_suffix(".parquet").unlink()
        with pytest.raises(DataError, match="a rank ledger is needed"):
            open_pair(str(path), str(path))
