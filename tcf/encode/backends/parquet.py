"""Ids and vectors of a Parquet file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tcf.errors import DataError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_parquet", "some"]


def read_parquet(
    path: Path, *, id_column: str, vector_column: str | None
) -> tuple[list[str], np.ndarray]:
    """Return the ids and the ``(N, E)`` vectors. Arguments as in `arrays.read_vectors`.

    Raises:
        DataError: If there is no such column, or it does not hold what it must.
    """
    import polars as pl

    try:
        schema = pl.read_parquet_schema(path)
        columns = _vector_columns(path, schema, id_column, vector_column)
        frame = pl.read_parquet(path, columns=[id_column, *columns])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: not a Parquet file that can be read ({error})") from error
    if frame.is_empty():
        raise DataError(f"{path}: a vector is needed; the file has no row")
    ids = _ids(path, frame[id_column])
    if isinstance(frame.schema[columns[0]], pl.List | pl.Array):
        return ids, _lists(path, frame[columns[0]], ids)
    return ids, _floats(path, frame.select(columns), ids)


def some(names: Sequence[str]) -> str:
    """Return the first three names, for a message."""
    return ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")


def _vector_columns(
    path: Path, schema: Mapping[str, Any], id_column: str, vector_column: str | None
) -> list[str]:
    import polars as pl

    for argument, name in (("id_column", id_column), ("vector_column", vector_column)):
        if name is not None and name not in schema:
            raise DataError(
                f"{path}: {argument} must be a column of the file; there is no {name!r} among "
                f"{some(list(schema))}"
            )
    lists = [
        name
        for name, kind in schema.items()
        if isinstance(kind, pl.List | pl.Array)
        and (kind.inner.is_float() or kind.inner.is_integer())
    ]
    floats = [name for name, kind in schema.items() if kind.is_float() and name != id_column]
    if vector_column is not None:
        if vector_column not in lists:
            raise DataError(
                f"{path}: vector_column must hold lists of numbers; {vector_column!r} is "
                f"{schema[vector_column]}"
            )
        return [vector_column]
    if len(lists) > 1 or bool(lists) == bool(floats):
        raise DataError(
            f"{path}: the vectors must be one column of lists of numbers, or all the columns of "
            f"floats; found lists in {some(lists) or 'none'} and floats in "
            f"{some(floats) or 'none'}. Name a column of lists with vector_column"
        )
    return lists or floats


def _ids(path: Path, column: "pl.Series") -> list[str]:
    import polars as pl

    kind = column.dtype
    if not (kind.is_integer() or isinstance(kind, pl.String | pl.Categorical | pl.Enum)):
        raise DataError(
            f"{path}: item ids must be strings or integers; column {column.name!r} is {kind}"
        )
    if column.null_count():
        row = column.is_null().arg_max()
        raise DataError(f"{path}: every vector needs an item id; {column.name!r} has none in {row}")
    return column.cast(pl.String).to_list()


def _lists(path: Path, column: "pl.Series", ids: Sequence[str]) -> np.ndarray:
    import polars as pl

    if isinstance(column.dtype, pl.Array):
        column = column.cast(pl.List(column.dtype.inner))
    widths = column.list.len().fill_null(0).to_numpy()
    odd = int(np.argmax((widths != widths[0]) | (widths == 0)))
    if widths[odd] != widths[0] or widths[odd] == 0:
        raise DataError(
            f"{path}: all vectors must have one width, above 0; that of item {ids[0]!r} has "
            f"{widths[0]} numbers, that of {ids[odd]!r} has {widths[odd]}"
        )
    flat = column.explode()
    _refuse_gaps(path, flat, ids, width=int(widths[0]))
    return flat.to_numpy().reshape(len(column), -1)


def _floats(path: Path, frame: "pl.DataFrame", ids: Sequence[str]) -> np.ndarray:
    result = np.empty(frame.shape, np.float32)
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused by the caller
        for place, column in enumerate(frame):
            _refuse_gaps(path, column, ids, width=1)
            result[:, place] = column.to_numpy()
    return result


def _refuse_gaps(path: Path, numbers: "pl.Series", ids: Sequence[str], *, width: int) -> None:
    if numbers.null_count():
        gap = numbers.is_null().arg_max() or 0
        raise DataError(f"{path}: the vector of item {ids[gap // width]!r} has a number missing")
