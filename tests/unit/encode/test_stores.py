"""Listing, verifying and pruning what a cache holds."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import tcf
from tcf.cli import app
from tcf.encode.store import VectorStore
from tcf.encode.stores import list_stores, prune_store, verify_store
from tcf.errors import CacheError
from tests.tiny_models import TITLES


@pytest.fixture
def cache(opt_folder: Path, tmp_path: Path) -> Path:
    tcf.encode_items(TITLES, encoder=opt_folder, cache=tmp_path, layer=2, dtype="float32")
    tcf.encode_items(TITLES, encoder="tfidf-svd", cache=tmp_path)
    return tmp_path


def keys(cache: Path) -> dict[str, str]:
    return {store.name: store.key for store in list_stores(cache)}


def damage(cache: Path, key: str) -> Path:
    path = next((cache / "embeddings" / key).glob("*[!s].npy"))
    path.write_bytes(path.read_bytes()[:-1])
    return path


def test_the_list_says_what_lies_there(cache: Path) -> None:
    static, model = sorted(list_stores(cache), key=lambda store: store.reading)
    assert (static.name, static.num_vectors) == ("TF-IDF + SVD", len(TITLES))
    assert (model.name, model.reading) == ("tiny-opt (layer 2)", "layer 2, mean, float32")
    folder = cache / "embeddings" / model.key
    assert model.num_bytes == sum(p.stat().st_size for p in folder.iterdir())
    assert model.age_days < 1
    assert list_stores(cache / "elsewhere") == []


def test_a_damaged_manifest_is_listed_with_its_problem(cache: Path) -> None:
    key = keys(cache)["TF-IDF + SVD"]
    (cache / "embeddings" / key / "manifest.json").write_text("{")
    (bad,) = [store for store in list_stores(cache) if store.problem]
    assert bad.key == key
    assert "prune" in bad.problem


def test_verify_names_what_is_damaged_and_the_next_call_makes_it_good(
    cache: Path, opt_folder: Path
) -> None:
    key = keys(cache)["tiny-opt (layer 2)"]
    assert list(verify_store(cache, key)) == []
    path = damage(cache, key)
    (found,) = verify_store(cache, key[:8])
    assert path.name in found
    tcf.encode_items(TITLES, encoder=opt_folder, cache=cache, layer=2, dtype="float32")
    assert list(verify_store(cache, key)) == []


def test_prune_removes_one_store_and_leaves_the_others(cache: Path) -> None:
    named = keys(cache)
    assert prune_store(cache, named["TF-IDF + SVD"]) > 0
    assert keys(cache) == {"tiny-opt (layer 2)": named["tiny-opt (layer 2)"]}
    assert [p.name for p in (cache / "embeddings").iterdir()] == [named["tiny-opt (layer 2)"]]


def test_a_store_that_is_being_written_is_not_pruned(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, {"encoder": {"backend": "toy"}})
    with store.writer(), pytest.raises(CacheError, match="is being written to"):
        prune_store(tmp_path, store.key)
    assert store.folder.is_dir()


@pytest.mark.parametrize("key", ["", "zz"])
def test_a_key_that_names_no_store_is_refused(cache: Path, key: str) -> None:
    with pytest.raises(CacheError, match=f"{key!r} names 0: `tcf store ls`"):
        prune_store(cache, key)


def test_the_command_line_lists_verifies_and_prunes(cache: Path) -> None:
    def call(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["store", *arguments, "--cache", str(cache)])
        return done.exit_code, done.output

    key = keys(cache)["TF-IDF + SVD"]
    code, shown = call("ls")
    assert code == 0
    assert key[:12] in shown
    assert call("verify")[0] == 0
    damage(cache, key)
    code, shown = call("verify", key[:12])
    assert (code, "damaged" in shown) == (1, True)
    code, shown = call("prune")
    assert (code, "name the keys to remove" in shown) == (1, True)
    assert call("prune", "--older-than", "3") == (0, "0 stores removed, 0.0 MB freed\n")
    code, shown = call("prune", key[:12])
    assert (code, "1 stores removed" in shown) == (0, True)
    assert len(list_stores(cache)) == 1


def test_vectors_found_in_a_pruned_cache_are_made_again(cache: Path, opt_folder: Path) -> None:
    settings = {"encoder": opt_folder, "layer": 2, "dtype": "float32"}
    before = tcf.encode_items(TITLES, cache=cache, **settings)
    prune_store(cache, keys(cache)["tiny-opt (layer 2)"])
    np.testing.assert_array_equal(tcf.encode_items(TITLES, cache=cache, **settings), before)
