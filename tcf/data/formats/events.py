"""Rows of (user, item, time) -> Interactions."""

import logging
from collections.abc import Iterable

import numpy as np
import polars as pl

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.tables import Table, named
from tcf.data.formats.texts import Missing
from tcf.data.formats.times import in_seconds, read_times, unit_of
from tcf.errors import DataError

_log = logging.getLogger(__name__)


class Codes:
    """Ids as integers, so that each distinct one lies in memory once."""

    def __init__(self):
        self._kind = pl.Categorical(pl.Categories.random())
        self._kept = pl.Series(dtype=self._kind)  # Polars forgets the ids when no column has them

    def of(self, ids: pl.Series) -> np.ndarray:
        """Return the ``(n,)`` uint32 code of each id."""
        return ids.cast(self._kind).to_physical().to_numpy()

    def ids(self, codes: np.ndarray) -> list[str]:
        """Return the ids that these ``(n,)`` codes stand for."""
        return pl.Series(codes, dtype=pl.UInt32).cat.to(self._kind).cast(pl.String).to_list()


class ItemRows:
    """Catalogue rows of items, and how many are not in the catalogue."""

    def __init__(self, catalog: Catalog):
        self._codes = Codes()
        codes = self._codes.of(pl.Series(catalog.item_ids, dtype=pl.String))
        self._row = np.zeros(codes.max() + 1, np.int32)
        self._row[codes] = np.arange(1, catalog.num_items + 1, dtype=np.int32)
        self._num_rows = self._num_unknown = 0
        self._first = ("", "")

    def of(self, table: Table, item: str) -> np.ndarray:
        """Return the ``(n,)`` int32 row of each table row's item; 0: not in the catalogue."""
        codes = self._codes.of(table.frame[item])
        rows = self._row.take(np.minimum(codes, len(self._row) - 1))
        rows[codes >= len(self._row)] = 0
        unknown = np.flatnonzero(rows == 0)
        if len(unknown) and not self._num_unknown:
            self._first = (table.at(int(unknown[0])), table.frame[item][int(unknown[0])])
        self._num_rows += len(rows)
        self._num_unknown += len(unknown)
        return rows

    def check(self, name: str, missing: Missing) -> None:
        """Log how many were unknown.

        Raises:
            DataError: If any was, unless they are to be dropped, or all were.
        """
        if not self._num_unknown:
            return
        unknown, rows = f"{self._num_unknown:,}", f"{self._num_rows:,}"
        if missing == "error" or self._num_unknown == self._num_rows:
            place, first = self._first
            raise DataError(
                f"{place}: every item of an interaction must be in the catalogue; {first!r} is "
                f"not, and {unknown} interactions of {rows} have such items: add them to the "
                "items file, remove these lines, or read with missing='drop'"
            )
        _log.warning(
            "%s: interactions with items that are not in the catalogue are left out: %s of %s",
            name,
            unknown,
            rows,
        )


def interactions_of(
    tables: Table | Iterable[Table],
    catalog: Catalog,
    *,
    user: str,
    item: str,
    time: str | None = None,
    date_format: str | None = None,
    missing: Missing = "error",
) -> Interactions:
    """Return a table's interactions.

    Users keep the order in which they first appear; interactions of one user are sorted by time,
    equal times keep the order of the rows.

    Args:
        tables: One interaction a row; in batches, of which one at a time lies in memory as text.
        catalog: Items.
        user: Column with the user ids.
        item: Column with the item ids.
        time: Column with the times; None takes the order of the rows, and ``times`` is None.
        date_format: See `read_times`.
        missing: Leave interactions out whose item is not in the catalogue and log how many, or
            refuse them.

    Raises:
        DataError: If an item is unknown (unless dropped), or a time is not one.
    """
    users, items = Codes(), ItemRows(catalog)
    codes, rows, stamps, places, name = [], [], [], [], ""
    for table in [tables] if isinstance(tables, Table) else tables:
        if time is not None:
            stamps.append(read_times(table, time, date_format=date_format).to_numpy())
        rows.append(items.of(table, item))
        codes.append(users.of(table.frame[user]))
        places.append(table.at)
        name = table.name
    items.check(name, missing)
    ends = np.cumsum([len(part) for part in rows])
    rows, codes = np.concatenate(rows), np.concatenate(codes)
    times, unit = None, 1
    if time is not None:
        times = np.concatenate(stamps)  # of whole numbers and others: float64
        stamps.clear()
        unit = unit_of(times, lambda row: named(places, ends, row), time)
    if not rows.all():
        kept = rows > 0
        rows, codes = rows[kept], codes[kept]
        times = None if times is None else times[kept]
    names, numbers = _in_order(users, codes)
    return group(names, numbers, rows, times=times, unit=unit)


def rows_of(table: Table, catalog: Catalog, item: str, missing: Missing) -> np.ndarray:
    """Return the ``(n,)`` int32 catalogue row of each table row's item; 0: to be left out.

    Raises:
        DataError: If an item is not in the catalogue (unless dropped), or none is.
    """
    items = ItemRows(catalog)
    rows = items.of(table, item)
    items.check(table.name, missing)
    return rows


def number(users: pl.Series) -> tuple[list[str], np.ndarray]:
    """Return the distinct users in the order they appear, and each row's place among them."""
    known = Codes()
    return _in_order(known, known.of(users))


def _in_order(users: Codes, codes: np.ndarray) -> tuple[list[str], np.ndarray]:
    seen = pl.Series(codes).unique(maintain_order=True).to_numpy()
    place = np.empty(seen.max() + 1, np.int32)
    place[seen] = np.arange(len(seen), dtype=np.int32)
    return users.ids(seen), place[codes]


def group(
    names: list[str],
    users: np.ndarray,
    rows: np.ndarray,
    *,
    times: np.ndarray | None = None,
    unit: int = 1,
) -> Interactions:
    """Sort by user, then by time, then as they come.

    Args:
        names: Of the users.
        users: ``(n,)`` place among the names.
        rows: ``(n,)`` int32 catalogue rows.
        times: ``(n,)`` int64 or float64.
        unit: How many of theirs make a second.
    """
    offsets = np.concatenate(([0], np.cumsum(np.bincount(users, minlength=len(names)))))
    if not _is_sorted(users, times):
        order = np.argsort(users, kind="stable") if times is None else np.lexsort((times, users))
        rows, times = rows[order], None if times is None else times[order]
    seconds = None if times is None else in_seconds(times, unit)
    return Interactions(tuple(names), rows, offsets, seconds)


def _is_sorted(users: np.ndarray, times: np.ndarray | None) -> bool:
    """Return whether the rows come user after user, oldest first."""
    later = users[1:] > users[:-1]
    same = users[1:] == users[:-1]
    if times is not None:
        same &= times[1:] >= times[:-1]
    return bool((later | same).all())
