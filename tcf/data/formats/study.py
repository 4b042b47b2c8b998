"""The layout of Li et al. and of the data sets of its authors: items in a table, users in lines.

Source: Li et al., arXiv 2305.11700; Zhang et al. (NineRec), arXiv 2309.07705.
"""

from collections.abc import Sequence
from pathlib import Path

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.delimited import CSV, TSV, Dialect, first_fields
from tcf.data.formats.events import interactions_of
from tcf.data.formats.files import matching, only
from tcf.data.formats.headers import is_header, names_a_column
from tcf.data.formats.histories import interactions_of_histories, read_histories
from tcf.data.formats.tables import PathLike, Table, load, require_file
from tcf.data.formats.texts import Missing, catalog_of, fields_of
from tcf.errors import DataError

BEHAVIORS = ("behaviors.tsv", "*_behaviors.tsv", "*_behaviour.tsv", "*_behavior.tsv")
ITEMS = tuple(
    f"{start}{name}.{ending}"
    for ending in ("tsv", "csv")
    for start in ("", "*_")
    for name in ("items", "item", "news", "videos", "articles")
)
_TEXTS = ("title", "text", "name")


def read_study(
    folder: PathLike,
    *,
    text: str | None = None,
    items_header: bool | None = None,
    behaviors_header: bool | None = None,
    columns: Sequence[str] | None = None,
    missing: Missing = "error",
) -> tuple[Catalog, Interactions]:
    """Read ``behaviors.tsv`` (a user, a tab, items apart by spaces) and the table of items.

    The items are in ``items``, ``news``, ``videos`` or ``articles`` with the suffix ``.tsv`` or
    ``.csv``; either file may have a prefix, as in ``Bili_behaviour.tsv``. The first column holds
    the ids. Whether a file begins with a header line is proved by the ids of the other file.

    Args:
        folder: Holds the two files.
        text: Template of the text; None takes ``{title}``, ``{text}`` or ``{name}``, whichever
            there is, or the only column beside the ids.
        items_header: Whether the items have a header line, where the files cannot prove it.
        behaviors_header: The same of the behaviours.
        columns: Names of the columns of items without a header, the ids first; None for
            ``item_id, title`` where there are two, ``item_id, title, title_en`` where there are
            three.
        missing: ``"drop"`` leaves items without text, and their interactions, out.

    Raises:
        DataError: If a file is malformed, an item unknown, or a header can be neither proved nor
            ruled out.
    """
    folder = Path(folder)
    path, items = only(folder, BEHAVIORS), only(folder, ITEMS)
    histories, table = read_histories(path), ItemFile(items)
    known = table.ids()
    if is_header(
        histories.first_items(),
        known=known,
        stated=behaviors_header,
        path=path,
        argument="behaviors_header",
    ):
        histories = histories.without_first()
    if histories.users.is_empty():
        raise DataError(f"{path}: the file holds a header line and no user")
    used = set(histories.items.unique().to_list())
    header = table.has_header(used, items_header)
    catalog = table.read(header=header, columns=columns, text=text, missing=missing)
    return catalog, interactions_of_histories(histories, catalog, missing=missing)


class ItemFile:
    """A table of items, the ids in its first column, with a header line or without.

    Args:
        path: A TSV without quotes or a CSV.
    """

    def __init__(self, path: Path):
        require_file(path)
        self.path = path
        self.dialect: Dialect = CSV if ".csv" in path.suffixes else TSV
        self.first = first_fields(path, self.dialect)
        if not self.first:
            raise DataError(f"{path}: the file is empty; it needs a line for each item")

    def ids(self) -> set[str]:
        """Return the first field of every line; of the first line only where it names no column."""
        names = [f"field {n}" for n in range(1, len(self.first) + 1)]
        table = load(self.path, names[:1], dialect=self.dialect, names=names)
        ids = table.frame.to_series()
        return set(ids[int(names_a_column(self.first[0])) :].to_list())

    def has_header(self, used: set[str], stated: bool | None) -> bool:
        """Return whether the first line is a header, given the items that users took."""
        return is_header(
            self.first[:1], known=used, stated=stated, path=self.path, argument="items_header"
        )

    def read(
        self, *, header: bool, columns: Sequence[str] | None, text: str | None, missing: Missing
    ) -> Catalog:
        """Return the catalogue; see `read_study`."""
        names = self.first if header else self._names(columns)
        template = text or self._template(names)
        fields = fields_of(template)
        table = load(
            self.path,
            [names[0], *fields],
            optional=[field for field in fields if field != names[0]],
            dialect=self.dialect,
            names=None if header else names,
        )
        return catalog_of(table, template, id_column=names[0], missing=missing)

    def _names(self, columns: Sequence[str] | None) -> list[str]:
        if columns is None and len(self.first) in (2, 3):
            columns = ("item_id", "title", "title_en")[: len(self.first)]
        if columns is None or len(columns) != len(self.first):
            raise DataError(
                f"{self.path}:1: the columns of a file without a header need names; its first line "
                f"has {len(self.first)} fields, columns= is {columns}: name them, the ids first"
            )
        return list(columns)

    def _template(self, names: Sequence[str]) -> str:
        fitting = [name for name in _TEXTS if name in names]
        if not fitting and len(names) == 2:
            fitting = list(names[1:])
        if not fitting:
            raise DataError(
                f"{self.path}: which column holds the text must be said; the file has "
                f"{list(names)}: say text='{{column}}'"
            )
        return f"{{{fitting[0]}}}"


def read_ninerec(
    folder: PathLike,
    *,
    text: str = "{title_en}",
    items_header: bool | None = None,
    item_first: bool | None = None,
    missing: Missing = "error",
) -> tuple[Catalog, Interactions]:
    """Read NineRec: ``*_item.csv`` and ``*_pair.csv`` or, without it, ``*_behaviour.tsv``.

    The items are an id, a Chinese title (``title``) and an English one (``title_en``). The pairs
    are a user, an item and a time in one description of the data and an item, a user and a time
    in its code: the reader takes the column whose entries are items, if only one has such.

    Args:
        folder: Holds the files.
        text: Template of the text; the English title unless said otherwise.
        items_header: Whether the items have a header line, where the files cannot prove it.
        item_first: Whether a pair is an item and a user, where the files cannot prove it.
        missing: ``"drop"`` leaves items without text, and their interactions, out.

    Raises:
        DataError: If a file is malformed, or an item unknown.

    Source: Zhang et al., arXiv 2309.07705.
    """
    folder = Path(folder)
    if not matching(folder, "*_pair.csv"):
        return read_study(folder, text=text, items_header=items_header, missing=missing)
    items, path = ItemFile(only(folder, "*_item.csv")), only(folder, "*_pair.csv")
    pairs, item = _pairs(path, items.ids(), item_first)
    header = items.has_header(set(pairs.frame[item].unique().to_list()), items_header)
    catalog = items.read(header=header, columns=None, text=text, missing=missing)
    user = "second" if item == "first" else "first"
    time = "time" if "time" in pairs.frame.columns else None
    return catalog, interactions_of(
        pairs, catalog, user=user, item=item, time=time, missing=missing
    )


def _pairs(path: Path, known: set[str], item_first: bool | None) -> tuple[Table, str]:
    """Return the pairs and the name of the column that holds items."""
    require_file(path)
    first = first_fields(path, CSV)
    if len(first) not in (2, 3):
        raise DataError(
            f"{path}:1: a line needs a user, an item and perhaps a time; got {len(first)} fields"
        )
    names = ["first", "second", "time"][: len(first)]
    table = load(path, names, dialect=CSV, names=names)
    if item_first is not None:
        return table, "first" if item_first else "second"
    shares = {name: table.frame[name].is_in(list(known)).mean() for name in names[:2]}
    found = [name for name, share in shares.items() if isinstance(share, float) and share > 0.5]
    if len(found) != 1:
        raise DataError(
            f"{path}: one of the first two columns must hold items of the items file; the shares "
            f"that are such are {list(shares.values())}: check that the files belong together, or "
            "say item_first=True or False"
        )
    return table, found[0]
