"""Rows of (user, item, time) -> Interactions."""

import logging

import numpy as np
import polars as pl

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.tables import Table
from tcf.data.formats.texts import Missing
from tcf.data.formats.times import in_seconds, read_times
from tcf.errors import DataError

_log = logging.getLogger(__name__)


def interactions_of(
    table: Table,
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
        table: One interaction a row.
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
    stamps = read_times(table, time, date_format=date_format) if time else None
    rows = rows_of(table, catalog, item, missing)
    kept = rows > 0
    users = table.frame[user]
    if not kept.all():
        mask = pl.Series(kept)
        users, rows = users.filter(mask), rows[kept]
        stamps = None if stamps is None else stamps.filter(mask)
    names, numbers = number(users)
    if stamps is None:
        return group(names, numbers, rows)
    raw = stamps.to_numpy()
    seconds = in_seconds(raw, table, str(time))
    return group(names, numbers, rows, order_by=raw, times=seconds)


def rows_of(table: Table, catalog: Catalog, item: str, missing: Missing) -> np.ndarray:
    """Return the ``(n,)`` int32 catalogue row of each table row's item; 0: to be left out.

    Raises:
        DataError: If an item is not in the catalogue (unless dropped), or none is.
    """
    items = pl.DataFrame(
        {item: catalog.item_ids, "_row": np.arange(1, catalog.num_items + 1, dtype=np.int32)}
    )
    joined = table.frame.select(item).join(items, on=item, how="left", maintain_order="left")
    rows = joined["_row"].fill_null(0).to_numpy()
    unknown = np.flatnonzero(rows == 0)
    if not len(unknown):
        return rows
    first = table.frame[item][int(unknown[0])]
    if missing == "error" or len(unknown) == len(rows):
        raise DataError(
            f"{table.at(int(unknown[0]))}: every item of an interaction must be in the catalogue; "
            f"{first!r} is not, and {len(unknown):,} interactions of {len(rows):,} have such "
            "items: add them to the items file, remove these lines, or read with missing='drop'"
        )
    _log.warning(
        "%s: interactions with items that are not in the catalogue are left out: %s of %s",
        table.name,
        f"{len(unknown):,}",
        f"{len(rows):,}",
    )
    return rows


def number(users: pl.Series) -> tuple[list[str], np.ndarray]:
    """Return the distinct users in the order they appear, and each row's place among them."""
    names = users.unique(maintain_order=True)
    numbered = pl.DataFrame({"name": names, "number": np.arange(len(names))})
    joined = pl.DataFrame({"name": users}).join(
        numbered, on="name", how="left", maintain_order="left"
    )
    return names.to_list(), joined["number"].to_numpy()


def group(
    names: list[str],
    users: np.ndarray,
    rows: np.ndarray,
    *,
    order_by: np.ndarray | None = None,
    times: np.ndarray | None = None,
) -> Interactions:
    """Sort by user, then ``order_by``, then as they come.

    Args:
        names: Of the users.
        users: ``(n,)`` place among the names.
        rows: ``(n,)`` catalogue rows.
        order_by: ``(n,)`` numbers that grow with time.
        times: ``(n,)`` the same in seconds, for the result.
    """
    keys = users if order_by is None else (order_by, users)
    order = np.argsort(users, kind="stable") if order_by is None else np.lexsort(keys)
    offsets = np.concatenate(([0], np.cumsum(np.bincount(users, minlength=len(names)))))
    return Interactions(
        tuple(names),
        rows[order].astype(np.int32),
        offsets.astype(np.int64),
        None if times is None else times[order],
    )
