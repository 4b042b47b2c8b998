"""Item columns -> Catalog: texts and labels by templates, every item named that has no text."""

import logging
import string
from collections.abc import Sequence
from typing import Literal

import polars as pl

from tcf.data.catalog import Catalog
from tcf.data.formats.tables import Table
from tcf.errors import DataError

Missing = Literal["error", "drop"]
_log = logging.getLogger(__name__)


def fields_of(text: str, labels: str | None = None) -> list[str]:
    """Return the columns that templates such as ``"{title}. {genres}"`` name.

    Args:
        text: Template of the text.
        labels: Template of the labels; None: there are none.

    Raises:
        ValueError: If one names none, or asks for more than their values.
    """
    return _fields(text, "text") + ([] if labels is None else _fields(labels, "labels"))


def _fields(template: str, what: str) -> list[str]:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(
            f"{what} must be a template like '{{title}}'; {template!r}: {error}"
        ) from None
    columns = [name for _, name, _, _ in parts if name is not None]
    if not columns or not all(columns):
        raise ValueError(f"{what} must name a column in braces, like '{{title}}'; got {template!r}")
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise ValueError(f"{what} takes columns as they are, like '{{title}}'; got {template!r}")
    return columns


def catalog_of(
    table: Table,
    template: str,
    *,
    id_column: str,
    missing: Missing = "error",
    labels: str | None = None,
) -> Catalog:
    """Return the catalogue of a table's rows, in their order.

    Args:
        table: Holds the ids and the columns of the templates.
        template: Of the text.
        id_column: Column with the item ids.
        missing: Leave items without text out and log how many, or refuse them.
        labels: Template of the labels, which an item may lack; None: the catalogue has none.

    Raises:
        DataError: If an item has no text (unless dropped) or an id is there twice.
    """
    columns = fields_of(template)
    frame = table.frame.with_row_index("row")
    blank = frame.select(pl.all_horizontal(pl.col(columns).str.strip_chars() == "")).to_series()
    if blank.any():
        frame = _without(table, frame, blank, columns, id_column, missing)
    _check_distinct(table, frame, id_column)
    ids, texts = frame[id_column], frame.select(_text(template)).to_series()
    told = None if labels is None else tuple(frame.select(_text(labels)).to_series().to_list())
    return Catalog(tuple(ids.to_list()), tuple(texts.to_list()), told)


def _without(
    table: Table,
    frame: pl.DataFrame,
    blank: pl.Series,
    columns: Sequence[str],
    id_column: str,
    missing: Missing,
) -> pl.DataFrame:
    first = frame.filter(blank).row(0, named=True)
    found = f"{blank.sum():,} of {len(frame):,} have none"
    if missing == "error":
        raise DataError(
            f"{table.at(first['row'])}: every item needs a text in {', '.join(columns)}; "
            f"{found}, the first item: {first[id_column]!r}: give it a text, remove it, or read "
            "with missing='drop'"
        )
    _log.warning("%s: items without text are left out: %s", table.name, found)
    return frame.filter(~blank)


def _check_distinct(table: Table, frame: pl.DataFrame, id_column: str) -> None:
    again = ~frame[id_column].is_first_distinct()
    if again.any():
        row, item_id = frame.filter(again).select("row", id_column).row(0)
        raise DataError(
            f"{table.at(row)}: item ids must be distinct; {item_id!r} is there more than once "
            f"({again.sum():,} lines come again): remove them"
        )


def _text(template: str) -> pl.Expr:
    parts: list[pl.Expr] = []
    for literal, name, _, _ in string.Formatter().parse(template):
        if literal:
            parts.append(pl.lit(literal))
        if name is not None:
            parts.append(pl.col(name))
    return pl.concat_str(parts).alias("text")
