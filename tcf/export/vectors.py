"""The vectors whose products are a recommender's scores, and files of them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tcf._util import atomic_write, hash_json, lookup
from tcf.data.split import Split
from tcf.data.strings import taken
from tcf.encode.embeddings import Embeddings
from tcf.errors import DataError
from tcf.model.recommender import Recommender

__all__ = ["FORMATS", "Vectors", "vectors_of", "write_ids", "write_vectors"]


@dataclass(frozen=True)
class Vectors:
    """What the scores of a recommender are products of.

    Attributes:
        users: By user id; ``(n, D)``.
        items: By item id; ``(num_items, D)``. The score of a user and an item is the product.
    """

    users: Embeddings
    items: Embeddings


def vectors_of(
    model: Recommender, split: Split, *, name: str, about: Mapping[str, Any] | None = None
) -> Vectors:
    """Return the vectors that rank the test targets: users as they stand before their last item.

    Args:
        model: Trained. It is put in evaluation mode and back.
        split: Says who the users are and what they took.
        name: Display name, kept in the manifests.
        about: Kept there too, such as the run's fingerprint.

    Raises:
        ValueError: If a user has several test tasks.
    """
    if not split.test.one_a_user:
        raise ValueError(
            "each user has one vector, as of its one test task; "
            f"{split.report} has several of some: split with targets='first' or 'last'"
        )
    training = model.training
    model.eval()
    with torch.inference_mode():
        users, items = (part.float().cpu().numpy() for part in model.score_vectors(split.test))
    model.train(training)
    user_ids = taken(split.train.user_ids, split.test.users)
    return Vectors(
        _embeddings(user_ids, users, {"name": name, "of": "users", **(about or {})}),
        _embeddings(split.catalog.item_ids, items, {"name": name, "of": "items", **(about or {})}),
    )


def write_vectors(made: Vectors, folder: Path, *, ending: str) -> list[Path]:
    """Write ``items`` and ``users`` to a folder, each file atomically; `read_vectors` reads them.

    Args:
        made: Vectors with their ids.
        folder: Made where it is missing.
        ending: ``"npy"``, with the ids in a text file beside it, ``"safetensors"``, as
            `Embeddings.save` writes it, or ``"parquet"``: an id and a ``vector`` a row.

    Raises:
        ValueError: If there is no such format.
        DataError: If an id cannot be written as a line, in npy.
    """
    write = lookup(FORMATS, ending, "format")
    paths = []
    for name, embeddings in (("item", made.items), ("user", made.users)):
        paths.append(folder / f"{name}s.{ending}")
        write(embeddings, paths[-1], id_column=f"{name}_id")
    return paths


def _write_npy(embeddings: Embeddings, path: Path, *, id_column: str) -> None:
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.save(file, embeddings.vectors, allow_pickle=False)
    write_ids(path, embeddings.item_ids)


def _write_parquet(embeddings: Embeddings, path: Path, *, id_column: str) -> None:
    import polars as pl

    width = embeddings.vectors.shape[1]
    columns = {
        id_column: pl.Series(embeddings.item_ids, dtype=pl.String),
        "vector": pl.Series(embeddings.vectors, dtype=pl.Array(pl.Float32, width)),
    }
    with atomic_write(path) as temporary:
        pl.DataFrame(columns).write_parquet(temporary, compression="zstd")


def _write_safetensors(embeddings: Embeddings, path: Path, *, id_column: str) -> None:
    embeddings.save(path)


FORMATS: dict[str, Callable[..., None]] = {
    "npy": _write_npy,
    "parquet": _write_parquet,
    "safetensors": _write_safetensors,
}
"""Writers by ending: of ``embeddings`` to ``path``; ``id_column`` names the ids in Parquet."""


def write_ids(path: Path, ids: tuple[str, ...]) -> Path:
    """Write ids, one a line, to ``<stem>.ids.txt`` beside a file: `read_vectors` looks there."""
    odd = next((one for one in ids if "\n" in one or not one), None)
    if odd is not None:
        raise DataError(
            f"{path}: ids are written one a line; {odd!r} is no line: write Parquet or safetensors"
        )
    beside = path.with_suffix(".ids.txt")
    with atomic_write(beside) as temporary:
        temporary.write_text("".join(f"{one}\n" for one in ids), encoding="utf-8")
    return beside


def _embeddings(ids: Sequence[str], made: np.ndarray, manifest: dict[str, Any]) -> Embeddings:
    digest = hashlib.sha256(np.ascontiguousarray(made, "<f4").data).hexdigest()
    ingredients = {**manifest, "vectors": digest, "ids": hash_json(list(ids))}
    return Embeddings(tuple(ids), made, ingredients, hash_json(ingredients))
