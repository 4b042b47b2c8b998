"""MicroLens and PixelRec, as published."""

from pathlib import Path

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.delimited import CSV, first_fields
from tcf.data.formats.events import interactions_of
from tcf.data.formats.files import matching, only, require_folder
from tcf.data.formats.histories import interactions_of_histories, read_histories
from tcf.data.formats.plain import read_interactions, read_items
from tcf.data.formats.study import ItemFile
from tcf.data.formats.tables import PathLike, load
from tcf.data.formats.texts import Missing
from tcf.errors import DataError


def read_microlens(
    folder: PathLike,
    *,
    text: str = "{title}",
    items_header: bool | None = None,
    missing: Missing = "error",
) -> tuple[Catalog, Interactions]:
    """Read MicroLens (50K, 100K, 1M): ``*_titles.csv`` and ``*_pairs.csv`` or ``*_pairs.tsv``.

    A line of the TSV is a user, a tab, and item ids separated by spaces, oldest first. The CSV has
    the columns user, item and timestamp (milliseconds, which become seconds) and is preferred where
    both are there. The titles are ``item,title``; the larger sets call them ``*_title_en.csv``,
    some without a header line, which the pairs prove.

    Args:
        folder: Holds the files.
        text: Template of the text.
        items_header: Whether the titles have a header line, where the pairs cannot prove it.
        missing: ``"drop"`` leaves items without title, and their interactions, out.

    Raises:
        DataError: If a file is missing or malformed, or an item unknown.

    Source: Ni et al., arXiv 2309.15379.
    """
    folder = Path(folder)
    pairs = only(folder, ("*_pairs.csv", "*_pairs.tsv"))
    titles = ItemFile(only(folder, ("*_titles.csv", "*_title_en.csv", "*_title*.csv")))
    histories = table = None
    if pairs.suffix == ".tsv":
        histories = read_histories(pairs)
        used = histories.items
    else:
        table = load(pairs, ["user", "item", "timestamp"])
        used = table.frame["item"]
    header = titles.has_header(set(used.unique().to_list()), items_header)
    catalog = titles.read(header=header, columns=("item", "title"), text=text, missing=missing)
    if histories is not None:
        return catalog, interactions_of_histories(histories, catalog, missing=missing)
    assert table is not None
    return catalog, interactions_of(
        table, catalog, user="user", item="item", time="timestamp", missing=missing
    )


def read_pixelrec(
    folder: PathLike,
    *,
    text: str = "{title}",
    missing: Missing = "error",
    labels: str | None = None,
) -> tuple[Catalog, Interactions]:
    """Read PixelRec (200K, 1M, 8M): the CSV of items and the CSV of interactions.

    Both are found by their header lines, in the folder or one folder below, because both bear the
    name of the data set (``Pixel200K.csv``). The items have the columns item_id, title, tag and
    description; the interactions item_id, user_id and timestamp.

    Args:
        folder: Holds the files.
        text: Template of the text.
        missing: ``"drop"`` leaves items without text, and their interactions, out.
        labels: Template of the labels, such as ``"{tag}"``; None: none.

    Raises:
        DataError: If a file is missing, there twice or malformed, or an item unknown.

    Source: Cheng et al., arXiv 2309.06789.
    """
    folder = Path(folder)
    require_folder(folder)
    files = [*matching(folder, "*.csv"), *matching(folder, "*/*.csv")]
    headers = {path: set(first_fields(path, CSV)) for path in files}
    items = _with(folder, headers, {"item_id", "title"})
    events = _with(folder, headers, {"item_id", "user_id", "timestamp"})
    catalog = read_items(items, text=text, missing=missing, labels=labels)
    return catalog, read_interactions(events, catalog, missing=missing)


def _with(folder: Path, headers: dict[Path, set[str]], columns: set[str]) -> Path:
    found = [path for path, header in headers.items() if columns <= header]
    if len(found) != 1:
        raise DataError(
            f"{folder}: exactly one CSV with the columns {sorted(columns)} is needed; found "
            f"{[str(path.relative_to(folder)) for path in found] or 'none'} among {len(headers)}"
        )
    return found[0]
