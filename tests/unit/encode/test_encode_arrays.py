"""Ready vectors come with their item ids, whatever the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from tcf.data import Catalog
from tcf.encode import Embeddings, read_vectors, vectors_of
from tcf.errors import DataError

IDS = ("b", "a", "3", "ü x")
VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3) / 4
COUNTS = {"total": 7, "without_embeddings": 5}


def npy(path: Path, matrix: np.ndarray = VECTORS, ids: tuple[str, ...] | None = IDS) -> Path:
    np.save(path.with_suffix(".npy"), matrix)
    if ids is not None:
        path.with_suffix(".ids.txt").write_text("\n".join(ids) + "\n", encoding="utf-8")
    return path.with_suffix(".npy")


def tensors(path: Path, matrix: np.ndarray = VECTORS, **others: np.ndarray) -> Path:
    npy(path, matrix).unlink()
    save_file({"matrix": matrix, **others}, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def saved(path: Path) -> Path:
    Embeddings(IDS, VECTORS, {"name": "OPT", "parameters": COUNTS}, "00ff").save(path)
    return path


def parquet(path: Path, **columns: Any) -> Path:
    path = path.with_suffix(".parquet")
    pl.DataFrame({"item_id": IDS, **columns}).write_parquet(path)
    return path


def lists(path: Path) -> Path:
    return parquet(path, vector=VECTORS.tolist(), title=list("wxyz"))


def arrays(path: Path) -> Path:
    return parquet(path, vector=pl.Series(VECTORS, dtype=pl.Array(pl.Float32, 3)))


def floats(path: Path) -> Path:
    return parquet(path, **{f"v{n}": VECTORS[:, n].astype(np.float64) for n in range(3)})


FOREIGN: list[Callable[[Path], Path]] = [npy, tensors, lists, arrays, floats]


@pytest.mark.parametrize("write", FOREIGN)
def test_every_format_gives_the_same(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path / "items")
    found = read_vectors(path)
    assert found.item_ids == IDS
    assert found.vectors.dtype == np.float32
    np.testing.assert_array_equal(found.vectors, VECTORS)
    assert found.manifest["name"] == path.name
    assert found.manifest["parameters"] == {}
    assert found.key == read_vectors(npy(tmp_path / "other")).key  # content, never path or format
    assert str(tmp_path) not in str(found.manifest)


def test_vectors_of_save_keep_their_key_and_manifest(tmp_path: Path) -> None:
    path = saved(tmp_path / "e.safetensors")
    found = read_vectors(path)
    assert (found.item_ids, found.key) == (IDS, "00ff")
    assert found.manifest == {"name": "OPT", "parameters": COUNTS}
    np.testing.assert_array_equal(found.vectors, VECTORS)
    more = {"total": 9, "without_embeddings": 8}
    assert read_vectors(path, parameters=more).manifest["parameters"] == more


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4", np.int16, np.uint8])
def test_numbers_become_float32(tmp_path: Path, dtype: Any) -> None:
    matrix = (VECTORS * 4).astype(dtype)
    found = read_vectors(npy(tmp_path / "items", matrix))
    assert found.vectors.dtype == np.dtype("=f4")
    np.testing.assert_array_equal(found.vectors, VECTORS * 4)


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    save_torch_file({"x": torch.from_numpy(VECTORS).bfloat16()}, tmp_path / "x.safetensors")
    found = read_vectors(tmp_path / "x.safetensors", item_ids=IDS)
    np.testing.assert_array_equal(found.vectors, VECTORS)


def test_a_fortran_ordered_file_is_read_row_by_row(tmp_path: Path) -> None:
    path = npy(tmp_path / "items", np.asfortranarray(VECTORS))
    found = read_vectors(path)
    np.testing.assert_array_equal(found.vectors, VECTORS)
    assert found.key == read_vectors(npy(tmp_path / "rows")).key


def test_a_float32_file_is_mapped_and_not_copied(tmp_path: Path) -> None:
    path = npy(tmp_path / "items")
    assert isinstance(read_vectors(path).vectors, np.memmap)
    assert isinstance(vectors_of(catalog(*IDS), path).vectors, np.memmap)


def test_a_matrix_is_copied_checked_and_hashed_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_vectors(npy(tmp_path / "items"))
    monkeypatch.setattr("tcf.encode.backends.arrays._CHUNK_BYTES", 3 * 4 * 3)  # 3 rows, then 1
    parts = read_vectors(npy(tmp_path / "items", VECTORS.astype(np.float64)))
    np.testing.assert_array_equal(parts.vectors, VECTORS)
    assert parts.key == whole.key
    broken = VECTORS.copy()
    broken[3, 2] = np.nan
    with pytest.raises(DataError, match="the vector of item 'ü x' is not"):
        read_vectors(npy(tmp_path / "items", broken))


def test_the_key_follows_vectors_and_ids(tmp_path: Path) -> None:
    path = npy(tmp_path / "items")
    keys = {
        read_vectors(path).key,
        read_vectors(path, item_ids=("b", "a", "3", "c")).key,
        read_vectors(npy(tmp_path / "more", VECTORS + 1)).key,
        read_vectors(npy(tmp_path / "turned", VECTORS.reshape(4, 3)[:, ::-1])).key,
    }
    assert len(keys) == 4
    assert read_vectors(path, parameters=COUNTS).key in keys
    assert read_vectors(path, parameters=COUNTS).manifest["parameters"] == COUNTS


# Item ids


def test_ids_are_given_as_a_list_or_a_file(tmp_path: Path) -> None:
    path = npy(tmp_path / "items", ids=None)
    assert read_vectors(path, item_ids=list(IDS)).item_ids == IDS
    names = tmp_path / "names.txt"
    names.write_bytes("\ufeffb\r\na\r\n3\r\nü x".encode())  # as an editor on Windows leaves it
    assert read_vectors(path, item_ids=names).item_ids == IDS
    assert read_vectors(path, item_ids=str(names)).item_ids == IDS


def test_integer_ids_of_parquet_become_strings(tmp_path: Path) -> None:
    path = parquet(tmp_path / "items", vector=VECTORS.tolist(), number=[4, 3, 20, 1])
    assert read_vectors(path, id_column="number").item_ids == ("4", "3", "20", "1")


def test_without_ids_it_says_where_to_put_them(tmp_path: Path) -> None:
    message = r"items\.npy holds no item ids: write them to items\.ids\.txt beside it"
    with pytest.raises(DataError, match=message):
        read_vectors(npy(tmp_path / "items", ids=None))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (IDS[:3], r"items\.npy: each row needs one item id; got 4 rows and 3 ids"),
        (("a", "b", "c", "b"), "distinct; 'b' is at rows 1 and 3, counted from 0"),
        (("a", "", "c", "b"), r"items\.ids\.txt:2: each line must hold an item id"),
    ],
)
def test_ids_must_fit(tmp_path: Path, ids: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_vectors(npy(tmp_path / "items", ids=ids))


def test_ids_must_be_strings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="item_ids must be strings; got int at position 2"):
        read_vectors(npy(tmp_path / "items"), item_ids=["a", "b", 3, "c"])  # type: ignore[list-item]


def test_a_file_of_ids_must_be_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="item ids are a UTF-8 text file, one a line"):
        read_vectors(npy(tmp_path / "items"), item_ids=tmp_path / "none.txt")
    (tmp_path / "none.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="item ids are a UTF-8 text file, one a line"):
        read_vectors(npy(tmp_path / "items"), item_ids=tmp_path / "none.txt")


@pytest.mark.parametrize("write", [lists, lambda path: saved(path.with_suffix(".safetensors"))])
def test_a_file_with_ids_takes_no_others(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    with pytest.raises(ValueError, match=r"holds its own (item )?ids.*leave out item_ids"):
        read_vectors(write(tmp_path / "items"), item_ids=IDS)


# A catalogue's vectors


def catalog(*ids: str) -> Catalog:
    return Catalog(ids, tuple(f"text of {item_id}" for item_id in ids))


@pytest.mark.parametrize("write", FOREIGN)
def test_a_catalogue_gets_its_own_items_in_its_order(
    tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    items = catalog("3", "b")
    found = vectors_of(items, write(tmp_path / "items"))
    assert found.item_ids == ("3", "b")
    np.testing.assert_array_equal(found.vectors, VECTORS[[2, 0]])
    np.testing.assert_array_equal(found.aligned(items)[1:], VECTORS[[2, 0]])
    same = read_vectors(npy(tmp_path / "two", VECTORS[[2, 0]], ("3", "b")))
    assert found.key == same.key


def test_a_catalogue_keeps_the_key_of_vectors_that_save_wrote(tmp_path: Path) -> None:
    found = vectors_of(catalog("a"), saved(tmp_path / "e.safetensors"))
    assert (found.item_ids, found.key, found.manifest["name"]) == (("a",), "00ff", "OPT")


def test_items_without_vector_stop_it(tmp_path: Path) -> None:
    message = (
        r"items\.npy: every item of the catalogue needs a vector; 4 of 5 have none, the first: "
        r"'x', 'y', 'z', \.\.\.\. The file's ids begin with 'b', 'a', '3', \.\.\."
    )
    with pytest.raises(DataError, match=message):
        vectors_of(catalog("x", "a", "y", "z", "w"), npy(tmp_path / "items"))


def test_a_bad_vector_of_another_item_does_not_matter(tmp_path: Path) -> None:
    matrix = VECTORS.copy()
    matrix[1, 0] = np.inf
    path = npy(tmp_path / "items", matrix)
    np.testing.assert_array_equal(vectors_of(catalog("3"), path).vectors, VECTORS[2:3])
    message = r"items\.npy: every number must be finite in float32; the vector of item 'a' is not"
    with pytest.raises(DataError, match=message):
        read_vectors(path)


def test_settings_reach_the_file(tmp_path: Path) -> None:
    path = parquet(tmp_path / "items", one=VECTORS.tolist(), two=(VECTORS + 1).tolist())
    found = vectors_of(catalog("a"), path, vector_column="two", parameters=COUNTS)
    np.testing.assert_array_equal(found.vectors, VECTORS[1:2] + 1)
    assert found.manifest["parameters"] == COUNTS


# Files that are not what they must be


def test_what_overflows_float32_is_refused(tmp_path: Path) -> None:
    matrix = VECTORS.astype(np.float64)
    matrix[3, 1] = 1e300
    with pytest.raises(DataError, match="the vector of item 'ü x' is not"):
        read_vectors(npy(tmp_path / "items", matrix))
    wide = {f"v{n}": matrix[:, n] for n in range(3)}
    with pytest.raises(DataError, match="the vector of item 'ü x' is not"):
        read_vectors(parquet(tmp_path / "items", **wide))


@pytest.mark.parametrize(
    "matrix",
    [VECTORS[0], VECTORS[None], VECTORS[:, :0], VECTORS[:0], VECTORS + 1j, VECTORS > 1],
    ids=["1-D", "3-D", "no width", "no rows", "complex", "bool"],
)
def test_an_array_must_be_a_matrix_of_real_numbers(tmp_path: Path, matrix: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"must be a matrix \(N, E\) of real numbers.*got shape"):
        read_vectors(npy(tmp_path / "items", matrix))


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "items.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="not an npy file of numbers"):
        read_vectors(tmp_path / "items.npy", item_ids=["a"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.npy", r"x\.npy: not an npy file of numbers"),
        ("x.safetensors", r"x\.safetensors: not a safetensors file"),
        ("x.parquet", r"x\.parquet: not a Parquet file that can be read"),
        ("x.csv", r"x\.csv: vectors are read from \.npy, \.safetensors, \.parquet; got '\.csv'"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    for content in (b"", b"something else, and long enough to be taken for a header " * 9):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_vectors(tmp_path / name)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"items\.npy: no such file of vectors"):
        read_vectors(tmp_path / "items.npy")


def test_safetensors_must_hold_one_matrix(tmp_path: Path) -> None:
    path = tensors(tmp_path / "items", bias=VECTORS[0])
    np.testing.assert_array_equal(read_vectors(path).vectors, VECTORS)
    path = tensors(tmp_path / "items", other=VECTORS)
    message = (
        r"one 2-D tensor is needed, which is the vectors; found 2 among the tensors matrix, oth"
    )
    with pytest.raises(DataError, match=message):
        read_vectors(path)


PARQUET: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"v": VECTORS.tolist()}, {"id_column": "id"}, "id_column must be .* no 'id' among 'item_id'"),
    ({"v": VECTORS.tolist()}, {"vector_column": "w"}, "vector_column must be a column.* no 'w'"),
    ({"v": [1.0] * 4}, {"vector_column": "v"}, "must hold lists of numbers; 'v' is Float64"),
    ({"v": [["a"]] * 4}, {"vector_column": "v"}, r"lists of numbers; 'v' is List\(String\)"),
    ({"v": list("wxyz")}, {}, "found lists in none and floats in none"),
    ({"v": [[1.0]] * 4, "w": [[1.0]] * 4}, {}, "lists in 'v', 'w' .*Name a column"),
    ({"v": [[1.0]] * 4, "price": [1.0] * 4}, {}, "lists in 'v' and floats in 'price'"),
    ({"v": [[1.0]] * 4, "x": [0.5, 1, 2, 3]}, {"id_column": "x"}, "ids must be .*'x' is Float64"),
    ({"v": [[1.0]] * 4, "x": [1, None, 2, 3]}, {"id_column": "x"}, "needs an item id; 'x' has no"),
    ({"v": [[1.0], [1.0, 2.0], [1.0], [1.0]]}, {}, "'b' has 1 numbers, that of 'a' has 2"),
    ({"v": [[1.0], None, [1.0], [1.0]]}, {}, "'b' has 1 numbers, that of 'a' has 0"),
    ({"v": pl.Series([[]] * 4, dtype=pl.List(pl.Float32))}, {}, "'b' has 0 numbers"),
    ({"v": [[1.0, 2.0], [1.0, 2.0], [1.0, None], [1.0, 2.0]]}, {}, "item '3' has a number missing"),
    ({"v": [1.0, None, 2.0, 3.0]}, {}, "item 'a' has a number missing"),
]


@pytest.mark.parametrize(("columns", "settings", "message"), PARQUET)
def test_parquet_must_hold_ids_and_vectors(
    tmp_path: Path, columns: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=rf"items\.parquet: .*{message}"):
        read_vectors(parquet(tmp_path / "items", **columns), **settings)


def test_parquet_must_hold_a_row(tmp_path: Path) -> None:
    frame = pl.DataFrame({"item_id": IDS, "vector": VECTORS.tolist()}).clear()
    frame.write_parquet(tmp_path / "items.parquet")
    with pytest.raises(DataError, match="a vector is needed; the file has no row"):
        read_vectors(tmp_path / "items.parquet")


def test_parquet_of_nan_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "items", vector=[[1.0], [2.0], [float("nan")], [4.0]])
    with pytest.raises(DataError, match="the vector of item '3' is not"):
        read_vectors(path)


def test_a_file_of_ready_vectors_is_an_encoder_of_a_catalog(tmp_path: Path) -> None:
    from tcf.data.catalog import Catalog
    from tcf.encode import encode_catalog, encode_items

    np.save(tmp_path / "v.npy", np.arange(6, dtype=np.float32).reshape(3, 2))
    (tmp_path / "v.ids.txt").write_text("x\ny\nz\n")
    catalog = Catalog(("z", "x"), ("a", "b"))
    made = encode_catalog(catalog, encoder=tmp_path / "v.npy")
    assert made.vectors.tolist() == [[4, 5], [0, 1]]
    with pytest.raises(ValueError, match="layer, pooling or prompt does not apply to ready"):
        encode_catalog(catalog, encoder=str(tmp_path / "v.npy"), layer=2)
    with pytest.raises(ValueError, match="ready vectors belong to item ids, which texts"):
        encode_items(["a"], encoder=str(tmp_path / "v.npy"))
