"""What a cache holds: list it, check every byte of it, throw parts of it away. Loads no torch."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tcf.encode.store import VectorStore, open_shard
from tcf.errors import CacheError

__all__ = ["StoreSummary", "list_stores", "prune_store", "verify_store"]


@dataclass(frozen=True)
class StoreSummary:
    """One encoder read one way, as it lies in a cache.

    Attributes:
        key: Name of its folder.
        name: The encoder's display name; "?" where no writer has finished.
        reading: Layer, pooling and precision, in words.
        num_vectors: Vectors that the manifest names.
        num_bytes: All files, leavings of killed writers included.
        age_days: Since the last writing.
        problem: Why it cannot be used; empty if it can.
    """

    key: str
    name: str
    reading: str
    num_vectors: int
    num_bytes: int
    age_days: float
    problem: str = ""


def list_stores(cache: Path) -> list[StoreSummary]:
    """Return what a cache folder holds, the latest written first."""
    folder = cache / "embeddings"
    found = [_summary(path) for path in folder.glob("[!.]*")]
    return sorted(found, key=lambda store: store.age_days)


def verify_store(cache: Path, key: str) -> Iterator[str]:
    """Yield what is wrong with a store, reading every byte; a later call makes it good.

    Raises:
        CacheError: If there is no such store, or its manifest cannot be read.
    """
    store = _store(cache, key)
    for shard in store.manifest()["shards"]:
        try:
            open_shard(store.folder, shard)
        except CacheError as error:
            yield str(error)


def prune_store(cache: Path, key: str) -> int:
    """Remove a store; return the bytes freed.

    Raises:
        CacheError: If there is no such store, or a process is writing to it.
    """
    folder = _folder(cache, key)
    locks = [FileLock(path) for path in folder.glob(".*.lock")]
    try:
        for lock in locks:
            lock.acquire(timeout=0)
        num_bytes = _num_bytes(folder)
        # First out of the way in one step: a kill half-way leaves no store with holes.
        doomed = folder.with_name(f".{folder.name}.pruned")
        folder.rename(doomed)
        for leaving in folder.parent.glob(".*.pruned"):  # this one, and any a kill left
            shutil.rmtree(leaving)
    except Timeout as error:
        raise CacheError(f"{folder} is being written to; call again when that is done") from error
    finally:
        for lock in locks:
            lock.release()
    return num_bytes


def _summary(folder: Path) -> StoreSummary:
    age = (time.time() - _last_change(folder)) / 86_400
    try:
        manifest = _store(folder.parents[1], folder.name).manifest()
    except CacheError as error:
        return StoreSummary(folder.name, "?", "", 0, _num_bytes(folder), age, str(error))
    encoder: dict[str, Any] = manifest["ingredients"]["encoder"]
    words = [str(encoder[k]) for k in ("pooling", "dtype", "quantization") if encoder.get(k)]
    if "layer" in encoder:
        words.insert(0, f"layer {encoder['layer']}")
    return StoreSummary(
        key=folder.name,
        name=manifest.get("name", encoder.get("backend", "?")),
        reading=", ".join(words),
        num_vectors=sum(shard["num_rows"] for shard in manifest["shards"]),
        num_bytes=_num_bytes(folder),
        age_days=age,
    )


def _store(cache: Path, key: str) -> VectorStore:
    """Open the store of a key by the ingredients that its own manifest names."""
    path = _folder(cache, key) / "manifest.json"
    try:
        ingredients = json.loads(path.read_text(encoding="utf-8"))["ingredients"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CacheError(
            f"{path} is not a manifest ({error}); no writer has finished here, or it is damaged: "
            f"prune {path.parent.name}"
        ) from error
    store = VectorStore(cache, ingredients)
    if store.folder != path.parent:
        raise CacheError(f"{path} does not match the key in its folder's name: prune {key}")
    return store


def _folder(cache: Path, key: str) -> Path:
    """Find a store by the first digits of its key."""
    folder = cache / "embeddings"
    found = [path for path in folder.glob(f"{key}*") if path.is_dir()] if key else []
    if len(found) != 1:
        raise CacheError(
            f"a key, or enough of its first digits to tell it from others, must name a store in "
            f"{folder}; {key!r} names {len(found)}: `tcf store ls` lists them"
        )
    return found[0]


def _num_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _last_change(folder: Path) -> float:
    return max((path.stat().st_mtime for path in folder.iterdir()), default=folder.stat().st_mtime)
