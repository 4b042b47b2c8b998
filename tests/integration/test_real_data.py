"""Real data where it is at hand: counts, quotes, and the two forms of MicroLens.

`TCF_TEST_DATA` names the folder; without it, ``../shared/data`` beside the repository.
"""

import gzip
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from experiments.neighbours.study import with_genres
from experiments.q3_versus_id import study as versus_id
from tcf.data.audit import audit_files, split_findings
from tcf.data.catalog import Catalog, Interactions
from tcf.data.datasets import DATASETS, load_dataset
from tcf.data.filter import FilterReport, filter_interactions
from tcf.data.formats import read_folder, read_items, read_microlens, read_movies
from tcf.data.formats.mind import read_behaviors
from tcf.data.labels import Labels
from tcf.data.partial import Digests
from tcf.data.split import leave_one_out
from tcf.errors import DataError
from tcf.evaluate.metrics import metric
from tcf.evaluate.ranking import rank_targets
from tcf.model.popularity import Popularity
from tcf.study.opened import load_split
from tests import worlds
from tests.property.test_fuzzed_files import CHANGES

REPOSITORY = Path(__file__).parents[2]
DATA = Path(os.environ.get("TCF_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


def folder(*names: str) -> Path:
    path = DATA.joinpath(*names)
    if not path.is_dir():
        pytest.skip(f"{path} is not at hand: set TCF_TEST_DATA to a folder that holds it")
    return path


@pytest.fixture(scope="module")
def unrolled() -> tuple[Catalog, Interactions]:
    return read_folder(folder("microlens-50k"))


@pytest.fixture(scope="module")
def kept(unrolled) -> tuple[Catalog, Interactions, FilterReport]:
    return filter_interactions(*unrolled)


def test_microlens_has_its_published_counts(unrolled):
    catalog, taken = unrolled
    assert (taken.num_users, catalog.num_items, taken.num_interactions) == (50_000, 19_220, 359_708)


def test_the_published_protocol_keeps_what_it_kept_before(kept):
    catalog, taken, report = kept
    assert (taken.num_users, catalog.num_items, taken.num_interactions) == (50_000, 19_158, 352_494)
    assert report.interactions_before == 359_708
    assert str(report) == (
        "kept 50,000 of 50,000 users, 19,158 of 19,220 items, 352,494 of 359,708 interactions"
    )


def test_the_published_and_the_unrolled_files_say_the_same(unrolled):
    catalog, taken = unrolled
    published_catalog, published = read_microlens(folder("formats", "microlens-50k"))
    assert sorted(published_catalog.item_ids) == sorted(catalog.item_ids)
    text_of = dict(zip(catalog.item_ids, catalog.texts, strict=True))
    for item_id, text in zip(published_catalog.item_ids, published_catalog.texts, strict=True):
        assert text.split() == text_of[item_id].split()  # the unrolled one squeezed its whitespace
    assert sorted(published.user_ids) == sorted(taken.user_ids)
    unrolled_ids = worlds.history_ids(catalog, taken)
    assert worlds.history_ids(published_catalog, published) == unrolled_ids


@pytest.mark.parametrize(
    ("name", "problems", "warnings"),
    [
        ("microlens-50k", set(), {"cold targets", "near-duplicate texts"}),
        (
            "ml-latest-small",
            set(),
            {"equal times", "item order", "training after the cut", "cold targets"},
        ),
        (
            "online-retail",
            {"equal times"},  # an invoice has one time
            {
                "short histories",
                "repeated items",
                "item order",
                "cut texts",  # descriptions end at 35 characters
                "near-duplicate texts",
                "training after the cut",
            },
        ),
    ],
)
def test_the_audit_of_the_three_data_sets(name: str, problems: set[str], warnings: set[str]):
    catalog, taken = read_folder(folder(name))
    findings = audit_files(catalog, taken, min_interactions=5, seed=0)
    items, taken, _ = filter_interactions(catalog, taken)
    findings += split_findings(leave_one_out(items, taken))
    assert {f.check for f in findings if f.verdict == "problem"} == problems
    assert {f.check for f in findings if f.verdict == "warning"} == warnings


def test_titles_are_the_files_own_characters():
    """Quotes and hash signs included: each line is a tab apart from its id, and nothing else."""
    for name in ("microlens-50k", "online-retail", "ml-latest-small"):
        path = folder(name) / "items.tsv.gz"
        header, *lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
        place = header.split("\t").index("title")
        titles = [line.split("\t")[place] for line in lines]
        assert list(read_items(path).texts) == titles


def test_online_retail_has_titles_with_quotes():
    texts = read_items(folder("online-retail") / "items.tsv.gz").texts
    quoted = [text for text in texts if '"' in text or "'" in text]
    assert quoted
    assert any(text.count('"') % 2 for text in texts)  # what a CSV reader would trip over


@pytest.mark.parametrize("name", ["online-retail", "ml-latest-small"])
def test_other_folders_become_splits(name: str):
    catalog, taken, _ = filter_interactions(*read_folder(folder(name)))
    split = leave_one_out(catalog, taken)
    assert split.train.num_interactions + 2 * split.num_users == taken.num_interactions
    assert split.train.rows.min() >= 1 and split.train.rows.max() <= split.num_items


def test_popularity_finds_what_it_found_before(kept):
    catalog, taken, _ = kept
    split = leave_one_out(catalog, taken)
    ledger = rank_targets(Popularity(split), split.test)
    assert metric(ledger, "hr@10").mean() == pytest.approx(0.0029, abs=0.00005)


@pytest.mark.parametrize(
    ("name", "users", "items", "interactions"),
    [
        ("ml-100k", 943, 1_682, 100_000),
        ("recbole-ml-100k", 943, 1_682, 100_000),
        ("ml-latest-small", 671, 9_125, 100_004),
        ("microlens-50k", 50_000, 19_220, 359_708),
    ],
)
def test_published_files_have_their_published_counts(
    name: str, users: int, items: int, interactions: int
):
    catalog, taken = read_folder(folder("formats", name))
    counts = (taken.num_users, catalog.num_items, taken.num_interactions)
    assert counts == (users, items, interactions)
    assert (taken.times is None) == (name == "microlens-50k")


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("microlens-50k", "microlens-50k"),
        ("movielens-100k", "ml-100k"),
        ("movielens-latest-small-2016", "ml-latest-small"),
        ("recbole-ml-100k", "recbole-ml-100k"),
    ],
)
def test_the_originals_are_what_the_table_of_data_sets_says(name: str, held: str):
    one, path = DATASETS[name], folder("formats", held)
    assert one.checked == "original files"
    assert None not in (one.counts.users, one.counts.items, one.counts.interactions)
    load_dataset(name, path)
    for file in one.files:
        if (path / file.name).exists():
            digests = Digests(file.checksum)
            digests.add(path / file.name)
            assert digests.wrong() is None
            assert (path / file.name).stat().st_size == file.num_bytes


def test_another_edition_is_named():
    with pytest.raises(
        DataError,
        match=r"MovieLens latest-small \(September 2018\) must have 610 users, 9,742 items, "
        "100,836 interactions; found 671 users, 9,125 items, 100,004 interactions: check",
    ):
        load_dataset("movielens-latest-small", folder("formats", "ml-latest-small"))


def test_every_original_that_the_table_speaks_of_is_tried():
    names = {name for name, one in DATASETS.items() if one.checked == "original files"}
    assert names == {
        "microlens-50k",
        "movielens-100k",
        "movielens-latest-small-2016",
        "recbole-ml-100k",
    }


def test_two_formats_of_movielens_100k_say_the_same():
    (catalog, taken), (again, taken_again) = (
        read_folder(folder("formats", name)) for name in ("ml-100k", "recbole-ml-100k")
    )
    assert again.item_ids == catalog.item_ids
    assert taken_again.user_ids == taken.user_ids
    for name in ("rows", "offsets", "times"):
        np.testing.assert_array_equal(getattr(taken_again, name), getattr(taken, name))
    pairs = zip(catalog.texts, again.texts, strict=True)
    starting = sum(text.startswith(title) for text, title in pairs)
    assert starting / catalog.num_items > 0.7  # RecBole moved articles and took the years away


def test_movies_of_old_editions_are_latin_1():
    movies = read_movies(folder("formats", "ml-1m-partial"), text="{title}. {genres}")
    assert movies.num_items == 3_883
    assert "Misérables, Les (1995). Drama|Musical" in movies.texts
    assert "Misérables, Les (1995)" in read_movies(folder("formats", "ml-100k")).texts


def test_the_sample_of_mind_has_5000_impressions_and_2000_items(caplog: pytest.LogCaptureFixture):
    path = folder("formats", "mind-small-sample")
    behaviors = read_behaviors(path / "behaviors.tsv").frame
    assert behaviors.height == 5_000
    with pytest.raises(DataError, match=r"behaviors.tsv:1: every item of an interaction must be"):
        read_folder(path)
    with caplog.at_level(logging.WARNING):
        catalog, taken = read_folder(path, missing="drop")
    assert catalog.num_items == 2_000 and catalog.texts[0].startswith("New Florida Majority")
    histories = behaviors.unique("user_id")["history"].str.split(" ").explode()
    shown = behaviors["impressions"].str.split(" ").explode()
    clicked = shown.filter(shown.str.ends_with("-1")).str.head(-2)
    known = set(catalog.item_ids)
    expected = sum(item in known for item in [*histories, *clicked])
    assert taken.num_interactions == expected
    assert "have more than one history" not in caplog.text


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("ml-100k", "u.item"),
        ("ml-latest-small", "movies.csv"),
        ("ml-latest-small", "ratings.csv"),
        ("recbole-ml-100k", "ml-100k.item"),
        ("mind-small-sample", "news.tsv"),
        ("mind-small-sample", "behaviors.tsv"),
        ("microlens-50k", "MicroLens-50k_pairs.tsv"),
        ("microlens-50k", "MicroLens-50k_titles.csv"),
    ],
)
def test_a_damaged_real_file_gives_no_item_the_text_of_another(
    tmp_path: Path, name: str, damaged: str
):
    source, rng = folder("formats", name), np.random.default_rng(0)
    options = {"missing": "drop"} if name.startswith("mind") else {}
    whole, _ = read_folder(source, **options)
    text_of = dict(zip(whole.item_ids, whole.texts, strict=True))
    for path in source.iterdir():
        (tmp_path / path.name).symlink_to(path)
    content = (source / damaged).read_bytes()
    for change in CHANGES[2:]:  # one of the three that are the same
        (tmp_path / damaged).unlink()
        (tmp_path / damaged).write_bytes(change(content, rng))
        try:
            catalog, taken = read_folder(tmp_path, **options)
        except DataError as error:
            assert str(tmp_path) in str(error)
            continue
        assert taken.rows.min() >= 1 and taken.rows.max() <= catalog.num_items
        texts = zip(catalog.item_ids, catalog.texts, strict=True)
        changed = [text for item_id, text in texts if text_of.get(item_id, text) != text]
        assert not set(changed) & set(whole.texts)  # no item has the text of another


def test_genres_of_films_are_labels_and_most_films_have_several():
    folder("ml-latest-small")
    catalog, _ = with_genres(DATA)
    found = Labels.of(catalog, separator=" ")
    assert found.num_labels == 19 and "Film-Noir" in found.names
    counts = found.counts()[1:]
    assert (counts == 0).sum() == 6 and 2 < counts.mean() < 3


def test_sets_of_items_that_are_compared_are_those_large_enough_for_a_panel():
    for dataset, wanted in versus_id.LARGE_ENOUGH.items():
        folder(dataset)
        found = []
        for name in versus_id.sets():
            try:
                split, _ = load_split(versus_id.study_of(dataset, name), DATA)
            except DataError:  # nothing is left
                continue
            if not name or (split.num_items >= 500 and split.num_users >= 1000):
                found.append(name)
        assert tuple(found) == wanted
