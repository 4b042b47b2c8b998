"""The table of data sets: whole, true of the code, and what it says is compared."""

import re
from pathlib import Path

import pytest

from tcf.data.dataset import Counts, DataSet
from tcf.data.datasets import DATASETS, find_dataset, listing, load_dataset
from tcf.data.formats import READERS
from tcf.errors import DataError
from tests.samples import SAMPLES
from tests.unit.data.test_download import movies

EVERY = pytest.mark.parametrize("name", DATASETS)


def test_the_data_sets_of_the_field_are_there():
    families = "amazon bili goodbooks hm microlens mind movielens ninerec pixelrec recbole steam"
    own = {"plain", "prepared", "study"}  # of no one publisher
    assert {one.reader for one in DATASETS.values()} == set(READERS) - own
    for family in [*families.split(), "transrec", "yelp"]:
        assert any(name.startswith(family) for name in DATASETS), family
    assert [name for name, *_ in listing()] == sorted(DATASETS)


@EVERY
def test_an_entry_says_where_and_under_what_terms(name: str):
    one = DATASETS[name]
    assert one.title and one.licence and re.search(r"\d{4}|http", one.citation)
    assert one.page.startswith("https://")
    assert one.by_hand or (one.files and all(file.addresses for file in one.files))
    assert name == name.lower()


@EVERY
def test_addresses_are_secured_and_checksums_well_formed(name: str):
    one = DATASETS[name]
    for file in one.files_of(one.parts[0] if one.parts else None):
        assert "{" not in file.name and "/" not in file.name
        for address in file.addresses:
            assert re.fullmatch(r"https://[^\s{}]+", address)
        if file.checksum:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", file.checksum)
            assert file.num_bytes


@EVERY
def test_the_reader_is_there_and_checked_as_the_table_says(name: str):
    one = DATASETS[name]
    assert one.reader in READERS
    assert one.reader in {sample.reader for sample in SAMPLES.values()}
    assert one.text is None or "{" in one.text


def test_parts_are_distinct():
    for one in DATASETS.values():
        assert len(set(one.parts)) == len(one.parts)


def made(counts: Counts, **settings) -> DataSet:
    return DataSet(**{**vars(movies()), "counts": counts, **settings})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return SAMPLES["movielens 100k"].write(tmp_path)


@pytest.mark.parametrize(
    "counts",
    [Counts(3, 4, 6), Counts(3), Counts(), Counts(9_999, 9, 9, about=True)],
)
def test_what_is_said_is_compared(folder: Path, counts: Counts):
    catalog, interactions = load_dataset(made(counts), folder)
    assert (interactions.num_users, catalog.num_items, interactions.num_interactions) == (3, 4, 6)


@pytest.mark.parametrize("counts", [Counts(4, 4, 6), Counts(items=5), Counts(interactions=7_000)])
def test_other_counts_are_refused_unless_accepted(folder: Path, counts: Counts):
    with pytest.raises(
        DataError, match=r"must have .*; found 3 users, 4 items, 6 interactions: check"
    ):
        load_dataset(made(counts), folder)
    load_dataset(made(counts), folder, accept_counts=True)


def test_options_go_to_the_reader_and_override_the_tables(folder: Path):
    one = made(Counts(), options={"text": "{title}. {genres}"})
    assert one.text == "{title}. {genres}"
    assert load_dataset(one, folder)[0].texts[1] == "it's two. Drama|War"
    assert load_dataset(one, folder, text="{genres}")[0].texts[1] == "Drama|War"


def test_counts_are_shown_as_they_are_meant():
    assert str(Counts(1_234, None, 5)) == "1,234 users, 5 interactions"
    assert Counts(1_234, 5, about=True).shown() == ("≈ 1,234", "≈ 5", "")
    assert str(Counts()) == ""


def test_names_and_objects_are_found():
    one = DATASETS["movielens-1m"]
    assert find_dataset(one) is one and find_dataset("movielens-1m") is one
    with pytest.raises(ValueError, match=r"data set must be one of .*did you mean 'goodbooks-10k'"):
        find_dataset("goodbooks")
