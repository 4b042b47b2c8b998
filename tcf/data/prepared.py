"""A data set as arrays on disk, which are mapped, not read: the second start takes no time."""

import hashlib
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tcf._util import atomic_folder, hash_json, write_json
from tcf.data.catalog import Catalog, Interactions
from tcf.data.strings import Strings
from tcf.errors import DataError

__all__ = ["open_prepared", "prepared_key", "write_prepared"]

MANIFEST = "prepared.json"
_FORMAT = 1


def write_prepared(
    folder: str | os.PathLike[str], catalog: Catalog, interactions: Interactions
) -> None:
    """Write a data set as `open_prepared` maps it; the folder is there whole or not at all.

    Args:
        folder: To be made; a prepared data set that lies there is replaced.
        catalog: Items.
        interactions: Users.

    Raises:
        DataError: If something else lies there.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise DataError(
            f"{folder}: the folder must be new or hold a prepared data set; it is something else: "
            "name another"
        )
    with atomic_folder(folder) as new:
        items = {"item_id": _column(catalog.item_ids), "text": _column(catalog.texts)}
        if catalog.labels is not None:
            items["labels"] = _column(catalog.labels)
        pl.DataFrame(items).write_ipc(new / "items.arrow", compression="uncompressed")
        users = pl.DataFrame({"user_id": _column(interactions.user_ids)})
        users.write_ipc(new / "users.arrow", compression="uncompressed")
        for name, array in _arrays(interactions).items():
            np.save(new / f"{name}.npy", array, allow_pickle=False)
        files = {path.name: _facts(path) for path in sorted(new.iterdir())}
        counts = {
            "users": interactions.num_users,
            "items": catalog.num_items,
            "interactions": interactions.num_interactions,
        }
        about = {"format": _FORMAT, "tcf": version("tcf"), "counts": counts, "files": files}
        write_json(new / MANIFEST, about)


def open_prepared(
    folder: str | os.PathLike[str], *, verify: bool = False
) -> tuple[Catalog, Interactions]:
    """Map a data set that `write_prepared` wrote: ids, texts and arrays stay in their files.

    Args:
        folder: Where it lies; it must stay as it is while in use.
        verify: Also read every file and compare its SHA-256.

    Raises:
        DataError: If it is not whole.
    """
    folder = Path(folder)
    files = _manifest(folder)["files"]
    for name, facts in files.items():
        found = _facts(folder / name, hashed=verify) if (folder / name).is_file() else {}
        if any(found.get(key) != facts[key] for key in ("bytes", *(["sha256"] if verify else []))):
            raise DataError(
                f"{folder / name}: the file must be as it was written, {facts}; found "
                f"{found or 'none'}: prepare the data set again"
            )
    try:
        items, users = (pl.read_ipc(folder / f"{name}.arrow") for name in ("items", "users"))
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("rows", "offsets", "times")
            if f"{name}.npy" in files
        }
        labels = Strings(items["labels"]) if "labels" in items.columns else None
        catalog = Catalog(Strings(items["item_id"]), Strings(items["text"]), labels)
        return catalog, Interactions(Strings(users["user_id"]), **arrays)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise DataError(
            f"{folder}: a file of the prepared data set cannot be read ({error}): prepare it again"
        ) from error


def prepared_key(folder: Path, reader: str, options: Mapping[str, Any]) -> str:
    """Return a key that changes with the folder's files, the reader and its options.

    Files count by name, size and time of change, not by content.
    """
    files = [
        [str(path.relative_to(folder)), (stat := path.stat()).st_size, stat.st_mtime_ns]
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    told = {name: repr(value) for name, value in options.items()}
    return hash_json([_FORMAT, version("tcf"), str(folder.resolve()), reader, told, files])


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if about["format"] == _FORMAT and about["files"]:
            return about
        found = f"format {about['format']}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = f"{type(error).__name__}: {error}"
    raise DataError(
        f"{folder / MANIFEST}: the manifest of a prepared data set of format {_FORMAT} is needed; "
        f"found {found}: prepare the data set again"
    )


def _column(strings: Any) -> pl.Series:
    return pl.Series(strings, dtype=pl.String)


def _arrays(interactions: Interactions) -> dict[str, np.ndarray]:
    arrays = {"rows": interactions.rows, "offsets": interactions.offsets}
    return arrays if interactions.times is None else {**arrays, "times": interactions.times}


def _facts(path: Path, *, hashed: bool = True) -> dict[str, Any]:
    facts: dict[str, Any] = {"bytes": path.stat().st_size}
    if hashed:
        with open(path, "rb") as file:
            facts["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return facts
