"""MIND: what a user had clicked before, and what was clicked of what was shown.

Source: Wu et al., ACL 2020, and the data set's description (github.com/msnews).
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.delimited import TSV, check_columns
from tcf.data.formats.events import interactions_of
from tcf.data.formats.files import require_folder
from tcf.data.formats.tables import PathLike, Table, load
from tcf.data.formats.texts import Missing, catalog_of, fields_of
from tcf.data.formats.times import read_times
from tcf.errors import DataError

NEWS = (
    "news_id",
    "category",
    "subcategory",
    "title",
    "abstract",
    "url",
    "title_entities",
    "abstract_entities",
)
BEHAVIORS = ("impression_id", "user_id", "time", "history", "impressions")
_CLOCK = "%m/%d/%Y %I:%M:%S %p"
_log = logging.getLogger(__name__)


def read_mind(
    folder: PathLike,
    *,
    text: str = "{title}",
    missing: Missing = "error",
    labels: str | None = None,
) -> tuple[Catalog, Interactions]:
    """Read ``news.tsv`` and ``behaviors.tsv``, or those of the train and dev folders together.

    A user's items are the history, in its order, and then the clicked items of every impression,
    impressions by time and items as listed. The description says that histories hold clicks of the
    four weeks before all impressions, so that each user has one: that of the first impression is
    taken, and users who have another later are counted in the log. A history has no times; its
    items bear that of the earliest impression of all, before which they were clicked.

    Args:
        folder: Holds the two files, or folders such as ``train`` and ``dev`` or ``MINDsmall_train``
            and ``MINDsmall_dev`` that do. A test folder, which says of no impression what was
            clicked, is left alone.
        text: Template of the text: ``"{title}. {abstract}"``, ...
        missing: ``"drop"`` leaves items without text, and clicks on items without a line, out.
        labels: Template of the labels: ``"{category}|{subcategory}"``, say; None: none.

    Raises:
        DataError: If a file is missing or malformed, or an item unknown.
    """
    parts = _parts(Path(folder))
    catalog = _read_news([part / "news.tsv" for part in parts], text, missing, labels)
    clicks = _clicks([read_behaviors(part / "behaviors.tsv") for part in parts])
    return catalog, interactions_of(
        clicks, catalog, user="user_id", item="item", time="time", missing=missing
    )


def read_behaviors(path: PathLike) -> Table:
    """Read a ``behaviors.tsv``: one impression a row; times in seconds since 1970.

    Raises:
        DataError: If a row is malformed; it is named.
    """
    path = Path(path)
    table = load(path, BEHAVIORS, optional=["history"], dialect=TSV, names=BEHAVIORS)
    times = read_times(table, "time", date_format=_CLOCK)
    shown = table.frame["impressions"]
    bad = ~shown.str.contains(r"^ *(\S+-[01] +)*\S+-[01] *$")
    if bad.any():
        row = int(bad.arg_true()[0])
        raise DataError(
            f"{table.at(row)}: impressions must be items with -1 (clicked) or -0; "
            f"got {shown[row][:60]!r}; a test set has none"
        )
    return Table(table.frame.with_columns(times.alias("time")), table.name, table.at)


def _parts(folder: Path) -> list[Path]:
    require_folder(folder)
    if (folder / "behaviors.tsv").is_file():
        return [folder]
    parts = sorted(
        (p.parent for p in folder.glob("*/behaviors.tsv") if not p.parent.name.endswith("test")),
        key=lambda part: (not part.name.endswith("train"), part.name),
    )
    if not parts:
        raise DataError(
            f"{folder}: behaviors.tsv and news.tsv are needed, in it or in its train and dev "
            f"folders; it holds {sorted(p.name for p in folder.iterdir())[:8] or 'nothing'}"
        )
    return parts


def _read_news(paths: list[Path], text: str, missing: Missing, labels: str | None) -> Catalog:
    """Return the union of the files' items; an item of two files must have one text and labels."""
    fields = fields_of(text, labels)
    check_columns(NEWS, fields, str(paths[0]))
    tables = [load(path, NEWS, optional=NEWS[1:], dialect=TSV, names=NEWS) for path in paths]
    settings: dict[str, Any] = {"id_column": "news_id", "missing": missing, "labels": labels}
    catalogs = [catalog_of(table, text, **settings) for table in tables]
    texts = _merged("text", paths, [(one.item_ids, one.texts) for one in catalogs])
    told = [(one.item_ids, one.labels) for one in catalogs if one.labels is not None]
    merged = tuple(_merged("label", paths, told).values()) if told else None
    return Catalog(tuple(texts), tuple(texts.values()), merged)


def _merged(
    what: str, paths: Sequence[Path], parts: Sequence[tuple[Sequence[str], Sequence[str]]]
) -> dict[str, str]:
    """Return what the files say of each item, in the order of first appearance."""
    merged: dict[str, str] = {}
    for path, part in zip(paths, parts, strict=True):
        for item_id, words in zip(*part, strict=True):
            if merged.setdefault(item_id, words) != words:
                raise DataError(
                    f"{path}: an item has one {what} in all files; {item_id!r} has {words!r} here "
                    f"and {merged[item_id]!r} elsewhere"
                )
    return merged


def _clicks(tables: list[Table]) -> Table:
    """Return one click a row, each user's oldest first where times are equal."""
    frame = pl.concat(
        [t.frame.with_row_index("row").with_columns(part=part) for part, t in enumerate(tables)]
    )
    earliest = frame["time"].min()
    first = frame.sort("time", maintain_order=True).unique(
        "user_id", keep="first", maintain_order=True
    )
    _report_changes(frame)
    keys = ["part", "row", "user_id", "time"]
    histories = first.with_columns(
        pl.lit(earliest, frame.schema["time"]).alias("time"), item=_words("history")
    )
    histories = histories.select(*keys, "item", clicked=False).explode("item")
    clicks = frame.select(*keys, item=_words("impressions"), clicked=True).explode("item")
    clicks = clicks.filter(pl.col("item").str.ends_with("-1")).with_columns(
        pl.col("item").str.head(-2)
    )
    events = pl.concat([histories.filter(pl.col("item") != ""), clicks])
    events = events.sort("part", "row", "clicked", maintain_order=True)
    parts, rows = events["part"], events["row"]
    text = events.select("user_id", "item", pl.col("time").cast(pl.String))
    return Table(text, tables[0].name, lambda n: tables[parts[n]].at(rows[n]))


def _words(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars(" ").str.replace_all(" +", " ").str.split(" ")


def _report_changes(frame: pl.DataFrame) -> None:
    changed = (
        frame.group_by("user_id").agg(pl.col("history").n_unique()).filter(pl.col("history") > 1)
    )
    if len(changed):
        _log.warning(
            "%d of %d users have more than one history; that of their first impression is taken",
            len(changed),
            frame["user_id"].n_unique(),
        )
