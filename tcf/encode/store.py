"""Content-addressed vectors on disk: append-only, safe to kill, safe for two writers.

::

    <cache>/embeddings/<key>/manifest.json     what the key was hashed from; shards and checksums
                             <shard>.npy       (n, E) float32
                             <shard>.rows.npy  (n, 32) uint8, SHA-256 of each text

A shard counts only once the manifest names it, and the manifest is replaced in one step; a file
that no manifest names was left by a killed process and is removed by the next writer.
"""

import hashlib
import json
import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from tcf._util import atomic_write, hash_json, write_json
from tcf.errors import CacheError

__all__ = ["FORMAT_VERSION", "VectorStore"]

FORMAT_VERSION = 1
_FLUSH_SECONDS = 5.0
_FLUSH_SHARE = (
    0.02  # later flushes grow rarer, so that a long run leaves tens of shards, not thousands
)
_FLUSH_BYTES = 256 * 2**20
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

    def parameters(self) -> dict[str, int] | None:
        """Return the encoder's parameter counts, if a writer has left them."""
        return self._manifest().get("parameters")

    def read(self, digests: Sequence[bytes]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ``(positions, vectors)`` for those of ``digests`` that are here, shard by shard.

        Raises:
            CacheError: If a file is damaged, or belongs to another key.
        """
        wanted = {digest: position for position, digest in enumerate(digests)}
        for shard in self._manifest()["shards"]:
            rows, vectors = self._shard(shard)
            packed = rows.tobytes()
            hits = [
                (wanted.pop(digest), n)
                for n in range(len(rows))
                if (digest := packed[32 * n : 32 * n + 32]) in wanted
            ]
            if hits:
                positions, here = np.array(hits, np.int64).T
                yield positions, vectors[here]

    @contextmanager
    def writer(self) -> Iterator["Writer"]:
        """Hold the store's lock and yield what appends; finished work is kept on any exit."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.warning("waiting for another process that writes %s", self.folder)
            lock.acquire()
        try:
            manifest = self._manifest()
            self._sweep(manifest)
            writer = Writer(self.folder, manifest)
            try:
                yield writer
            finally:
                writer.flush()
        finally:
            lock.release()

    def _manifest(self) -> dict[str, Any]:
        path = self.folder / "manifest.json"
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            shards, ingredients = manifest["shards"], manifest["ingredients"]
        except FileNotFoundError:
            return {"key": self.key, "ingredients": self._ingredients, "shards": []}
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(path, f"is not a manifest ({error})") from None
        if hash_json(ingredients) != self.key or not isinstance(shards, list):
            raise self._damaged(path, "does not match the key in its folder's name")
        return manifest

    def _shard(self, shard: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        arrays = []
        for about in (shard["rows"], shard["vectors"]):
            path = self.folder / about["file"]
            try:
                size = path.stat().st_size
                if size != about["num_bytes"]:
                    raise self._damaged(path, f"has {size} bytes, not {about['num_bytes']}")
                with open(path, "rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                if found != about["sha256"]:
                    raise self._damaged(path, "does not match its checksum")
                arrays.append(np.load(path, mmap_mode="r", allow_pickle=False))
            except OSError as error:
                raise self._damaged(path, f"cannot be read ({error})") from error
        return arrays[0], arrays[1]

    def _sweep(self, manifest: dict[str, Any]) -> None:
        """Remove what a killed writer left. Under the lock: a living writer's files look alike."""
        known = {
            shard[part]["file"] for shard in manifest["shards"] for part in ("rows", "vectors")
        }
        for path in self.folder.iterdir():
            if path.name.endswith((".npy", ".tmp")) and path.name not in known:
                path.unlink(missing_ok=True)

    def _damaged(self, path: Path, what: str) -> CacheError:
        return CacheError(f"{path} {what}; delete {self.folder} and encode again")


class Writer:
    """Appends vectors, flushing them to shards now and then. Made by `VectorStore.writer`."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self._folder, self._manifest = folder, manifest
        self._digests: list[bytes] = []
        self._vectors: list[np.ndarray] = []
        self._began = self._flushed = time.monotonic()

    def add(self, digests: Sequence[bytes], vectors: np.ndarray) -> None:
        """Keep ``(B, E)`` float32 vectors under their ``B`` digests."""
        self._digests += digests
        self._vectors.append(vectors)
        now = time.monotonic()
        pause = max(_FLUSH_SECONDS, _FLUSH_SHARE * (now - self._began))
        if now - self._flushed >= pause or sum(v.nbytes for v in self._vectors) >= _FLUSH_BYTES:
            self.flush()

    def set_parameters(self, parameters: dict[str, int]) -> None:
        """Note the encoder's parameter counts, so that a later call need not load it."""
        self._manifest["parameters"] = parameters
        write_json(self._folder / "manifest.json", self._manifest)

    def flush(self) -> None:
        """Write what was added since the last flush as one shard, then the manifest naming it."""
        self._flushed = time.monotonic()
        if not self._vectors:
            return
        name = uuid.uuid4().hex
        rows = np.frombuffer(b"".join(self._digests), np.uint8).reshape(-1, 32)
        shard = {
            "num_rows": len(rows),
            "rows": self._write(f"{name}.rows.npy", rows),
            "vectors": self._write(f"{name}.npy", np.concatenate(self._vectors)),
        }
        self._digests, self._vectors = [], []
        self._manifest["shards"].append(shard)
        write_json(self._folder / "manifest.json", self._manifest)

    def _write(self, name: str, array: np.ndarray) -> dict[str, Any]:
        path = self._folder / name
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.save(file, array, allow_pickle=False)
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"file": name, "num_bytes": path.stat().st_size, "sha256": digest}
