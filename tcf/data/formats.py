"""One reader per file format. Text comes through untouched; a bad row is named, never skipped."""

import csv
import gzip
import os
import string
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl

from tcf.data.catalog import Catalog, Interactions
from tcf.errors import DataError

PathLike = str | os.PathLike[str]
_SUFFIXES = (".tsv", ".csv", ".parquet", ".tsv.gz", ".csv.gz")


def read_items(path: PathLike, *, id_column: str = "item_id", text: str = "{title}") -> Catalog:
    """Read a catalogue from a TSV, CSV (either may be gzipped) or Parquet file with a header line.

    Args:
        path: The file. In a TSV a quote is a character like any other; a CSV is read by RFC 4180.
        id_column: Column with the item ids.
        text: Template of the text, with column names in braces: ``"{title}. {genres}"``.

    Raises:
        DataError: If the file cannot be read so, a column is missing, an item has no text, or an
            id is there twice.
    """
    columns = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    if not all(columns) or not columns:
        raise ValueError(f"text must name a column in braces, like '{{title}}'; got {text!r}")
    frame = _read_table(Path(path), [id_column, *columns], optional=columns)
    blank = frame.select(pl.all_horizontal(pl.col(columns).str.strip_chars() == "")).to_series()
    if blank.any():
        ids = frame[id_column].filter(blank)
        raise DataError(
            f"{path}: every item needs a text in {', '.join(columns)}; {len(ids)} of {len(frame)} "
            f"have none, the first item: {ids[0]!r}: give it a text or remove it"
        )
    if columns == [text[1:-1]]:
        texts = frame[columns[0]].to_list()
    else:
        texts = [text.format(**row) for row in frame.select(columns).iter_rows(named=True)]
    return Catalog(tuple(frame[id_column].to_list()), tuple(texts))


def read_interactions(
    path: PathLike,
    catalog: Catalog,
    *,
    user_column: str = "user_id",
    item_column: str = "item_id",
    time_column: str | None = "timestamp",
) -> Interactions:
    """Read interactions from a TSV, CSV (either may be gzipped) or Parquet file with a header line.

    Users keep the order in which they first appear; interactions of one user are sorted by time,
    equal times keep the order of the file.

    Args:
        path: The file.
        catalog: Items; every interaction's item must be in it.
        user_column: Column with the user ids.
        item_column: Column with the item ids.
        time_column: Column with numbers that grow with time; None takes the order of the file.

    Raises:
        DataError: If the file cannot be read so, a column is missing, a time is not a number, or an
            item is not in the catalogue.
    """
    path = Path(path)
    columns = [user_column, item_column] + ([time_column] if time_column else [])
    frame = _read_table(path, columns)
    items = pl.DataFrame(
        {item_column: catalog.item_ids, "row": np.arange(1, catalog.num_items + 1, dtype=np.int32)}
    )
    rows = frame.join(items, on=item_column, how="left", maintain_order="left")["row"]
    if rows.null_count():
        bad = rows.is_null().arg_true()
        raise DataError(
            f"{path}:{bad[0] + 2}: every item of an interaction must be in the catalogue; "
            f"{frame[item_column][bad[0]]!r} is not, nor are the items of {len(bad)} interactions "
            "in all: add them to the items file or remove these lines"
        )
    names = frame[user_column].unique(maintain_order=True)
    numbered = pl.DataFrame({user_column: names, "user": np.arange(len(names))})
    users = frame.join(numbered, on=user_column, how="left", maintain_order="left")["user"]
    return _group(
        names.to_list(),
        users.to_numpy(),
        rows.to_numpy(),
        _times(frame[time_column], path) if time_column else None,
    )


def read_microlens(folder: PathLike) -> tuple[Catalog, Interactions]:
    """Read MicroLens as published: ``*_pairs.tsv`` and ``*_titles.csv``.

    A line of the pairs is a user, a tab, and item ids separated by spaces, oldest first.

    Source: Ni et al., arXiv 2309.15379.
    """
    folder = Path(folder)
    pairs, titles = (_only(folder, pattern) for pattern in ("*_pairs.tsv", "*_titles.csv"))
    catalog = read_items(titles, id_column="item")
    try:
        lines = pairs.read_text(encoding="utf-8").splitlines()
    except UnicodeError as wrong:
        raise DataError(f"{pairs}: the text must be UTF-8; {wrong}: convert the file") from wrong
    users, histories = [], []
    for number, line in enumerate(lines, 1):
        user, tab, items = line.partition("\t")
        if not (tab and user and items.split()):
            raise DataError(
                f"{pairs}:{number}: a line needs a user, a tab and item ids separated by spaces; "
                f"got {line[:60]!r}"
            )
        users.append(user)
        histories.append(items.split())
    if not users:
        raise DataError(f"{pairs}: the file is empty; it needs a line for each user")
    try:
        rows = catalog.rows_of([item for history in histories for item in history])
    except DataError as error:
        raise DataError(f"{pairs}: {error}") from None
    if len(set(users)) != len(users):
        raise DataError(
            f"{pairs}: a user needs one line; {len(users) - len(set(users))} come again"
        )
    offsets = np.cumsum([0, *map(len, histories)])
    return catalog, Interactions(tuple(users), rows, offsets)


def read_folder(folder: PathLike, *, text: str = "{title}") -> tuple[Catalog, Interactions]:
    """Read ``items.*`` and ``interactions.*`` of a folder, or the published MicroLens files.

    Raises:
        DataError: If the folder holds neither, or either file twice.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: a data folder is needed; there is none: check the path")
    if list(folder.glob("*_pairs.tsv")):
        return read_microlens(folder)
    catalog = read_items(_only(folder, "items.*"), text=text)
    return catalog, read_interactions(_only(folder, "interactions.*"), catalog)


def _only(folder: Path, pattern: str) -> Path:
    """Return the one readable file that matches, or say what the folder holds instead."""
    found = sorted(p for p in folder.glob(pattern) if p.name.endswith(_SUFFIXES))
    if len(found) != 1:
        names = sorted(p.name for p in folder.iterdir())[:8] if folder.is_dir() else []
        raise DataError(
            f"{folder}: exactly one {pattern} ({', '.join(_SUFFIXES)}) is needed; found "
            f"{[p.name for p in found] or 'none'}; the folder holds {names or 'nothing'}"
        )
    return found[0]


def _read_table(
    path: Path, columns: Sequence[str], *, optional: Sequence[str] = ()
) -> pl.DataFrame:
    """Read these columns as text. An empty field is "" where optional, else an error."""
    if not path.is_file():
        raise DataError(f"{path}: a file is needed; there is none: check the path")
    if not path.name.endswith(_SUFFIXES):
        raise DataError(f"{path}: the name must end in one of {', '.join(_SUFFIXES)}")
    try:
        frame = _read_any(path)
    except (pl.exceptions.PolarsError, OSError, EOFError, UnicodeError) as error:
        _explain(path, error)
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing; the file has {frame.columns}")
    if frame.is_empty():
        raise DataError(f"{path}: the file holds a header line and no row")
    if path.suffix != ".parquet" and any(frame.null_count().row(0)):
        _check_field_counts(path)
    required = [c for c in dict.fromkeys(columns) if c not in optional]
    blank = pl.col(required).fill_null("").str.strip_chars() == ""  # "" in a CSV is no null
    empty = frame.select(pl.any_horizontal(blank)).to_series()
    if empty.any():
        row = empty.arg_true()[0]
        raise DataError(
            f"{path}:{row + 2}: {', '.join(required)} must not be empty; got {frame.row(row)}"
        )
    return frame.select(*dict.fromkeys(columns)).with_columns(pl.col(pl.String).fill_null(""))


def _read_any(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        times = [n for n, t in frame.schema.items() if t.is_temporal()]
        return frame.with_columns(pl.col(times).to_physical()).cast(pl.String)
    tabs = ".tsv" in path.suffixes
    return pl.read_csv(
        path,
        separator="\t" if tabs else ",",
        quote_char=None if tabs else '"',
        infer_schema=False,
    )


def _check_field_counts(path: Path) -> None:
    """Raise a DataError at the first line that has another number of fields than the header."""
    opened = gzip.open if path.suffix == ".gz" else open
    limit = csv.field_size_limit(2**31 - 1)  # a text may be longer than the module's 131,072
    try:
        with opened(path, "rt", encoding="utf-8", newline="") as lines:
            tabs = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if ".tsv" in path.suffixes else {}
            reader = csv.reader(lines, **tabs)
            header = next(reader)
            for parts in reader:
                if len(parts) != len(header):
                    raise DataError(
                        f"{path}:{reader.line_num}: a line needs the {len(header)} fields of the "
                        f"header ({', '.join(header)}); got {len(parts)}: {str(parts)[:80]}"
                    )
    finally:
        csv.field_size_limit(limit)


def _explain(path: Path, error: Exception) -> NoReturn:
    """Turn a parser's error into one that names the file, the line where it can, and the fix."""
    if isinstance(error, pl.exceptions.NoDataError) or path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty; it needs a header line and rows") from error
    if path.suffix != ".parquet":
        try:
            _check_field_counts(path)
        except UnicodeError as wrong:
            raise DataError(f"{path}: the text must be UTF-8; {wrong}: convert the file") from wrong
        except (OSError, EOFError, csv.Error) as broken:
            raise DataError(f"{path}: the file cannot be read: {broken}") from broken
    raise DataError(f"{path}: the file cannot be read: {str(error).splitlines()[0]}") from error


def _times(column: pl.Series, path: Path) -> np.ndarray:
    """Parse times as integers, else as floats; say which line is neither."""
    times = column.cast(pl.Int64, strict=False)
    if times.null_count():
        times = column.cast(pl.Float64, strict=False)
    bad = (times.is_null() | ~times.cast(pl.Float64).is_finite()).arg_true()
    if len(bad):
        raise DataError(
            f"{path}:{bad[0] + 2}: {column.name} must be a number; got {column[bad[0]]!r}"
        )
    return times.to_numpy()


def _group(
    user_ids: list[str], users: np.ndarray, rows: np.ndarray, times: np.ndarray | None
) -> Interactions:
    """Sort by user, then time, then the order of the file."""
    order = np.argsort(users, kind="stable") if times is None else np.lexsort((times, users))
    offsets = np.concatenate(([0], np.cumsum(np.bincount(users, minlength=len(user_ids)))))
    return Interactions(tuple(user_ids), rows[order].astype(np.int32), offsets)
