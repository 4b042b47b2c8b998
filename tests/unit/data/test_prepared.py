"""The prepared form: mapped as it was written, refused when it is not whole."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tcf.data import filter_interactions, leave_one_out, read_folder
from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats import delimited, json_lines, tables
from tcf.data.prepared import open_prepared, write_prepared
from tcf.data.simulate import simulate
from tcf.data.strings import Strings
from tcf.errors import DataError
from tests.samples import SAMPLES

PLAIN = next(name for name, sample in SAMPLES.items() if sample.reader == "plain")


@pytest.fixture
def world() -> tuple[Catalog, Interactions]:
    catalog, taken = simulate(num_users=40, num_items=60, seed=0)
    times = np.arange(taken.num_interactions)
    return catalog, Interactions(taken.user_ids, taken.rows, taken.offsets, times)


def assert_same(found: tuple[Catalog, Interactions], wanted: tuple[Catalog, Interactions]):
    assert found[0].item_ids == tuple(wanted[0].item_ids)
    assert found[0].texts == tuple(wanted[0].texts)
    assert found[1].user_ids == tuple(wanted[1].user_ids)
    np.testing.assert_array_equal(found[1].rows, wanted[1].rows)
    np.testing.assert_array_equal(found[1].offsets, wanted[1].offsets)
    if wanted[1].times is None:
        assert found[1].times is None
    else:
        np.testing.assert_array_equal(found[1].times, wanted[1].times)


class TestWrittenAndOpened:
    def test_it_is_the_same_data_set_mapped(self, tmp_path: Path, world):
        write_prepared(tmp_path / "p", *world)
        found = open_prepared(tmp_path / "p", verify=True)
        assert_same(found, world)
        assert isinstance(found[1].rows, np.memmap)
        assert not found[1].rows.flags.writeable

    def test_its_split_has_the_same_checksum(self, tmp_path: Path, world):
        write_prepared(tmp_path / "p", *world)
        splits = [
            leave_one_out(*filter_interactions(*data)[:2])
            for data in (world, open_prepared(tmp_path / "p"))
        ]
        assert splits[0].checksum == splits[1].checksum

    def test_without_times(self, tmp_path: Path, world):
        catalog, taken = world
        order_only = Interactions(taken.user_ids, taken.rows, taken.offsets)
        write_prepared(tmp_path / "p", catalog, order_only)
        assert_same(open_prepared(tmp_path / "p"), (catalog, order_only))

    def test_read_folder_knows_it(self, tmp_path: Path, world):
        write_prepared(tmp_path / "p", *world)
        assert_same(read_folder(tmp_path / "p"), world)

    def test_it_may_be_written_again_over_itself(self, tmp_path: Path, world):
        write_prepared(tmp_path / "p", *world)
        write_prepared(tmp_path / "p", *open_prepared(tmp_path / "p"))
        assert_same(open_prepared(tmp_path / "p"), world)

    def test_another_folder_is_not_replaced(self, tmp_path: Path, world):
        (tmp_path / "thesis.tex").write_text("years of work")
        with pytest.raises(DataError, match=r"must be new or hold a prepared data set.*another"):
            write_prepared(tmp_path, *world)
        assert (tmp_path / "thesis.tex").read_text() == "years of work"

    def test_a_failed_writing_leaves_nothing(self, tmp_path: Path, world):
        catalog, taken = world
        broken = Catalog(catalog.item_ids, [b"bytes"] * catalog.num_items)  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError):
            write_prepared(tmp_path / "p", broken, taken)
        assert list(tmp_path.iterdir()) == []


class TestDamage:
    @pytest.mark.parametrize("name", ["items.arrow", "users.arrow", "rows.npy", "times.npy"])
    def test_a_missing_or_short_file_is_named(self, tmp_path: Path, world, name: str):
        write_prepared(tmp_path / "p", *world)
        path = tmp_path / "p" / name
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(DataError, match=rf"{name}: .*as it was written.*prepare .* again"):
            open_prepared(tmp_path / "p")
        path.unlink()
        with pytest.raises(DataError, match=rf"{name}: .*found none"):
            open_prepared(tmp_path / "p")

    def test_a_changed_byte_is_found_when_asked(self, tmp_path: Path, world):
        write_prepared(tmp_path / "p", *world)
        path = tmp_path / "p" / "rows.npy"
        path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
        with pytest.raises(DataError, match=r"rows.npy: .*sha256"):
            open_prepared(tmp_path / "p", verify=True)

    def test_a_header_that_lies_is_refused(self, tmp_path: Path, world):
        write_prepared(tmp_path / "p", *world)
        path = tmp_path / "p" / "rows.npy"
        path.write_bytes(b"no npy" + path.read_bytes()[6:])
        with pytest.raises(DataError, match=r"cannot be read .*prepare it again"):
            open_prepared(tmp_path / "p")

    @pytest.mark.parametrize("manifest", ["", "[]", json.dumps({"format": 0, "files": {}})])
    def test_a_manifest_of_another_kind_is_refused(self, tmp_path: Path, manifest: str):
        (tmp_path / "prepared.json").write_text(manifest)
        with pytest.raises(DataError, match=r"the manifest of .*format 1 is needed; found"):
            open_prepared(tmp_path)


class TestCache:
    def test_the_second_call_maps_what_the_first_read(self, tmp_path: Path):
        folder = SAMPLES[PLAIN].write(tmp_path / "data")
        cache = tmp_path / "cache"
        first = read_folder(folder, cache=cache)
        kept = list((cache / "prepared").iterdir())
        second = read_folder(folder, cache=cache)
        assert_same(second, read_folder(folder))
        assert_same(first, second)
        assert isinstance(second[0].item_ids, Strings)
        assert list((cache / "prepared").iterdir()) == kept

    def test_a_changed_file_and_another_option_are_read_anew(self, tmp_path: Path):
        folder, cache = SAMPLES[PLAIN].write(tmp_path / "data"), tmp_path / "cache"
        read_folder(folder, cache=cache)
        catalog, _ = read_folder(folder, cache=cache, text="<{title}>")
        assert catalog.texts[0].startswith("<")
        path = next(folder.glob("interactions.*"))
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
        read_folder(folder, cache=cache)
        assert len(list((cache / "prepared").iterdir())) == 3


class TestStrings:
    def test_it_is_a_sequence(self, tmp_path: Path, world):
        write_prepared(tmp_path / "p", *world)
        catalog, _ = open_prepared(tmp_path / "p")
        ids = catalog.item_ids
        assert (len(ids), ids[0], ids[-1], ids[np.int64(2)]) == (60, "item-1", "item-60", "item-3")
        assert ids[1:3] == ("item-2", "item-3") and ids != ("item-2",) and ids != "item"
        assert "item-7" in ids and ids.index("item-7") == 6
        assert list(catalog.rows_of(["item-2", "item-60"])) == [2, 60]
        assert catalog.select(np.array([3, 1])).item_ids == ("item-3", "item-1")
        assert repr(ids).startswith("Strings(60: ['item-1',")
        with pytest.raises(IndexError):
            ids[60]


@pytest.mark.parametrize("name", SAMPLES)
def test_batches_of_two_rows_give_the_same(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    sample = SAMPLES[name]
    folder = sample.write(tmp_path)
    whole = read_folder(folder, reader=sample.reader, **sample.options)
    for module in (delimited, json_lines, tables):
        monkeypatch.setattr(module, "BATCH_ROWS", 2)
    assert_same(read_folder(folder, reader=sample.reader, **sample.options), whole)
