"""Labels of items: what readers take, what keeps them, and which an item has."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tcf.data import (
    Catalog,
    Labels,
    filter_core,
    filter_interactions,
    join_datasets,
    leave_one_out,
    open_prepared,
    read_folder,
    read_items,
    write_prepared,
)
from tcf.data.simulate import simulate
from tcf.data.strings import Strings
from tcf.errors import DataError
from tests import worlds
from tests.samples import ITEMS, SAMPLES

FOUR = Catalog(("a", "b", "c", "d"), ("A", "B", "C", "D"), ("War| Drama |War", "", " |", "Drama"))


class TestLabels:
    def test_each_item_has_its_own_once(self):
        found = Labels.of(FOUR)
        assert found.names == ("Drama", "War") and found.num_labels == 2
        parts = np.split(found.numbers, found.offsets[1:-1])
        assert [part.tolist() for part in parts] == [[], [1, 0], [], [], [0]]
        assert found.counts().tolist() == [0, 2, 0, 0, 1]

    def test_the_separator_is_ones_own(self):
        spaced = replace(FOUR, labels=("War Drama", "Sci-Fi", "", "War"))
        assert Labels.of(spaced, separator=" ").names == ("Drama", "Sci-Fi", "War")
        assert Labels.of(spaced).names == ("Sci-Fi", "War", "War Drama")

    def test_the_key_is_that_of_the_names(self):
        same = replace(FOUR, labels=("Drama", "War", "", ""))
        assert Labels.of(same).key == Labels.of(FOUR).key
        assert Labels.of(replace(FOUR, labels=("War", "", "", ""))).key != Labels.of(FOUR).key

    def test_a_catalogue_without_is_refused(self):
        with pytest.raises(DataError, match=r"read it with the option labels, .*='{genres}'"):
            Labels.of(replace(FOUR, labels=None))
        with pytest.raises(DataError, match="an item at least needs a label; all 4 have none"):
            Labels.of(replace(FOUR, labels=("", "|", " ", "")))
        with pytest.raises(ValueError, match="a separator of labels needs one character or more"):
            Labels.of(FOUR, separator="")


class TestKept:
    def test_a_selection_has_its_labels(self):
        assert FOUR.select(np.array([4, 1])).labels == ("Drama", "War| Drama |War")
        assert replace(FOUR, labels=None).select(np.array([2])).labels is None

    def test_filters_keep_them(self):
        catalog, taken = simulate(num_users=60, num_items=80, seed=0)
        assert catalog.labels is not None
        told = dict(zip(catalog.item_ids, catalog.labels, strict=True))
        for made in (filter_interactions, filter_core):
            kept = made(catalog, taken)[0]
            assert kept.labels is not None
            assert list(kept.labels) == [told[item_id] for item_id in kept.item_ids]

    @pytest.mark.parametrize("labelled", [True, False])
    def test_a_prepared_data_set_has_them(self, tmp_path: Path, labelled: bool):
        catalog, taken = simulate(num_users=30, num_items=60, seed=0)
        catalog = catalog if labelled else replace(catalog, labels=None)
        write_prepared(tmp_path / "p", catalog, taken)
        columns = ["item_id", "text", *(["labels"] if labelled else [])]
        assert pl.read_ipc(tmp_path / "p" / "items.arrow").columns == columns
        again = open_prepared(tmp_path / "p", verify=True)[0]
        assert again.labels == catalog.labels
        assert again.labels_checksum == catalog.labels_checksum
        if labelled:
            assert isinstance(again.labels, Strings)
            assert isinstance(again.select(np.array([2])).labels, Strings)
            assert Labels.of(again).names == Labels.of(catalog).names

    def test_joined_data_sets_have_them_where_each_has(self):
        taken = worlds.interactions([[1, 2, 3]])
        other = replace(FOUR, labels=("x", "War", "", ""))
        joined = join_datasets({"a": (FOUR, taken), "b": (other, taken)}, prefixed=True)[0]
        assert joined.labels == (*(FOUR.labels or ()), "x", "War", "", "")
        without = replace(FOUR, labels=None)
        joined = join_datasets({"a": (FOUR, taken), "b": (without, taken)}, prefixed=True)[0]
        assert joined.labels is None

    def test_one_string_an_item(self):
        with pytest.raises(DataError, match="got 4 ids and 1 labels"):
            replace(FOUR, labels=("x",))

    def test_a_checksum_of_their_own_and_no_part_of_the_splits(self):
        catalog, taken = simulate(num_users=30, num_items=60, seed=0)
        other = replace(catalog, labels=None)
        assert leave_one_out(catalog, taken).checksum == leave_one_out(other, taken).checksum
        assert other.labels_checksum is None
        assert catalog.labels_checksum != FOUR.labels_checksum
        assert FOUR.labels_checksum == replace(FOUR, texts=("x",) * 4).labels_checksum


class TestSimulated:
    def test_the_label_is_the_topic_which_titles_tell_mostly(self):
        catalog, _ = simulate(num_users=10, num_items=2000, seed=0)
        found = Labels.of(catalog)
        assert found.num_labels == 16 and (found.counts()[1:] == 1).all()
        pairs = zip(catalog.texts, catalog.labels or (), strict=True)
        assert 0.1 < np.mean([label in text.split() for text, label in pairs]) < 0.3

    def test_what_spoils_titles_leaves_it(self):
        plain, _ = simulate(num_users=10, num_items=50, seed=0)
        spoilt, _ = simulate(num_users=10, num_items=50, seed=0, swapped_titles=0.5)
        assert spoilt.labels == plain.labels and spoilt.texts != plain.texts


READ = {
    "plain tsv": ("{item_id}", [*ITEMS]),
    "mind": ("{category}|{subcategory}", ["news|sport"] * 4),
    "hm": ("{department_name}", ["Socks"] * 4),
    "pixelrec": ("{item_id}", [*ITEMS]),
    "movielens 100k": ("{genres}", ["Drama|War"] * 4),
    "movielens 1m": ("{genres}", ["Drama|War"] * 4),
    "recbole": ("{item_id}", [*ITEMS]),
}


class TestReaders:
    @pytest.mark.parametrize("name", READ)
    def test_a_template_tells_them(self, tmp_path: Path, name: str):
        sample, (template, expected) = SAMPLES[name], READ[name]
        folder = sample.write(tmp_path)
        options = {"reader": sample.reader, **sample.options}
        catalog, _ = read_folder(folder, labels=template, **options)
        assert sorted(catalog.labels or ()) == sorted(expected)
        plain, _ = read_folder(folder, **options)
        assert plain == replace(catalog, labels=None)

    def test_an_item_may_lack_them(self, tmp_path: Path):
        (tmp_path / "items.tsv").write_text("item_id\ttitle\tgenres\n1\tone\t\n2\ttwo\tWar\n")
        assert read_items(tmp_path / "items.tsv", labels="{genres}").labels == ("", "War")

    def test_files_of_mind_that_disagree_are_refused(self, tmp_path: Path):
        for part, topic in (("MINDsmall_train", "sport"), ("MINDsmall_dev", "news")):
            for file, content in SAMPLES["mind"].files.items():
                path = tmp_path / part / file
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content.replace(b"sport", topic.encode()))
        assert read_folder(tmp_path)[0].labels is None
        with pytest.raises(DataError, match=r"an item has one label .*'news' here and 'sport'"):
            read_folder(tmp_path, labels="{subcategory}")

    def test_a_template_is_checked_like_that_of_texts(self, tmp_path: Path):
        (tmp_path / "items.tsv").write_text("item_id\ttitle\n1\tone\n")
        for template, message in (("x", "labels must name a column"), ("{a!r}", "labels takes")):
            with pytest.raises(ValueError, match=message):
                read_items(tmp_path / "items.tsv", labels=template)
        with pytest.raises(DataError, match="'genres'"):
            read_items(tmp_path / "items.tsv", labels="{genres}")
