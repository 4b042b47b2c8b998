"""RecBole's atomic files, with one interaction a line or with a history in every line.

Source: Zhao et al., arXiv 2011.01731; recbole.io/docs/user_guide/data/atomic_files.html.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.delimited import TSV, first_fields
from tcf.data.formats.events import group, interactions_of, number, rows_of
from tcf.data.formats.files import matching, only
from tcf.data.formats.tables import PathLike, Table, load, require_file, together
from tcf.data.formats.texts import Missing, catalog_of, fields_of
from tcf.errors import DataError

_TYPES = ("token", "token_seq", "float", "float_seq")
_TITLES = ("title", "movie_title", "name", "item_name", "text")
_PARTS = ("train", "valid", "test")


def read_recbole(
    folder: PathLike,
    *,
    text: str | None = None,
    missing: Missing = "error",
    labels: str | None = None,
) -> tuple[Catalog, Interactions]:
    """Read ``*.item`` and ``*.inter``, or ``*.train.inter``, ``*.valid.inter``, ``*.test.inter``.

    A line of ``.inter`` is a user, an item and perhaps a ``timestamp``; or, in the benchmark files
    of sequential models, a user, the items before (``item_id_list:token_seq``) and the next one.
    Of these each user's lines are put together again: every line's list must end what the lines
    before it said.

    Args:
        folder: Holds the files.
        text: Template of the text; None takes the one column among ``title``, ``movie_title``,
            ``name``, ``item_name`` and ``text``.
        missing: ``"drop"`` leaves items without text, and their interactions, out.
        labels: Template of the labels, such as ``"{genre}"``; those of a ``token_seq`` stand
            between spaces. None: none.

    Raises:
        DataError: If a file is missing or malformed, or an item unknown.

    Source: Zhao et al., arXiv 2011.01731.
    """
    folder = Path(folder)
    catalog = _read_items(only(folder, ("*.item", "*.text")), text, missing, labels)
    parts = [p for part in _PARTS for p in matching(folder, f"*.{part}.inter")]
    paths = parts or [only(folder, "*.inter")]
    names = [_header(path) for path in paths]
    if "item_id_list" in names[0]:
        return catalog, _unroll(
            [_load(p, ("user_id", "item_id_list", "item_id")) for p in paths], catalog, missing
        )
    time = "timestamp" if all("timestamp" in header for header in names) else None
    columns = ("user_id", "item_id", *([time] if time else []))
    table = together([_load(path, columns) for path in paths])
    return catalog, interactions_of(
        table, catalog, user="user_id", item="item_id", time=time, missing=missing
    )


def _read_items(path: Path, text: str | None, missing: Missing, labels: str | None) -> Catalog:
    names = _header(path)
    if text is None:
        found = [name for name in _TITLES if name in names]
        if len(found) != 1:
            raise DataError(
                f"{path}: which column holds the text must be said; the file has {list(names)}: "
                "say text='{column}'"
            )
        text = f"{{{found[0]}}}"
    fields = fields_of(text, labels)
    table = _load(path, ["item_id", *fields], optional=[f for f in fields if f != "item_id"])
    return catalog_of(table, text, id_column="item_id", missing=missing, labels=labels)


def _header(path: Path) -> dict[str, str]:
    """Return the name and type of each column.

    Raises:
        DataError: If a column has no type, or another than RecBole knows.
    """
    require_file(path)
    cells = first_fields(path, TSV)
    if not cells:
        raise DataError(f"{path}: the file is empty; it needs a header line and rows")
    columns = {}
    for cell in cells:
        name, colon, kind = cell.rpartition(":")
        if not colon or kind not in _TYPES or name in columns:
            raise DataError(
                f"{path}:1: a column is headed name:type, once, with a type of "
                f"{', '.join(_TYPES)}; got {cell!r}"
            )
        columns[name] = kind
    return columns


def _load(path: Path, names: Sequence[str], *, optional: Sequence[str] = ()) -> Table:
    kinds = _header(path)
    missing = [name for name in names if name not in kinds]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing; the file has {list(kinds)}")
    headed = {f"{name}:{kinds[name]}": name for name in names}
    table = load(
        path,
        list(headed),
        optional=[cell for cell, name in headed.items() if name in optional],
        dialect=TSV,
    )
    return Table(table.frame.rename(headed), table.name, table.at)


def _unroll(tables: Sequence[Table], catalog: Catalog, missing: Missing) -> Interactions:
    """Return each user's first list and then the next item of every line.

    Raises:
        DataError: If a list is not the end of what came before it.
    """
    table = together(tables)
    names, users = number(table.frame["user_id"])
    order = np.argsort(users, kind="stable")
    lists = table.frame["item_id_list"].str.strip_chars(" ").str.replace_all(" +", " ")
    lists = lists.str.split(" ")[order.tolist()]
    targets = table.frame["item_id"][order.tolist()]
    is_first = np.diff(users[order], prepend=-1) > 0
    lengths = lists.list.len().cast(pl.Int64).to_numpy()

    # The whole sequence: before each user's first target stands that line's list.
    pieces = pl.DataFrame({"list": lists, "target": targets, "first": is_first})
    pieces = pieces.select(
        pl.when("first").then(pl.concat_list("list", "target")).otherwise(pl.concat_list("target"))
    ).to_series()
    sizes = pieces.list.len().cast(pl.Int64).to_numpy()
    whole = pieces.explode()
    ends = np.cumsum(sizes) - 1  # place of each line's target
    _check_lists(table, order, lists, lengths, whole, ends, users[order], sizes)

    lines = np.repeat(order, sizes)
    events = Table(pl.DataFrame({"item": whole}), table.name, lambda row: table.at(int(lines[row])))
    rows = rows_of(events, catalog, "item", missing)
    kept = rows > 0
    left, numbers = np.unique(np.repeat(users[order], sizes)[kept], return_inverse=True)
    return group([names[user] for user in left], numbers, rows[kept])


def _check_lists(
    table: Table,
    order: np.ndarray,
    lists: pl.Series,
    lengths: np.ndarray,
    whole: pl.Series,
    ends: np.ndarray,
    users: np.ndarray,
    sizes: np.ndarray,
) -> None:
    """Compare every list with the items that stand before its target."""
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    line = np.repeat(np.arange(len(lengths)), lengths)
    before = ends[line] - lengths[line] + (np.arange(len(line)) - starts[line])
    first_of_user = np.concatenate(([0], np.cumsum(np.bincount(users, weights=sizes))))[users]
    outside = before < first_of_user[line]
    said = whole[np.maximum(before, 0).tolist()] if len(before) else whole[:0]
    wrong = outside | (said != lists.explode()).to_numpy()
    if wrong.any():
        row = int(order[line[np.flatnonzero(wrong)[0]]])
        raise DataError(
            f"{table.at(row)}: a line's item_id_list must be the last items of the same user's "
            "lines before it; this one is not: are the files complete and in order?"
        )
