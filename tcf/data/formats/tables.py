"""Delimited, Parquet and Arrow files, and frames -> columns of text, each row traceable."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from tcf.data.formats.delimited import (
    CSV,
    TSV,
    Dialect,
    check_columns,
    line_of,
    read_delimited,
)
from tcf.errors import DataError

PathLike = str | os.PathLike[str]
SUFFIXES = (".tsv", ".csv", ".tsv.gz", ".csv.gz", ".parquet", ".arrow", ".feather")
_BINARY = (".parquet", ".arrow", ".feather")


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
    columns = list(dict.fromkeys(columns))
    if isinstance(source, (str, os.PathLike)):
        table = _load_file(Path(source), columns, ids, dialect, names)
    else:
        table = _of_frame(_as_frame(source), columns, ids, "the frame")
    if table.frame.is_empty():
        raise DataError(f"{table.name}: the file holds a header line and no row")
    required = [c for c in columns if c not in optional]
    check_cells(table, columns, required)
    return table


def require_file(path: Path) -> None:
    """Raise a DataError unless the path is a file."""
    if path.is_dir():
        raise DataError(f"{path}: a file is needed; this is a folder: name the file in it")
    if not path.is_file():
        raise DataError(f"{path}: a file is needed; there is none: check the path")


def _load_file(
    path: Path,
    columns: list[str],
    ids: Sequence[str],
    dialect: Dialect | None,
    names: Sequence[str] | None,
) -> Table:
    require_file(path)
    if dialect is None:
        if not path.name.endswith(SUFFIXES):
            raise DataError(f"{path}: the name must end in one of {', '.join(SUFFIXES)}")
        if path.name.endswith(_BINARY):
            return _of_frame(_read_binary(path), columns, ids, str(path))
        dialect = TSV if ".tsv" in path.suffixes else CSV
    written, skipped = dialect, int(names is None)
    frame = read_delimited(path, columns, dialect=dialect, names=names)
    return Table(frame, str(path), lambda row: f"{path}:{line_of(path, written, row + skipped)}")


def _read_binary(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        with open(path, "rb") as file:
            streamed = file.read(6) != b"ARROW1"
        if not streamed:
            return pl.read_ipc(path)
        return pl.read_ipc_stream(path)
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


def _of_frame(frame: pl.DataFrame, columns: list[str], ids: Sequence[str], name: str) -> Table:
    """Return the columns as text; dates as seconds."""
    check_columns(frame.columns, columns, name)
    dates = []
    for column in columns:
        kind = frame.schema[column]
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
    try:
        text = frame.select(columns).with_columns(dates).cast(pl.String).fill_null("")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{name}: the columns cannot be read as text: {error}") from error
    return Table(text, name, lambda row: f"{name}, row {row}")


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
