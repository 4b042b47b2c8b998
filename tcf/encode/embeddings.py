"""Vectors that carry their item ids: the only form in which towers take them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tcf._util import atomic_write
from tcf.errors import DataError

if TYPE_CHECKING:
    from tcf.data.catalog import Catalog

__all__ = ["Embeddings", "joined"]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One vector an item, joined to a catalogue by item id and never by position.

    Attributes:
        item_ids: ``(N,)`` the ids, all different.
        vectors: ``(N, E)`` float32; row n belongs to ``item_ids[n]``.
        manifest: How they were made: ``name``, ``parameters`` (``total``, ``without_embeddings``,
            used up to the layer taken), and all that the key was hashed from.
        key: Hex digest of everything that shapes a vector.
    """

    item_ids: tuple[str, ...]
    vectors: np.ndarray
    manifest: dict[str, Any]
    key: str

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.item_ids):
            raise DataError(
                f"Embeddings need one vector for each of {len(self.item_ids)} item ids; "
                f"got vectors of shape {self.vectors.shape}"
            )
        if len(set(self.item_ids)) != len(self.item_ids):
            raise DataError("Embeddings need item ids that are all different")

    @property
    def width(self) -> int:
        """Floats in a vector."""
        return self.vectors.shape[1]

    def aligned(self, catalog: "Catalog") -> np.ndarray:
        """Return the vectors in the catalogue's order, with a row of zeros for padding on top.

        Args:
            catalog: Its items must be exactly those of these embeddings, in any order.

        Returns:
            ``(num_items + 1, E)`` float32; row r is the vector of ``catalog.item_ids[r - 1]``.

        Raises:
            DataError: If an item has no vector, or a vector no item.
        """
        order = joined(self.item_ids, catalog)
        result = np.zeros((len(order) + 1, self.vectors.shape[1]), np.float32)
        np.take(self.vectors, order, axis=0, out=result[1:])
        return result

    def save(self, path: str | Path) -> None:
        """Write everything to one safetensors file, atomically; `load` reads it back.

        The vectors are written part by part, so that a map of a file above memory can be saved.
        """
        about = {"item_ids": self.item_ids, "manifest": self.manifest, "key": self.key}
        vectors = self.vectors
        header = {
            "__metadata__": {"tcf.embeddings": json.dumps(about, ensure_ascii=False)},
            "vectors": {
                "dtype": "F32",
                "shape": list(vectors.shape),
                "data_offsets": [0, vectors.size * 4],
            },
        }
        text = json.dumps(header, ensure_ascii=False).encode("utf-8")
        text += b" " * (-len(text) % 8)  # the format aligns what follows to 8 bytes
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for start in range(0, len(vectors), 8192):
                file.write(np.ascontiguousarray(vectors[start : start + 8192], "<f4").data)

    @classmethod
    def load(cls, path: str | Path) -> "Embeddings":
        """Read a file that `save` wrote.

        Raises:
            DataError: If it is not such a file.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads((file.metadata() or {})["tcf.embeddings"])
                vectors = file.get_tensor("vectors")
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise DataError(f"{path}: not a file written by Embeddings.save ({error})") from error
        return cls(tuple(about["item_ids"]), vectors, about["manifest"], about["key"])


def joined(item_ids: Sequence[str], catalog: "Catalog") -> np.ndarray:
    """Return, for each item of the catalogue, its place among ``item_ids``.

    Args:
        item_ids: All different.
        catalog: Its items must be exactly these, in any order.

    Returns:
        ``(num_items,)`` int64.

    Raises:
        DataError: If an item has no vector, or a vector no item.
    """
    position = {item_id: place for place, item_id in enumerate(item_ids)}
    missing = [item_id for item_id in catalog.item_ids if item_id not in position]
    surplus = sorted(position.keys() - set(catalog.item_ids)) if not missing else []
    if missing or surplus:
        what = (
            f"{len(missing)} items of the catalogue have no vector ({_some(missing)})"
            if missing
            else f"{len(surplus)} vectors belong to no item of the catalogue ({_some(surplus)})"
        )
        raise DataError(
            f"embeddings and catalogue must hold the same item ids; {what}. "
            "Encode this catalogue: encode_catalog(catalog, encoder=...)"
        )
    return np.fromiter((position[i] for i in catalog.item_ids), np.int64)


def _some(ids: list[str]) -> str:
    return ", ".join(map(repr, ids[:3])) + (", ..." if len(ids) > 3 else "")
