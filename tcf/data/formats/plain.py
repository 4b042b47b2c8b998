"""Plain tables: TSV, CSV, Parquet and Arrow files with a header line, and frames in memory."""

from pathlib import Path
from typing import Any

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.events import interactions_of
from tcf.data.formats.files import only
from tcf.data.formats.tables import SUFFIXES, PathLike, load, scan
from tcf.data.formats.texts import Missing, catalog_of, fields_of


def read_items(
    source: PathLike | Any,
    *,
    id_column: str = "item_id",
    text: str = "{title}",
    missing: Missing = "error",
    labels: str | None = None,
) -> Catalog:
    """Read a catalogue.

    Args:
        source: A TSV, CSV (either may be gzipped), Parquet or Arrow file with a header line, or a
            frame: Polars, pandas, Arrow or a Hugging Face ``Dataset``. In a TSV a quote is a
            character like any other; a CSV is read by RFC 4180.
        id_column: Column with the item ids.
        text: Template of the text, with column names in braces: ``"{title}. {genres}"``.
        missing: ``"drop"`` leaves items without text out and logs how many.
        labels: Template of the labels, likewise: ``"{genres}"``; None: none. An item may lack them.

    Raises:
        DataError: If the source cannot be read so, a column is missing, an item has no text, or an
            id is there twice.
    """
    fields = fields_of(text, labels)
    optional = [field for field in fields if field != id_column]
    table = load(source, [id_column, *fields], ids=[id_column], optional=optional)
    return catalog_of(table, text, id_column=id_column, missing=missing, labels=labels)


def read_interactions(
    source: PathLike | Any,
    catalog: Catalog,
    *,
    user_column: str = "user_id",
    item_column: str = "item_id",
    time_column: str | None = "timestamp",
    missing: Missing = "error",
) -> Interactions:
    """Read interactions.

    Users keep the order in which they first appear; interactions of one user are sorted by time,
    equal times keep the order of the file.

    Args:
        source: A file or a frame; see `read_items`.
        catalog: Items; every interaction's item must be in it.
        user_column: Column with the user ids.
        item_column: Column with the item ids.
        time_column: Column with numbers that grow with time, or dates of a Parquet or Arrow file or
            a frame; milliseconds, microseconds and nanoseconds since 1970 become seconds (see
            `tcf.data.formats.times`). None takes the order of the file.
        missing: ``"drop"`` leaves interactions out whose item is not in the catalogue and logs how
            many.

    Raises:
        DataError: If the source cannot be read so, a column is missing, a time is not a number, or
            an item is not in the catalogue.
    """
    columns = [user_column, item_column] + ([time_column] if time_column else [])
    tables = scan(source, columns, ids=columns[:2])
    return interactions_of(
        tables, catalog, user=user_column, item=item_column, time=time_column, missing=missing
    )


def read_plain(
    folder: PathLike,
    *,
    text: str = "{title}",
    missing: Missing = "error",
    labels: str | None = None,
) -> tuple[Catalog, Interactions]:
    """Read ``items.*`` and ``interactions.*`` of a folder; templates as in `read_items`.

    Raises:
        DataError: If a file is missing, there twice or malformed.
    """
    folder = Path(folder)
    items = only(folder, "items.*", SUFFIXES)
    catalog = read_items(items, text=text, missing=missing, labels=labels)
    taken = read_interactions(only(folder, "interactions.*", SUFFIXES), catalog, missing=missing)
    return catalog, taken
