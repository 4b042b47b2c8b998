"""Every format of `tests.samples` holds the same world, and every reader finds it."""

from pathlib import Path

import numpy as np
import pytest

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats import READERS, read_folder
from tests.samples import HISTORIES, ITEMS, SAMPLES, START, TIMES, Sample


def told(catalog: Catalog, taken: Interactions) -> dict[str, list[str]]:
    """Each user's item ids, oldest first."""
    ids = np.array(["", *catalog.item_ids], dtype=object)[taken.rows]
    parts = np.split(ids, taken.offsets[1:-1])
    return {user: part.tolist() for user, part in zip(taken.user_ids, parts, strict=True)}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_reader_finds_the_items_users_and_times(tmp_path: Path, name: str):
    sample = SAMPLES[name]
    catalog, taken = read_folder(
        sample.write(tmp_path), reader=None if sample.told else sample.reader, **sample.options
    )
    assert dict(zip(catalog.item_ids, catalog.texts, strict=True)) == {
        item_id: sample.text.format(title) for item_id, title in ITEMS.items()
    }
    expected = HISTORIES
    if name == "recbole sequences":
        expected = {**HISTORIES, "u03": ["3", "01"]}
    assert told(catalog, taken) == expected
    if sample.timed:
        assert taken.times is not None and taken.times.dtype == np.int64
        assert taken.times.tolist() == [t for user in taken.user_ids for t in TIMES[user]]
    elif sample.reader != "mind":
        assert taken.times is None


@pytest.mark.parametrize("name", SAMPLES)
def test_the_named_reader_reads_the_same(tmp_path: Path, name: str):
    sample: Sample = SAMPLES[name]
    folder = sample.write(tmp_path)
    catalog, taken = READERS[sample.reader](folder, **sample.options)
    again, taken_again = read_folder(folder, reader=sample.reader, **sample.options)
    assert again == catalog
    np.testing.assert_array_equal(taken_again.rows, taken.rows)


def test_every_reader_has_a_sample():
    found = {sample.reader for sample in SAMPLES.values()}
    assert found == set(READERS) - {"prepared"}  # which is no text: test_prepared.py


def test_what_mind_clicked_before_bears_the_time_of_the_first_impression(tmp_path: Path):
    _, taken = read_folder(SAMPLES["mind"].write(tmp_path))
    earliest = START + 2 * 86_400  # u1 and u2 were not shown their first items
    assert taken.times is not None
    assert taken.times[taken.offsets[:-1]].tolist() == [earliest, earliest, START + 3 * 86_400]
