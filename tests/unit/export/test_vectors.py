"""Vectors and indexes: their products are the scores, and files come back as they were."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from tcf.encode.backends.arrays import read_vectors
from tcf.encode.embeddings import Embeddings
from tcf.errors import DataError
from tcf.evaluate.ranking import count_ranks, rank_targets
from tcf.export import FORMATS, INDEXES, exact_top, recall, vectors_of, write_index, write_vectors
from tcf.export.vectors import Vectors
from tcf.model import DSSM, IdTower, Recommender, SASRec
from tests import worlds

SPLIT = worlds.block_split(num_blocks=20, num_users=200)


def recommender(backbone: str = "SASRec", **settings) -> Recommender:
    made = (
        SASRec(dim=16)
        if backbone == "SASRec"
        else DSSM(num_users=SPLIT.num_users, dim=16, num_layers=1)
    )
    return Recommender(IdTower(SPLIT.num_items, dim=16), made, seed=0, **settings)


def exported(**settings) -> Vectors:
    return vectors_of(recommender(**settings), SPLIT, name="a run", about={"fingerprint": "f"})


@pytest.mark.parametrize(
    "settings", [{}, {"backbone": "DSSM"}, {"scores": "cosine"}], ids=["SASRec", "DSSM", "cosine"]
)
def test_their_products_give_the_ledger_of_the_test(settings: dict):
    model = recommender(**settings).train()
    made = vectors_of(model, SPLIT, name="a run")
    assert model.training
    users, items = (torch.from_numpy(part.vectors) for part in (made.users, made.items))
    found, expected = count_ranks(users, items, SPLIT.test), rank_targets(model, SPLIT.test)
    np.testing.assert_array_equal(found.rank, expected.rank)
    np.testing.assert_array_equal(found.ties, expected.ties)
    assert made.items.item_ids == SPLIT.catalog.item_ids
    assert made.users.item_ids == SPLIT.train.user_ids


def test_the_key_is_that_of_the_vectors_and_of_what_is_said_of_them():
    one, same = exported(), exported()
    assert one.items.key == same.items.key != one.users.key
    assert one.items.manifest["fingerprint"] == "f" and one.items.manifest["name"] == "a run"
    assert exported(scores="cosine").items.key != one.items.key


@pytest.mark.parametrize("ending", FORMATS)
def test_files_come_back_as_they_were(ending: str, tmp_path: Path):
    made = exported()
    paths = write_vectors(made, tmp_path / "new", ending=ending)
    assert [path.name for path in paths] == [f"items.{ending}", f"users.{ending}"]
    for name, path, part in zip(("item", "user"), paths, (made.items, made.users), strict=True):
        found = read_vectors(path, id_column=f"{name}_id")
        assert found.item_ids == part.item_ids
        np.testing.assert_array_equal(found.vectors, part.vectors)
    assert not list((tmp_path / "new").glob(".*"))


def test_parquet_names_its_columns(tmp_path: Path):
    write_vectors(exported(), tmp_path, ending="parquet")
    assert pl.read_parquet_schema(tmp_path / "users.parquet") == {
        "user_id": pl.String,
        "vector": pl.Array(pl.Float32, 16),
    }


def test_an_id_that_is_no_line_is_not_written_as_one(tmp_path: Path):
    made = exported()
    ids = ("a\nb", *made.items.item_ids[1:])
    odd = replace(made, items=Embeddings(ids, made.items.vectors, made.items.manifest, "k"))
    with pytest.raises(DataError, match=r"ids are written one a line; 'a\\nb' is no line: write P"):
        write_vectors(odd, tmp_path, ending="npy")
    write_vectors(odd, tmp_path, ending="parquet")
    assert read_vectors(tmp_path / "items.parquet").item_ids == ids


def test_an_unknown_format_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"format must be one of npy, parquet, .*; got 'h5'"):
        write_vectors(exported(), tmp_path, ending="h5")


def test_the_exact_best_are_those_of_a_sort():
    made = exported()
    users, items = made.users.vectors, made.items.vectors
    rows, scores = exact_top(users, items, k=7)
    products = users @ items.T
    expected = np.sort(products, axis=1)[:, ::-1][:, :7]
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(products, rows, 1), scores, rtol=1e-5, atol=1e-6)
    for k in (0, len(items) + 1):
        with pytest.raises(ValueError, match=f"k must be between 1 and num_items=300; got {k}"):
            exact_top(users, items, k=k)


class TestIndexes:
    @pytest.mark.parametrize("kind", INDEXES)
    def test_it_is_written_beside_what_it_is(self, kind: str, tmp_path: Path):
        import faiss

        made = exported()
        path = tmp_path / "new" / "items.faiss"
        about = write_index(made, path, kind=kind, k=5)
        assert json.loads(path.with_suffix(".json").read_text()) == about
        assert (about["kind"], about["num_items"], about["width"]) == (kind, 300, 16)
        assert about["recall"]["num_users"] == 200
        index = faiss.read_index(str(path))
        assert index.metric_type == faiss.METRIC_INNER_PRODUCT
        users, items = made.users.vectors, made.items.vectors
        assert recall(index, users, items, k=5) == about["recall"]["value"]
        ids = (path.parent / about["item_ids"]).read_text().splitlines()
        assert tuple(ids) == made.items.item_ids
        if kind == "flat":
            assert about["recall"]["value"] == 1.0
            _, rows = index.search(users, 5)
            expected, _ = exact_top(users, items, k=5)
            assert (np.sort(rows) == np.sort(expected)).mean() > 0.99
        assert about["recall"]["value"] > 0.3

    def test_recall_counts_what_is_missed_and_no_ties(self):
        import faiss

        items = np.eye(8, dtype=np.float32)
        items[:4] = items[0]  # four items alike: any two of them are the best two
        user = items[:1]
        index = faiss.IndexFlatIP(8)
        index.add(items)
        assert recall(index, user, items, k=2) == 1.0
        blind = faiss.IndexFlatIP(8)
        blind.add(-items)
        assert recall(blind, user, items, k=4) == 0.0

    def test_more_asked_for_than_there_is(self, tmp_path: Path):
        about = write_index(exported(), tmp_path / "i.faiss", k=1000, num_queries=3)
        assert about["recall"] == {
            "k": 300,
            "value": 1.0,
            "num_users": 3,
            "against": "exact search",
        }

    def test_an_unknown_kind_is_refused(self, tmp_path: Path):
        with pytest.raises(ValueError, match="index must be one of flat, hnsw, ivf; got 'pq'"):
            write_index(exported(), tmp_path / "i.faiss", kind="pq")

    def test_without_faiss_the_message_says_what_to_install(self, tmp_path: Path, monkeypatch):
        monkeypatch.setitem(sys.modules, "faiss", None)
        with pytest.raises(ValueError, match=r"an index needs faiss: pip install 'tcf\[faiss\]'"):
            write_index(exported(), tmp_path / "i.faiss")
