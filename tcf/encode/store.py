"""Content-addressed vectors on disk: append-only, safe to kill, safe for many writers.

::

    <cache>/embeddings/<key>/manifest.json            what the key was hashed from; the shards
                             <share>-<shard>.npy      (n, E) float32
                             <share>-<shard>.rows.npy (n, 32) uint8, SHA-256 of each text

A shard counts only once the manifest names it, and the manifest is replaced in one step. Writers
hold the lock of their share of the texts while they work, and the manifest's for a moment; a file
that no manifest names was left by a killed writer and is removed by the next one of that share.
"""

import contextlib
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from tcf._util import atomic_write, hash_json, write_json
from tcf.errors import CacheError

__all__ = ["FORMAT_VERSION", "VectorStore", "Writer"]

FORMAT_VERSION = 1
_FLUSH_SECONDS = 5.0
_FLUSH_SHARE = (
    0.02  # later flushes grow rarer, so that a long run leaves tens of shards, not thousands
)
_FLUSH_BYTES = 64 * 2**20
_READ_BYTES = 16 * 2**20
_WHOLE = "0of1"
_log = logging.getLogger(__name__)


class VectorStore:
    """The vectors of one encoder, read one way.

    Args:
        cache: The cache folder.
        ingredients: Everything that shapes a vector besides its text; the key is its hash.
    """

    def __init__(self, cache: Path, ingredients: dict[str, Any]) -> None:
        self._ingredients = ingredients
        self.key = hash_json(ingredients)
        self.folder = cache / "embeddings" / self.key
        self._damaged: set[str] = set()

    def parameters(self) -> dict[str, int] | None:
        """Return the encoder's parameter counts, if a writer has left them."""
        return self.manifest().get("parameters")

    def read(self, hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ``(positions, vectors)`` for those of ``hashes`` that are here, part by part.

        A shard that is damaged counts as not there: a warning names it, and the next writer drops
        it, so that its texts alone are encoded again.

        Args:
            hashes: ``(n,)`` S32 from `digests`, all different.

        Raises:
            CacheError: If the manifest is damaged, or belongs to another key.
        """
        order = np.argsort(hashes)
        in_order = hashes[order]
        found = np.zeros(len(hashes), bool)
        for here, vectors in self.shards():
            place = np.minimum(np.searchsorted(in_order, here), len(hashes) - 1)
            rows_hit = np.flatnonzero(in_order[place] == here)
            positions = order[place[rows_hit]]
            new = ~found[positions]
            found[positions] = True
            step = max(1, _READ_BYTES // max(1, vectors.shape[1] * vectors.itemsize))
            rows_hit, positions = rows_hit[new], positions[new]
            for start in range(0, len(positions), step):
                part = slice(start, start + step)
                yield positions[part], vectors[rows_hit[part]]

    def shards(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the ``(n,)`` S32 digests and the map of what is kept of them, of each sound shard.

        Raises:
            CacheError: If the manifest is damaged, or belongs to another key.
        """
        for shard in self.manifest()["shards"]:
            try:
                rows, vectors = open_shard(self.folder, shard)
            except CacheError as error:
                self._damaged.add(shard["vectors"]["file"])
                _log.warning("%s; its %d texts count as missing", error, shard["num_rows"])
                continue
            yield np.frombuffer(rows.tobytes(), "S32"), vectors

    def has(self, hashes: np.ndarray) -> np.ndarray:
        """Return ``(n,)`` bool: whether the manifest's shards name each digest; reads no vector."""
        found = np.zeros(len(hashes), bool)
        for shard in self.manifest()["shards"]:
            with contextlib.suppress(OSError):  # a shard that is gone holds nothing
                path = self.folder / shard["rows"]["file"]
                rows = np.load(path, mmap_mode="r", allow_pickle=False)
                found |= np.isin(hashes, np.frombuffer(rows.tobytes(), "S32"))
        return found

    @contextmanager
    def writer(self, share: str = _WHOLE) -> Iterator["Writer"]:
        """Hold the lock of a share of the texts and yield what appends vectors of it.

        Finished work is kept on any exit. Where another process holds the lock, this waits.

        Args:
            share: ``"<k>of<n>"``; the texts of different shares must be different.

        Raises:
            CacheError: If the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / f".{share}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                _log.warning("waiting for another process that writes %s", self.folder)
                lock.acquire()
        except OSError as error:
            raise CacheError(
                f"the cache must be a folder that can be written; {self.folder} cannot "
                f"({error}): give another cache, or cache=None to keep nothing"
            ) from error
        try:
            self._sweep(share)
            writer = Writer(self, share)
            try:
                yield writer
            finally:
                writer.flush()
        finally:
            lock.release()

    def manifest(self) -> dict[str, Any]:
        """Return what the folder holds; a new manifest where there is none yet.

        Raises:
            CacheError: If it is damaged, or belongs to another key.
        """
        path = self.folder / "manifest.json"
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            shards, ingredients = manifest["shards"], manifest["ingredients"]
        except (FileNotFoundError, NotADirectoryError):
            return {"key": self.key, "ingredients": self._ingredients, "shards": []}
        except (ValueError, KeyError, TypeError) as error:
            raise self._unusable(path, f"is not a manifest ({error})") from None
        if hash_json(ingredients) != self.key or not isinstance(shards, list):
            raise self._unusable(path, "does not match the key in its folder's name")
        return manifest

    def note(self, **facts: Any) -> None:
        """Put facts beside the shards that are no part of the key, such as parameter counts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.edited_manifest() as manifest:
            manifest.update(facts)

    @contextmanager
    def edited_manifest(self) -> Iterator[dict[str, Any]]:
        """Yield the manifest under its lock; what was done to it is written on a clean exit."""
        with FileLock(self.folder / ".lock"):
            manifest = self.manifest()
            yield manifest
            write_json(self.folder / "manifest.json", manifest)

    def _sweep(self, share: str) -> None:
        """Drop damaged shards, and what a killed writer of this share left.

        Under the share's lock: a living writer's files look alike.
        """
        if self._damaged:
            with self.edited_manifest() as manifest:
                manifest["shards"] = [
                    s for s in manifest["shards"] if s["vectors"]["file"] not in self._damaged
                ]
        known = {
            shard[part]["file"]
            for shard in self.manifest()["shards"]
            for part in ("rows", "vectors")
        }
        for path in self.folder.iterdir():
            name = path.name.removeprefix(".")
            ours = name.startswith(f"{share}-") or name in self._damaged
            if ours and path.suffix in (".npy", ".tmp") and path.name not in known:
                path.unlink(missing_ok=True)

    def _unusable(self, path: Path, what: str) -> CacheError:
        return CacheError(f"{path} {what}; delete {self.folder} and encode again")


def open_shard(folder: Path, shard: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of a shard's ``(n, 32)`` digests and ``(n, E)`` vectors.

    Raises:
        CacheError: If a file is gone, or its content does not match its checksum.
    """
    arrays = []
    for about in (shard["rows"], shard["vectors"]):
        path = folder / about["file"]
        try:
            size = path.stat().st_size
            if size != about["num_bytes"]:
                raise CacheError(f"{path} is damaged: {size} bytes, not {about['num_bytes']}")
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != about["sha256"]:
                raise CacheError(f"{path} is damaged: it does not match its checksum")
            arrays.append(np.load(path, mmap_mode="r", allow_pickle=False))
        except OSError as error:
            raise CacheError(f"{path} is damaged: it cannot be read ({error})") from error
    return arrays[0], arrays[1]


class Writer:
    """Appends vectors, flushing them to shards now and then. Made by `VectorStore.writer`."""

    def __init__(self, store: VectorStore, share: str) -> None:
        self._store, self._share = store, share
        self._hashes: list[np.ndarray] = []
        self._vectors: list[np.ndarray] = []
        self._num_bytes = 0
        self._began = self._flushed = time.monotonic()

    def add(self, hashes: np.ndarray, vectors: np.ndarray) -> None:
        """Keep ``(B, E)`` vectors, all of one number format, under their ``(B,)`` S32 digests.

        The states of a text's tokens go under its digest, one after the other.
        """
        self._hashes.append(hashes)
        self._vectors.append(vectors)
        self._num_bytes += vectors.nbytes
        now = time.monotonic()
        pause = max(_FLUSH_SECONDS, _FLUSH_SHARE * (now - self._began))
        if now - self._flushed >= pause or self._num_bytes >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was added since the last time as one shard, then the manifest naming it.

        Raises:
            CacheError: If the disk does not take it; what was written before stays whole.
        """
        self._flushed = time.monotonic()
        if not self._vectors:
            return
        name = f"{self._share}-{uuid.uuid4().hex}"
        rows = np.concatenate(self._hashes).view(np.uint8).reshape(-1, 32)
        vectors = np.concatenate(self._vectors)
        self._hashes, self._vectors, self._num_bytes = [], [], 0
        try:
            shard = {
                "num_rows": len(rows),
                "rows": self._write(f"{name}.rows.npy", rows),
                "vectors": self._write(f"{name}.npy", vectors),
            }
            with self._store.edited_manifest() as manifest:
                manifest["shards"].append(shard)
        except OSError as error:
            raise CacheError(
                f"{self._store.folder} must take {vectors.nbytes:,} more bytes; it does not "
                f"({error}). What was kept before is whole: make room and call again, or give "
                "another cache"
            ) from error

    def _write(self, name: str, array: np.ndarray) -> dict[str, Any]:
        path = self._store.folder / name
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.save(file, array, allow_pickle=False)
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"file": name, "num_bytes": path.stat().st_size, "sha256": digest}
