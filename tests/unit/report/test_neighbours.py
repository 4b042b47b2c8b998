"""Lists of neighbours: the nearest by cosine, made once, and only of the records' own vectors."""

import base64
from pathlib import Path

import numpy as np
import pytest

from tcf.errors import CacheError, DataError
from tcf.report import neighbour_lists
from tcf.report.neighbours import NUM_NEIGHBOURS, _cut, _num_items, nearest
from tcf.study.cells import Cell, read_cells
from tcf.study.opened import load_split
from tcf.study.runner import run_study
from tests.runs import ID, TEXT, write_arm
from tests.tiny_study import study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the records and the cache of the tiny study."""
    folder = tmp_path_factory.mktemp("tiny")
    run_study(
        study(max_epochs=1),
        records=folder / "records",
        cache=folder / "cache",
        num_workers=1,
        say=lambda _: None,
    )
    return folder


@pytest.fixture
def cells(made: Path) -> list[Cell]:
    return read_cells(made / "records")


def by_hand(vectors: np.ndarray, *, k: int) -> np.ndarray:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    return np.sort(cosines, axis=1)[:, ::-1][:, :k]


def test_nearest_agrees_with_a_full_sort():
    vectors = np.random.default_rng(0).normal(size=(1100, 5))
    found = nearest(vectors, k=4)
    np.testing.assert_allclose(found["cosine"], by_hand(vectors, k=4), atol=1e-5)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    again = np.einsum("nd,nkd->nk", unit, unit[found["item"]])
    np.testing.assert_allclose(again, found["cosine"], atol=1e-5)
    assert not (found["item"] == np.arange(1100)[:, None]).any()


def test_an_item_without_direction_is_near_nothing():
    found = nearest(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.1]]), k=2)
    assert found["cosine"][0].tolist() == [0, 0]
    assert found["item"][1].tolist() == [2, 0]


@pytest.mark.parametrize("k", [0, 3])
def test_more_neighbours_than_others_are_refused(k: int):
    with pytest.raises(ValueError, match=rf"k must be between 1 and 2 others; got {k}"):
        nearest(np.eye(3), k=k)


def test_the_items_are_those_most_often_taken(made: Path, cells: list[Cell]):
    found = neighbour_lists(cells, study, cache=made / "cache", max_items=20)
    split, _ = load_split(study(), None)
    counts = split.train.item_counts(split.num_items)[1:]
    most = np.sort(counts)[-20:].sum()
    shown = [split.catalog.texts.index(title) for title in found["titles"]]
    assert counts[shown].sum() == most
    assert found["num_items"] == split.num_items == 60
    (encoder,) = found["encoders"]
    assert encoder["name"] == "TF-IDF"
    items = np.frombuffer(base64.b64decode(encoder["items"]), "<u2").reshape(20, 10)
    cosines = np.frombuffer(base64.b64decode(encoder["cosines"]), np.uint8).reshape(20, 10)
    assert items.max() < 20 and not (items == np.arange(20)[:, None]).any()
    assert (np.diff(cosines.astype(int), axis=1) <= 0).all()


def test_lists_that_are_found_need_no_study(made: Path, cells: list[Cell]):
    first = neighbour_lists(cells, study, cache=made / "cache")

    def never():
        raise AssertionError("the study is not needed")

    assert neighbour_lists(cells, never, cache=made / "cache") == first


def test_vectors_other_than_the_records_are_left_out(tmp_path: Path, made: Path):
    folder = tmp_path / "records"
    lines: list[str] = []
    (cell,) = [c for c in read_cells(made / "records") if c.name == "blocks/SASRec/TF-IDF"]
    record = {**cell.records[0], "vectors": {**cell.records[0]["vectors"], "key": "9" * 64}}
    other = Cell("blocks", "SASRec", "TF-IDF", (folder / "a.json",), (record,))
    found = neighbour_lists([other], study, cache=tmp_path / "cache", say=lines.append)
    assert found["encoders"] == []
    (line,) = lines
    assert line.startswith("explorer: TF-IDF left out: its records have vectors 999999999999, the")


def test_data_other_than_the_records_are_refused(tmp_path: Path):
    write_arm(tmp_path / "records", TEXT)
    with pytest.raises(DataError, match=r"'tiny': its data must be those of the records, split cc"):
        neighbour_lists(read_cells(tmp_path / "records"), study, cache=tmp_path / "cache")


def test_records_without_vectors_have_no_explorer(tmp_path: Path):
    write_arm(tmp_path, ID)
    with pytest.raises(DataError, match="an explorer needs an arm with item vectors"):
        neighbour_lists(read_cells(tmp_path), study, cache=tmp_path / "cache")


def test_many_encoders_leave_room_for_fewer_items():
    sizes = [_num_items(num_encoders, 5000) for num_encoders in (1, 9, 100)]
    assert sizes == [5000, 5000, 606]
    assert all(
        size * n * NUM_NEIGHBOURS * 4 < 5e6 for size, n in zip(sizes, (1, 9, 100), strict=True)
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n red  car", "a red car"),
        (" ", "(no text)"),
        ("\udcff", "?"),
        ("x" * 121, "x" * 119 + "…"),
    ],
)
def test_texts_fit_a_page(text: str, shown: str):
    assert _cut(text) == shown


def test_a_cache_is_needed(cells: list[Cell]):
    with pytest.raises(ValueError, match="neighbour lists are kept: cache must be 'auto' or a"):
        neighbour_lists(cells, study, cache=None)  # pyright: ignore[reportArgumentType]


def test_a_damaged_list_is_named(made: Path, cells: list[Cell]):
    neighbour_lists(cells, study, cache=made / "cache", max_items=30)
    (folder,) = (made / "cache" / "neighbours").glob("*-30")
    (path,) = folder.glob("*.npy")
    path.write_bytes(b"no array")
    with pytest.raises(CacheError, match=rf"{path.name}: a list of neighbours is needed"):
        neighbour_lists(cells, study, cache=made / "cache", max_items=30)
    np.save(path, np.zeros((2, 2)))
    with pytest.raises(CacheError, match=r"a list of neighbours of 30 items is needed; found fl"):
        neighbour_lists(cells, study, cache=made / "cache", max_items=30)
