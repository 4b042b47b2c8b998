"""Vectors join a catalogue by item id, never by position."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tcf.encode import Embeddings
from tcf.errors import DataError


@dataclass
class Items:
    item_ids: tuple[str, ...]


def made(ids: tuple[str, ...] = ("a", "b", "c")) -> Embeddings:
    vectors = np.arange(len(ids) * 2, dtype=np.float32).reshape(-1, 2)
    return Embeddings(ids, vectors, {"name": "toy"}, "00ff")


def test_aligned_follows_the_catalogue_under_a_row_of_zeros() -> None:
    matrix = made().aligned(Items(("c", "a", "b")))  # type: ignore[arg-type]
    assert matrix.dtype == np.float32
    assert matrix.tolist() == [[0, 0], [4, 5], [0, 1], [2, 3]]


def test_an_item_without_vector_stops_it() -> None:
    with pytest.raises(DataError, match=r"1 items of the catalogue have no vector \('d'\)"):
        made().aligned(Items(("a", "b", "c", "d")))  # type: ignore[arg-type]


def test_a_vector_without_item_stops_it() -> None:
    with pytest.raises(DataError, match=r"2 vectors belong to no item .*'b', 'c'"):
        made().aligned(Items(("a",)))  # type: ignore[arg-type]


def test_counts_must_agree() -> None:
    with pytest.raises(DataError, match=r"one vector for each of 2 item ids; got .*\(3, 2\)"):
        Embeddings(("a", "b"), np.zeros((3, 2), np.float32), {}, "")


def test_ids_must_differ() -> None:
    with pytest.raises(DataError, match="all different"):
        made(("a", "a"))


def test_save_and_load_keep_everything(tmp_path: Path) -> None:
    made().save(tmp_path / "e.safetensors")
    again = Embeddings.load(tmp_path / "e.safetensors")
    assert (again.item_ids, again.manifest, again.key) == (("a", "b", "c"), {"name": "toy"}, "00ff")
    np.testing.assert_array_equal(again.vectors, made().vectors)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "e.safetensors").write_text("not tensors")
    with pytest.raises(DataError, match=r"not a file written by Embeddings\.save"):
        Embeddings.load(tmp_path / "e.safetensors")
