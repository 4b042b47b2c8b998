"""neighbour_lists(): the nearest items of each item under every encoder of a study.

Loads torch only where lists are not in the cache yet.
"""

import base64
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tcf._util import atomic_write, write_json
from tcf.data.location import cache_folder
from tcf.data.strings import taken
from tcf.errors import CacheError, DataError
from tcf.study.cells import Cell

if TYPE_CHECKING:
    from tcf.data.split import Split
    from tcf.study.config import Study

__all__ = ["MAX_ITEMS", "nearest", "neighbour_lists"]

MAX_ITEMS = 5000
NUM_NEIGHBOURS = 10
_MAX_LETTERS = 120  # of an item's text
_MAX_BYTES = 2_500_000  # of the lists on the page
_LIST = np.dtype([("item", "<u2"), ("cosine", "<f4")])
_ROWS = 512  # items whose similarities are in memory at a time


def neighbour_lists(
    cells: Sequence[Cell],
    study: "Callable[[], Study]",
    *,
    data: Path | None = None,
    cache: str | PathLike[str] = "auto",
    max_items: int = MAX_ITEMS,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> dict[str, Any]:
    """Return what the explorer of a page shows: items, and lists of neighbours under each encoder.

    The items are those most often taken in training, and neighbours are found among them by the
    cosine of the study's item vectors. Lists lie in ``neighbours/`` of the cache, under the split's
    checksum and the vectors' key; only where one is missing is the study loaded, and its items
    encoded or found in the cache. An encoder that is tuned has states and no vectors, and is left
    out.

    Args:
        cells: From `tcf.study.read_cells`; their records name the vectors.
        study: Makes the study of the records; called only when it is needed.
        data: Handed to the study's ``load``.
        cache: As in `tcf.encode_items`.
        max_items: Items at the most; fewer where there are so many encoders that the page would
            grow too large.
        say: Takes a line for each arm that is left out, with the reason.

    Returns:
        ``titles``; ``num_items`` of the whole catalogue; ``num_neighbours``; ``encoders``, each
        with its name and, in base64, ``items`` (16 bits, little-endian, ``num_neighbours`` an
        item, nearest first) and ``cosines`` (a byte each, 255 for 1).

    Raises:
        DataError: If no arm of the records has item vectors, or the study's data are not those of
            the records.
        ValueError: If there is to be no cache.
    """
    root = cache_folder(cache)
    if root is None:
        raise ValueError("neighbour lists are kept: cache must be 'auto' or a folder; got None")
    wanted = _wanted(cells)
    size = {checksum: _num_items(len(keys), max_items) for checksum, keys in wanted.items()}
    folders = {c: root / "neighbours" / f"{c[:16]}-{size[c]}" for c in wanted}
    for checksum, folder in folders.items():
        if all(path.exists() for path in _paths(folder, wanted[checksum])):
            return _packed(folder, wanted[checksum])
    made = study()
    split = _split(made, data, wanted)
    folder, keys = folders[split.checksum], wanted[split.checksum]
    rows = _write_items(folder, split, num_items=size[split.checksum])
    _write_lists(folder, made, split, keys, rows, cache=root, say=say)
    return _packed(folder, keys)


def nearest(vectors: np.ndarray, *, k: int) -> np.ndarray:
    """Return the ``k`` nearest other rows of each row by cosine, nearest first.

    Args:
        vectors: ``(n, E)`` float; a row of zeros has the cosine 0 with every other.
        k: Below ``n``.

    Returns:
        ``(n, k)`` with the fields ``item`` (a row) and ``cosine``.

    Raises:
        ValueError: If ``k`` is not below ``n``.
    """
    if not 0 < k < len(vectors):
        raise ValueError(f"k must be between 1 and {len(vectors) - 1} others; got {k}")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    found = np.empty((len(unit), k), _LIST)
    for start in range(0, len(unit), _ROWS):
        cosines = unit[start : start + _ROWS] @ unit.T
        here = np.arange(len(cosines))
        cosines[here, start + here] = -np.inf
        top = np.sort(np.argpartition(-cosines, k - 1, axis=1)[:, :k], axis=1)
        best = np.take_along_axis(cosines, top, 1)
        order = np.argsort(-best, axis=1, kind="stable")
        found["item"][start : start + _ROWS] = np.take_along_axis(top, order, 1)
        found["cosine"][start : start + _ROWS] = np.take_along_axis(best, order, 1)
    return found


def _wanted(cells: Sequence[Cell]) -> dict[str, dict[str, str]]:
    """Return, for the checksum of each split, the vectors' keys and the first arm that has each."""
    wanted: dict[str, dict[str, str]] = {}
    for cell in sorted(cells, key=_trained_and_small_first):
        record = cell.records[0]
        if record["vectors"] and not record["config"]["arm"].get("tuned"):
            keys = wanted.setdefault(cell.checksum, {})
            keys.setdefault(record["vectors"]["key"], cell.arm)
    if not wanted:
        raise DataError("an explorer needs an arm with item vectors; the records have none")
    return wanted


def _trained_and_small_first(cell: Cell) -> tuple[bool, int]:
    counted = (cell.records[0]["vectors"] or {}).get("parameters") or {}
    return cell.backbone is None, counted.get("total") or 0


def _num_items(num_encoders: int, most: int) -> int:
    """Return how many items fit, with four bytes of base64 a neighbour, and their texts."""
    return min(most, MAX_ITEMS, _MAX_BYTES // (4 * NUM_NEIGHBOURS * num_encoders + _MAX_LETTERS))


def _paths(folder: Path, keys: Mapping[str, str]) -> list[Path]:
    return [folder / "items.json", *(folder / f"{key[:32]}.npy" for key in keys)]


def _split(study: "Study", data: Path | None, wanted: Mapping[str, Any]) -> "Split":
    from tcf.study.opened import load_split

    split, _ = load_split(study, data)
    if split.checksum not in wanted:
        told = ", ".join(checksum[:12] for checksum in wanted)
        raise DataError(
            f"study {study.name!r}: its data must be those of the records, split {told}; "
            f"found {split.checksum[:12]}: name the study and the data that made the records"
        )
    return split


def _write_items(folder: Path, split: "Split", *, num_items: int) -> np.ndarray:
    """Write the texts of the items most often taken in training; return their places."""
    counts = split.train.item_counts(split.num_items)[1:]
    places = np.argsort(-counts, kind="stable")[:num_items]
    texts = taken(split.catalog.texts, places)
    write_json(
        folder / "items.json",
        {"num_items": split.num_items, "titles": [_cut(text) for text in texts]},
    )
    return places


def _cut(text: str) -> str:
    """Return a text as a page shows it: in one line, of bounded length, without half surrogates."""
    text = " ".join(text.encode("utf-8", "replace").decode().split()) or "(no text)"
    return text if len(text) <= _MAX_LETTERS else text[: _MAX_LETTERS - 1] + "…"


def _write_lists(
    folder: Path,
    study: "Study",
    split: "Split",
    keys: Mapping[str, str],
    places: np.ndarray,
    *,
    cache: Path,
    say: Callable[[str], None],
) -> None:
    """Write the list of each key that has none, from the vectors of the first arm that has it."""
    from tcf.encode.embeddings import Embeddings
    from tcf.study.encoding import encode_arms

    missing = {arm: key for key, arm in keys.items() if not (folder / f"{key[:32]}.npy").exists()}
    runs = tuple(config for config in study.runs if config.arm.name in missing)
    embeddings = encode_arms(replace(study, runs=runs), split, cache=cache)
    for arm, key in missing.items():
        made = embeddings.get(arm)
        if not isinstance(made, Embeddings) or made.key != key:
            found = f"the study makes {made.key[:12]}" if made else "the study has no such arm"
            say(f"explorer: {arm} left out: its records have vectors {key[:12]}, {found}")
            continue
        vectors = made.aligned(split.catalog)[1:][places]
        lists = nearest(vectors, k=min(NUM_NEIGHBOURS, len(places) - 1))
        with atomic_write(folder / f"{key[:32]}.npy") as temporary, open(temporary, "wb") as file:
            np.save(file, lists, allow_pickle=False)


def _packed(folder: Path, keys: Mapping[str, str]) -> dict[str, Any]:
    """Read what is in the cache as the page takes it."""
    about, *paths = _paths(folder, keys)
    items = json.loads(about.read_text(encoding="utf-8"))
    lists = {
        arm: _read_list(path, num_items=len(items["titles"]))
        for path, arm in zip(paths, keys.values(), strict=True)
        if path.exists()
    }
    return {
        **items,
        "num_neighbours": min(NUM_NEIGHBOURS, len(items["titles"]) - 1),
        "encoders": [
            {
                "name": arm,
                "items": _base64(found["item"]),
                "cosines": _base64((255 * found["cosine"].clip(0, 1)).round().astype(np.uint8)),
            }
            for arm, found in lists.items()
        ],
    }


def _read_list(path: Path, *, num_items: int) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CacheError(f"{path}: a list of neighbours is needed ({error}): remove it") from error
    if found.dtype != _LIST or found.shape != (num_items, min(NUM_NEIGHBOURS, num_items - 1)):
        raise CacheError(
            f"{path}: a list of neighbours of {num_items} items is needed; found {found.dtype} "
            f"{found.shape}: remove it"
        )
    return found


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
