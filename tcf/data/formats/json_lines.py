"""One record a line, in JSON or as Python writes a dict -> columns of text."""

import ast
import gzip
import json
import zlib
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import polars as pl

from tcf.data.formats.delimited import BATCH_ROWS
from tcf.data.formats.tables import Table, check_cells, require_file, together
from tcf.errors import DataError

_LITERAL_ERRORS = (ValueError, SyntaxError, RecursionError, MemoryError)


def load_records(
    path: Path,
    columns: Sequence[str],
    *,
    optional: Sequence[str] = (),
    lists: Collection[str] = (),
) -> Table:
    """Read these keys of every record as text; a key that a record lacks is ``""``.

    JSON is read by Polars. What Amazon's 2014 metadata and Steam hold, dicts as Python prints them,
    is read a line at a time (about 20,000 a second).

    Args:
        path: The file; gzip by its suffix.
        columns: The keys.
        optional: Those that may be missing or empty.
        lists: Those that hold lists of texts, which are joined by spaces.

    Raises:
        DataError: If the file cannot be read, a line is no record, or a key that is needed is
            missing; the message names file and line.
    """
    return together(list(scan_records(path, columns, optional=optional, lists=lists)))


def scan_records(
    path: Path,
    columns: Sequence[str],
    *,
    optional: Sequence[str] = (),
    lists: Collection[str] = (),
) -> Iterator[Table]:
    """Yield what `load_records` returns in batches of rows.

    Raises:
        DataError: As `load_records` does, when the fault is reached.
    """
    require_file(path)
    columns = list(dict.fromkeys(columns))
    required = [c for c in columns if c not in optional]
    first = 0
    try:
        is_json = _first(path) is not None
        frames = _scan_json(path, columns, lists) if is_json else _scan_literals(path, columns)
        for frame in frames:
            table = Table(frame.fill_null(""), str(path), partial(_place, path, first))
            for column in required if not first else ():
                if not (table.frame[column] != "").any():
                    raise DataError(f"{path}: key {column!r} is missing in every record")
            check_cells(table, columns, required)
            yield table
            first += len(frame)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: the file cannot be read: {error}") from error
    if not first:
        raise DataError(f"{path}: the file is empty; it needs a record a line")


def _place(path: Path, first: int, row: int) -> str:
    return f"{path}:{_line_of(path, first + row)}"


def keys_of(path: Path) -> set[str]:
    """Return the keys of the first record.

    Raises:
        DataError: If the file cannot be read or its first line is no record.
    """
    require_file(path)
    try:
        record = _first(path)
        if record is None:
            _, line = next(_lines(path))
            record = _literal(path, 1, line)
    except (OSError, EOFError, UnicodeError, zlib.error, StopIteration) as error:
        raise DataError(f"{path}: the file cannot be read: {error or 'it is empty'}") from error
    if not record:
        raise DataError(f"{path}: the first line must be a record with keys; there is none")
    return set(record)


def _first(path: Path) -> dict[str, Any] | None:
    """Return the first record if it is JSON."""
    for _, line in _lines(path):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            return None
        return record if isinstance(record, dict) else None
    return {}


def _scan_json(
    path: Path, columns: Sequence[str], lists: Collection[str]
) -> Iterator[pl.DataFrame]:
    joined = [_joined(column) for column in columns if column in lists]
    try:
        lazy = pl.scan_ndjson(path, schema=dict.fromkeys(columns, pl.String))
        for frame in lazy.collect_batches(chunk_size=BATCH_ROWS):
            yield frame.with_columns(joined)
    except pl.exceptions.PolarsError as error:
        _explain(path, error)


def _joined(column: str) -> pl.Expr:
    """Join a list, which Polars hands over as its JSON; other text stays."""
    cell = pl.col(column)
    return (
        pl.when(cell.str.starts_with("["))
        .then(cell.map_elements(_flat_json, return_dtype=pl.String))
        .otherwise(cell)
    )


def _scan_literals(path: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    lines = _lines(path)
    while batch := list(islice(lines, BATCH_ROWS)):
        records = (_literal(path, number, line) for number, line in batch)
        rows = [[_as_text(record.get(column)) for column in columns] for record in records]
        yield pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def _literal(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = ast.literal_eval(line.decode("utf-8").strip())
    except UnicodeError as wrong:
        raise DataError(
            f"{path}:{number}: the text must be UTF-8; {wrong}: convert the file"
        ) from wrong
    except _LITERAL_ERRORS as error:
        raise DataError(
            f"{path}:{number}: a line must be a record in JSON or a dict of Python; "
            f"got {line[:60]!r}"
        ) from error
    if not isinstance(record, dict):
        raise DataError(f"{path}:{number}: a line must be a record; got {line[:60]!r}")
    return record


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(filter(None, map(_as_text, value)))
    return str(value)


def _flat_json(cell: str) -> str | None:
    try:
        return _as_text(json.loads(cell))
    except ValueError:  # a text that begins with a bracket
        return cell


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold anything, with their numbers."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line


def _line_of(path: Path, row: int) -> int:
    return next(islice(_lines(path), row, None))[0]


def _explain(path: Path, error: Exception) -> NoReturn:
    """Name the first line that is no record."""
    for number, line in _lines(path):
        try:
            good = isinstance(json.loads(line.decode("utf-8")), dict)
        except UnicodeError as wrong:
            raise DataError(
                f"{path}:{number}: the text must be UTF-8; {wrong}: convert the file"
            ) from wrong
        except (ValueError, RecursionError):
            good = False
        if not good:
            raise DataError(
                f"{path}:{number}: a line must be a record in JSON; got {line[:60]!r}"
            ) from error
    reason = (str(error).splitlines() or ["unknown"])[0]
    raise DataError(f"{path}: the file cannot be read: {reason}") from error
