"""Delimited, Parquet and Arrow files, and frames -> columns of text, each row traceable."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tcf.data.formats.delimited import (
    BATCH_ROWS,
    CSV,
    TSV,
    Dialect,
    check_columns,
    line_of,
    scan_delimited,
)
from tcf.errors import DataError

PathLike = str | os.PathLike[str]
SUFFIXES = (".tsv", ".csv", ".tsv.gz", ".csv.gz", ".parquet", ".arrow", ".feather")
_BINARY = (".parquet", ".arrow", ".feather")
_EMPTY = "{}: the file holds a header line and no row"


@dataclass(frozen=True)
class Table:
    """Columns of text and where they came from.

    Attributes:
        frame: All columns are strings without nulls and NUL characters.
        name: The file, or ``"the frame"``.
        at: Names a row as an error does: ``file:line``, or ``the frame, row 3``.
    """

    frame: pl.DataFrame
    name: str
    at: Callable[[int], str] = field(repr=False)


def load(
    source: Any,
    columns: Sequence[str],
    *,
    ids: Sequence[str] = (),
    optional: Sequence[str] = (),
    dialect: Dialect | None = None,
    names: Sequence[str] | None = None,
) -> Table:
    """Read these columns as text.

    Args:
        source: A path, or a frame: Polars, pandas, Arrow or a Hugging Face ``Dataset``.
        columns: Their names.
        ids: Those among them that hold ids, which no frame or typed file may hold as floats.
        optional: Those that may be empty, which is ``""`` then.
        dialect: How the file is written; None goes by its suffix.
        names: The columns of a file without a header line, all of them, in order.

    Raises:
        DataError: If the source cannot be read so; the message names the file and, where the fault
            lies in a row, its line.
    """
    parts = list(scan(source, columns, ids=ids, optional=optional, dialect=dialect, names=names))
    return together(parts)


def scan(
    source: Any,
    columns: Sequence[str],
    *,
    ids: Sequence[str] = (),
    optional: Sequence[str] = (),
    dialect: Dialect | None = None,
    names: Sequence[str] | None = None,
) -> Iterator[Table]:
    """Yield what `load` returns in batches of rows, so that not all of it lies in memory as text.

    Raises:
        DataError: As `load` does, when the fault is reached.
    """
    columns = list(dict.fromkeys(columns))
    required = [c for c in columns if c not in optional]
    if isinstance(source, (str, os.PathLike)):
        parts = _scan_file(Path(source), columns, ids, dialect, names)
    else:
        parts = _scan_frame(_as_frame(source).lazy(), columns, ids, "the frame")
    for part in parts:
        check_cells(part, columns, required)
        yield part


def together(parts: Sequence[Table]) -> Table:
    """Return the rows of several tables as one."""
    if len(parts) == 1:
        return parts[0]
    ends = np.cumsum([len(part.frame) for part in parts])
    places = [part.at for part in parts]
    frame = pl.concat([part.frame for part in parts])
    return Table(frame, parts[0].name, lambda row: named(places, ends, row))


def named(places: Sequence[Callable[[int], str]], ends: np.ndarray, row: int) -> str:
    """Name a row of tables put together, given where each ends."""
    part = int(np.searchsorted(ends, row, side="right"))
    return places[part](row - int(ends[part - 1]) if part else row)


def require_file(path: Path) -> None:
    """Raise a DataError unless the path is a file."""
    if path.is_dir():
        raise DataError(f"{path}: a file is needed; this is a folder: name the file in it")
    if not path.is_file():
        raise DataError(f"{path}: a file is needed; there is none: check the path")


def _scan_file(
    path: Path,
    columns: list[str],
    ids: Sequence[str],
    dialect: Dialect | None,
    names: Sequence[str] | None,
) -> Iterator[Table]:
    require_file(path)
    if dialect is None:
        if not path.name.endswith(SUFFIXES):
            raise DataError(f"{path}: the name must end in one of {', '.join(SUFFIXES)}")
        if path.name.endswith(_BINARY):
            yield from _scan_binary(path, columns, ids)
            return
        dialect = TSV if ".tsv" in path.suffixes else CSV
    first = int(names is None)  # records before the batch, the header line among them
    for frame in scan_delimited(path, columns, dialect=dialect, names=names):
        at = partial(_line, path, dialect, first)
        yield Table(frame, str(path), at)
        first += len(frame)
    if first == int(names is None):
        raise DataError(_EMPTY.format(path))


def _line(path: Path, dialect: Dialect, first: int, row: int) -> str:
    return f"{path}:{line_of(path, dialect, first + row)}"


def _scan_binary(path: Path, columns: list[str], ids: Sequence[str]) -> Iterator[Table]:
    try:
        if path.suffix == ".parquet":
            lazy = pl.scan_parquet(path)
        else:
            with open(path, "rb") as file:
                streamed = file.read(6) != b"ARROW1"
            lazy = pl.read_ipc_stream(path).lazy() if streamed else pl.scan_ipc(path)
        yield from _scan_frame(lazy, columns, ids, str(path))
    except (pl.exceptions.PolarsError, OSError, EOFError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: the file cannot be read: {reason}") from error


def _as_frame(source: Any) -> pl.DataFrame:
    """Return a Polars frame of what can be had as one without a copy in Python."""
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, pl.LazyFrame):
        return source.collect(engine="streaming")
    if hasattr(source, "to_polars"):  # datasets.Dataset, with its filters applied
        return source.to_polars()
    if hasattr(source, "__arrow_c_stream__"):  # pandas, PyArrow, DuckDB, ...
        return pl.DataFrame(source)
    raise DataError(
        "a path or a frame (Polars, pandas, Arrow, a Dataset of Hugging Face) is needed; "
        f"got {type(source).__name__}: choose one table of it"
    )


def _scan_frame(
    lazy: pl.LazyFrame, columns: list[str], ids: Sequence[str], name: str
) -> Iterator[Table]:
    """Yield the columns as text; dates as seconds."""
    schema = lazy.collect_schema()
    check_columns(schema.names(), columns, name)
    dates = []
    for column in columns:
        kind = schema[column]
        if kind.is_temporal():
            dates.append(pl.col(column).cast(pl.Datetime("us")).dt.epoch("us") / 1_000_000)
        elif kind.is_nested() or kind in (pl.Binary, pl.Object):
            raise DataError(
                f"{name}: column {column!r} must hold text or numbers; it holds {kind}: convert it"
            )
        elif kind.is_float() and column in ids:
            raise DataError(
                f"{name}: ids must be text or integers; column {column!r} holds {kind}, as "
                "integers with gaps become in some libraries: convert it"
            )
    text = lazy.select(columns).with_columns(dates).cast(pl.String).fill_null("")
    first = 0
    try:
        for frame in text.collect_batches(chunk_size=BATCH_ROWS):
            yield Table(frame, name, partial(_row, name, first))
            first += len(frame)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{name}: the columns cannot be read as text: {error}") from error
    if not first:
        raise DataError(_EMPTY.format(name))


def _row(name: str, first: int, row: int) -> str:
    return f"{name}, row {first + row}"


def check_cells(table: Table, columns: list[str], required: list[str]) -> None:
    """Name the first required cell that is blank, and the first cell with a NUL character."""
    frame = table.frame
    if required:
        blank = pl.col(required).fill_null("").str.strip_chars() == ""  # "" in a CSV is no null
        empty = frame.select(pl.any_horizontal(blank)).to_series()
        if empty.any():
            row = int(empty.arg_true()[0])
            raise DataError(
                f"{table.at(row)}: {', '.join(required)} must not be empty; "
                f"got {str(frame.row(row))[:200]}"
            )
    nul = frame.select(pl.any_horizontal(pl.col(columns).str.contains("\0", literal=True)))
    found = nul.to_series().fill_null(False)
    if found.any():
        row = int(found.arg_true()[0])
        raise DataError(
            f"{table.at(row)}: text must not hold NUL characters; this row does: "
            "the file is damaged or in another encoding"
        )
