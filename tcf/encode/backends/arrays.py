"""Vectors made elsewhere, read from npy, safetensors or Parquet, with their item ids."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from tcf._util import hash_json
from tcf.encode.backends.parquet import read_parquet, some
from tcf.encode.backends.stated import stated_parameters
from tcf.encode.embeddings import Embeddings
from tcf.errors import DataError

if TYPE_CHECKING:
    from tcf.data.catalog import Catalog

__all__ = ["is_vector_file", "read_vectors", "vectors_of"]

_ENDINGS = (".npy", ".safetensors", ".parquet")
_CHUNK_BYTES = 2**24
Ids = Sequence[str] | str | PathLike[str]


def is_vector_file(encoder: object) -> TypeGuard[str | Path]:
    """Whether an encoder is named by a file of ready vectors: by its ending, there or not."""
    named = isinstance(encoder, str | Path)
    return named and Path(encoder).suffix in _ENDINGS and not Path(encoder).is_dir()


def read_vectors(
    path: str | PathLike[str],
    *,
    item_ids: Ids | None = None,
    id_column: str = "item_id",
    vector_column: str | None = None,
    parameters: Mapping[str, int] | None = None,
) -> Embeddings:
    """Return the vectors of a file with their item ids.

    A float32 ``.npy`` stays a read-only map of the file; else the matrix is copied once.

    Args:
        path: ``.npy``: ``(N, E)``. ``.safetensors``: written by `Embeddings.save`, or with one 2-D
            tensor. ``.parquet``: a column of ids, and either one column of lists or E columns of
            floats, in the file's order.
        item_ids: For npy and foreign safetensors: the ids in the order of the rows, or a text file
            with one a line; None is the file ``<stem>.ids.txt`` beside ``path``.
        id_column: Of a Parquet file; strings, or integers taken as strings.
        vector_column: Of a Parquet file: the column of lists; None is the only one.
        parameters: The encoder's size, where known: ``{"total": ..., "without_embeddings": ...}``.
            A plot over parameters needs it.

    Returns:
        Float32 embeddings. The key hashes vectors and ids, never the path; those that
        `Embeddings.save` wrote keep the key and the manifest they have.

    Raises:
        DataError: If the file cannot be read, ids and vectors do not fit together, an id is there
            twice, or a number is not finite in float32.
    """
    table = _read(Path(path), item_ids=item_ids, id_column=id_column, vector_column=vector_column)
    return table.embeddings(range(len(table.ids)), parameters)


def vectors_of(
    catalog: "Catalog",
    path: str | PathLike[str],
    *,
    item_ids: Ids | None = None,
    id_column: str = "item_id",
    vector_column: str | None = None,
    parameters: Mapping[str, int] | None = None,
) -> Embeddings:
    """Return the vectors of exactly the catalogue's items, in its order.

    Args:
        catalog: Its items must all have a vector; vectors of other items are left out.
        path: As in `read_vectors`, as are the further arguments.
        item_ids: For npy and foreign safetensors.
        id_column: Of a Parquet file.
        vector_column: Of a Parquet file.
        parameters: The encoder's size, where known.

    Raises:
        DataError: If an item has no vector, and as `read_vectors`.
    """
    table = _read(Path(path), item_ids=item_ids, id_column=id_column, vector_column=vector_column)
    rows = {item_id: row for row, item_id in enumerate(table.ids)}
    missing = [item_id for item_id in catalog.item_ids if item_id not in rows]
    if missing:
        raise DataError(
            f"{path}: every item of the catalogue needs a vector; {len(missing)} of "
            f"{catalog.num_items} have none, the first: {some(missing)}. The file's ids begin "
            f"with {some(table.ids)}"
        )
    return table.embeddings([rows[item_id] for item_id in catalog.item_ids], parameters)


@dataclass(frozen=True, eq=False)
class _Table:
    """A file's content, its numbers not looked at yet."""

    path: Path
    ids: Sequence[str]
    vectors: np.ndarray  # (N, E), of any real dtype
    saved: Embeddings | None = None  # where `Embeddings.save` wrote it

    def embeddings(self, rows: Sequence[int], parameters: Mapping[str, int] | None) -> Embeddings:
        ids = tuple(self.ids[row] for row in rows)
        vectors = self._float32(np.fromiter(rows, np.int64, len(rows)))
        digest = hashlib.sha256(np.asarray(vectors.shape, "<i8").tobytes())
        for part in _parts(vectors):
            finite = np.isfinite(vectors[part]).all(axis=1)
            if not finite.all():
                bad = part.start + int(np.argmin(finite))
                raise DataError(
                    f"{self.path}: every number must be finite in float32; the vector of item "
                    f"{ids[bad]!r} is not. Make it again, or leave the item out"
                )
            digest.update(np.ascontiguousarray(vectors[part], "<f4").data)
        stated = stated_parameters(parameters)
        if self.saved is not None:
            manifest = {**self.saved.manifest, **({"parameters": stated} if stated else {})}
            return Embeddings(ids, vectors, manifest, self.saved.key)
        content = {
            "backend": "arrays",
            "vectors": digest.hexdigest(),
            "item_ids": hash_json(list(ids)),
        }
        manifest = {"name": self.path.name, "parameters": stated, "encoder": content}
        return Embeddings(ids, vectors, manifest, hash_json({"encoder": content}))

    def _float32(self, rows: np.ndarray) -> np.ndarray:
        whole = len(rows) == len(self.vectors) and bool((rows == np.arange(len(rows))).all())
        if whole and self.vectors.dtype == np.float32 and self.vectors.flags.c_contiguous:
            return self.vectors
        result = np.empty((len(rows), self.vectors.shape[1]), np.float32)
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused as such
            for part in _parts(result):
                result[part] = self.vectors[rows[part]]
        return result


def _read(path: Path, *, item_ids: Ids | None, id_column: str, vector_column: str | None) -> _Table:
    readers: dict[str, Callable[[], _Table]] = {
        ".npy": lambda: _with_ids(path, _npy(path), item_ids),
        ".safetensors": lambda: _safetensors(path, item_ids),
        ".parquet": lambda: _Table(
            path, *read_parquet(path, id_column=id_column, vector_column=vector_column)
        ),
    }
    if path.suffix not in readers:
        raise DataError(f"{path}: vectors are read from {', '.join(readers)}; got {path.suffix!r}")
    if path.suffix == ".parquet" and item_ids is not None:
        raise ValueError("a Parquet file holds its own ids, in id_column; leave out item_ids")
    if not path.is_file():
        raise DataError(f"{path}: no such file of vectors")
    table = readers[path.suffix]()
    if table.vectors.ndim != 2 or 0 in table.vectors.shape or table.vectors.dtype.kind not in "fiu":
        raise DataError(
            f"{path}: vectors must be a matrix (N, E) of real numbers, neither of them 0; got "
            f"shape {table.vectors.shape} of {table.vectors.dtype}"
        )
    if len(table.ids) != len(table.vectors):
        raise DataError(
            f"{path}: each row needs one item id; got {len(table.vectors)} rows and "
            f"{len(table.ids)} ids"
        )
    _check_distinct(path, table.ids)
    return table


def _npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not an npy file of numbers ({error})") from error


def _safetensors(path: Path, item_ids: Ids | None) -> _Table:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            saved = "tcf.embeddings" in (file.metadata() or {})
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            flat = [name for name, part in parts.items() if len(part.get_shape()) == 2]
            # NumPy has neither bfloat16 nor the 8-bit floats.
            framework = "numpy"
            if len(flat) == 1 and parts[flat[0]].get_dtype().startswith(("BF", "F8")):
                framework = "pt"
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: not a safetensors file ({error})") from error
    if saved:
        if item_ids is not None:
            raise ValueError(f"{path} holds its own item ids; leave out item_ids")
        embeddings = Embeddings.load(path)
        return _Table(path, embeddings.item_ids, embeddings.vectors, embeddings)
    if len(flat) != 1:
        raise DataError(
            f"{path}: one 2-D tensor is needed, which is the vectors; found {len(flat)} "
            f"among the tensors {', '.join(sorted(parts)) or '(none)'}"
        )
    with safe_open(path, framework=framework) as file:
        tensor = file.get_tensor(flat[0])
    return _with_ids(path, tensor if framework == "numpy" else tensor.float().numpy(), item_ids)


def _with_ids(path: Path, vectors: np.ndarray, item_ids: Ids | None) -> _Table:
    if item_ids is None:
        beside = path.with_suffix(".ids.txt")
        if not beside.is_file():
            raise DataError(
                f"{path} holds no item ids: write them to {beside.name} beside it, one a line in "
                "the order of the rows, or give item_ids"
            )
        return _Table(path, _lines(beside), vectors)
    if isinstance(item_ids, str | PathLike):
        return _Table(path, _lines(Path(item_ids)), vectors)
    for place, item_id in enumerate(item_ids):
        if not isinstance(item_id, str):
            raise ValueError(
                f"item_ids must be strings; got {type(item_id).__name__} at position {place}"
            )
    return _Table(path, item_ids, vectors)


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: item ids are a UTF-8 text file, one a line ({error})") from error
    if lines[-1] == "":
        lines.pop()
    if "" in lines:
        raise DataError(
            f"{path}:{lines.index('') + 1}: each line must hold an item id; it is empty"
        )
    return lines


def _check_distinct(path: Path, ids: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for row, item_id in enumerate(ids):
        if first.setdefault(item_id, row) != row:
            raise DataError(
                f"{path}: item ids must be distinct; {item_id!r} is at rows {first[item_id]} and "
                f"{row}, counted from 0"
            )


def _parts(matrix: np.ndarray) -> Iterator[slice]:
    """Slices of rows that are small against memory."""
    step = max(1, _CHUNK_BYTES // (4 * matrix.shape[1]))
    return (slice(start, start + step) for start in range(0, len(matrix), step))
