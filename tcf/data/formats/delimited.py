"""Delimited text -> columns of text, strictly: a row with another number of fields is an error."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

import polars as pl

from tcf.errors import DataError

BATCH_ROWS = 1_000_000  # read at a time: what of a file lies in memory as text
_UNIT = "\x1f"  # stands for a separator of two characters, which no parser takes
_WHOLE = pl.QueryOptFlags(projection_pushdown=False)  # else fields beyond the header go unseen


@dataclass(frozen=True)
class Dialect:
    """How a file of lines and fields is written.

    Attributes:
        separator: Between fields.
        quoted: Fields may be in double quotes (RFC 4180); else a quote is a character as any other.
        latin: A file that is not UTF-8 is Latin-1, as old MovieLens files are.
    """

    separator: str
    quoted: bool = False
    latin: bool = False

    @property
    def character(self) -> str:
        """The separator as one character."""
        return self.separator if len(self.separator) == 1 else _UNIT


CSV = Dialect(",", quoted=True)
TSV = Dialect("\t")


def scan_delimited(
    path: Path, columns: Sequence[str], *, dialect: Dialect, names: Sequence[str] | None
) -> Iterator[pl.DataFrame]:
    """Yield these columns of a file as text, a batch of rows at a time; an empty field is ``""``.

    Args:
        path: The file; gzip by its suffix.
        columns: To keep.
        dialect: How it is written.
        names: All columns of a file without a header line; None takes them from the first line.

    Raises:
        DataError: If the file is empty, not UTF-8, cut short or misses a column, or a line has
            another number of fields than it must.
    """
    try:
        lazy = pl.scan_csv(
            _source(path, dialect),
            separator=dialect.character,
            quote_char='"' if dialect.quoted else None,
            infer_schema=False,
            has_header=names is None,
        )
        found = lazy.collect_schema().names()
        if names is not None:
            if len(found) != len(names):
                _explain(path, dialect, names, None)
            lazy, found = lazy.rename(dict(zip(found, names, strict=True))), list(names)
        if any("\ufffd" in name or "\0" in name for name in found):  # Polars lets those pass
            raise DataError(
                f"{path}:1: the text must be UTF-8; the header is not: convert the file"
            )
        check_columns(found, columns, str(path))
        kept = lazy.select(list(dict.fromkeys([*columns, found[-1]])))
        for frame in kept.collect_batches(chunk_size=BATCH_ROWS, optimizations=_WHOLE):
            if frame[found[-1]].null_count():  # a short line has no last field
                _check_field_counts(path, dialect, names)
            yield frame.select(columns).fill_null("")
    except (pl.exceptions.PolarsError, OSError, EOFError, UnicodeError, zlib.error) as error:
        _explain(path, dialect, names, error)


def check_columns(found: Sequence[str], wanted: Sequence[str], name: str) -> None:
    """Raise a DataError that names the first column which is missing or there twice."""
    missing = [c for c in wanted if c not in found]
    if missing:
        raise DataError(f"{name}: column {missing[0]!r} is missing; the file has {list(found)}")
    twice = [c for c in wanted if f"{c}_duplicated_0" in found or list(found).count(c) > 1]
    if twice:
        raise DataError(f"{name}: column {twice[0]!r} is there twice; it must be there once")


def line_of(path: Path, dialect: Dialect, record: int) -> int:
    """Return the line at which a record starts, both counted as they come (lines from 1)."""
    if not dialect.quoted:
        return record + 1
    with _reader(path, dialect, lenient=True) as reader:
        for _ in islice(reader, record):
            pass
        return reader.line_num + 1


def first_fields(path: Path, dialect: Dialect) -> list[str]:
    """Return the fields of the first line; none where the file is empty.

    Raises:
        DataError: If the line cannot be read.
    """
    try:
        with _reader(path, dialect) as reader:
            return next(reader, [])
    except (OSError, EOFError, UnicodeError, csv.Error, zlib.error) as error:
        _explain(path, dialect, None, error)


def _source(path: Path, dialect: Dialect) -> Path | io.BytesIO:
    """Return what Polars reads: the file, or its content in UTF-8 with single separators."""
    if not dialect.latin and len(dialect.separator) == 1:
        return path
    return io.BytesIO(_text(path, dialect).encode("utf-8"))


def _text(path: Path, dialect: Dialect) -> str:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if not dialect.latin:
            raise
        text = content.decode("latin-1")
    return text.replace(dialect.separator, dialect.character)


@contextmanager
def _reader(path: Path, dialect: Dialect, *, lenient: bool = False) -> Iterator[Any]:
    """Yield a reader of the file's records, line by line: for messages, not for speed."""
    quoting = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
    limit = csv.field_size_limit(2**31 - 1)  # a text may be longer than the module's 131,072
    try:
        with _open(path, dialect, errors="replace" if lenient else "strict") as lines:
            yield csv.reader(
                lines, delimiter=dialect.character, strict=not lenient, quoting=quoting
            )
    finally:
        csv.field_size_limit(limit)


def _open(path: Path, dialect: Dialect, *, errors: str) -> TextIO:
    if dialect.latin or len(dialect.separator) > 1:
        return io.StringIO(_text(path, dialect), newline="")
    opened = gzip.open if path.suffix == ".gz" else open
    return cast(TextIO, opened(path, "rt", encoding="utf-8-sig", errors=errors, newline=""))


def _check_field_counts(path: Path, dialect: Dialect, names: Sequence[str] | None) -> None:
    """Raise a DataError at the first line that has another number of fields than it must."""
    with _reader(path, dialect) as reader:
        header = list(names) if names is not None else next(_records(reader, path, 1), [])
        line = reader.line_num + 1
        for parts in _records(reader, path, line):
            if len(parts) != len(header):
                of = "the header" if names is None else "this format"
                raise DataError(
                    f"{path}:{line}: a line needs the {len(header)} fields of {of} "
                    f"({', '.join(header)[:200]}); got {len(parts)}: {str(parts)[:80]}"
                )
            line = reader.line_num + 1


def _records(reader: Any, path: Path, line: int) -> Iterator[list[str]]:
    """Yield the records from ``line`` on; name the one whose quotes do not match."""
    try:
        for parts in reader:
            yield parts
            line = reader.line_num + 1
    except csv.Error as broken:
        raise DataError(
            f"{path}:{line}: a quote in a field must be doubled and the field quoted: {broken}"
        ) from broken


def _explain(
    path: Path, dialect: Dialect, names: Sequence[str] | None, error: Exception | None
) -> NoReturn:
    """Turn a parser's error into one that names the file, the line where it can, and the fix."""
    if isinstance(error, pl.exceptions.NoDataError) or path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty; it needs a header line and rows") from error
    try:
        _check_field_counts(path, dialect, names)
    except UnicodeError as wrong:
        raise DataError(
            f"{_place(path)}: the text must be UTF-8; {wrong}: convert the file"
        ) from wrong
    except (OSError, EOFError, zlib.error) as broken:
        raise DataError(f"{path}: the file cannot be read: {broken}") from broken
    reason = str(error).splitlines()[0] if error and str(error) else "its fields do not fit"
    raise DataError(f"{path}: the file cannot be read: {reason}") from error


def _place(path: Path) -> str:
    """Name the first line that is not UTF-8."""
    opened = gzip.open if path.suffix == ".gz" else open
    with suppress(OSError, EOFError, zlib.error), opened(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f"{path}:{number}"
    return str(path)
