"""READERS by name, and which of them a folder asks for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tcf._util import lookup
from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.files import matching, require_folder
from tcf.data.formats.microlens import read_microlens, read_pixelrec
from tcf.data.formats.mind import read_mind
from tcf.data.formats.movielens import read_movielens
from tcf.data.formats.plain import read_plain
from tcf.data.formats.recbole import read_recbole
from tcf.data.formats.reviews import read_amazon, read_steam, read_yelp
from tcf.data.formats.shops import read_goodbooks, read_hm
from tcf.data.formats.study import BEHAVIORS, ITEMS, read_ninerec, read_study
from tcf.data.formats.tables import PathLike
from tcf.data.location import cache_folder
from tcf.data.prepared import MANIFEST, open_prepared, prepared_key, write_prepared
from tcf.errors import DataError

Reader = Callable[..., tuple[Catalog, Interactions]]
READERS: dict[str, Reader] = {
    "amazon": read_amazon,
    "bili": read_study,
    "goodbooks": read_goodbooks,
    "hm": read_hm,
    "microlens": read_microlens,
    "mind": read_mind,
    "movielens": read_movielens,
    "ninerec": read_ninerec,
    "pixelrec": read_pixelrec,
    "plain": read_plain,
    "prepared": open_prepared,
    "recbole": read_recbole,
    "steam": read_steam,
    "study": read_study,
    "transrec": read_study,
    "yelp": read_yelp,
}
# What a folder must hold for a reader to be meant: one file of each tuple.
_SIGNS: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("amazon", (("meta_*.json*",),)),
    ("goodbooks", (("books.csv*",), ("ratings.csv*",))),
    ("hm", (("articles.csv*",), ("transactions_train.csv*",))),
    ("microlens", (("*_pairs.tsv", "*_pairs.csv"), ("*_title*.csv",))),
    ("movielens", (("u.item", "movies.dat", "movies.csv*"), ("u.data", "ratings.*"))),
    ("ninerec", (("*_pair.csv",), ("*_item.csv",))),
    ("plain", (("items.*",), ("interactions.*",))),
    ("prepared", ((MANIFEST,),)),
    ("recbole", (("*.inter",), ("*.item", "*.text"))),
    ("steam", (("steam_games.json*",), ("steam_reviews.json*",))),
    ("yelp", (("yelp_academic_dataset_business.json*",), ("yelp_academic_dataset_review.json*",))),
)


def read_folder(
    folder: PathLike,
    *,
    reader: str | Reader | None = None,
    cache: PathLike | None = None,
    **options: Any,
) -> tuple[Catalog, Interactions]:
    """Read a data set from its folder.

    Args:
        folder: Holds its files, as published.
        reader: One of ``READERS`` or such a function; None takes the only one whose files the
            folder holds.
        cache: Keep the arrays there, and map them the next time instead of reading the files, if
            these have the same names, sizes and times of change; ``"auto"`` as in
            `tcf.encode_items`. None keeps nothing.
        **options: Of the reader: ``text``, a template such as ``"{title}. {genres}"``,
            ``labels``, another, ``missing`` and others.

    Raises:
        ValueError: If ``reader`` names none.
        DataError: If the folder's files are those of no format or of several, or malformed.
    """
    folder = Path(folder)
    require_folder(folder)
    name, read = _chosen(folder, reader)
    if (kept := cache_folder(cache)) is None:
        return read(folder, **options)
    prepared = kept / "prepared" / prepared_key(folder, name, options)
    if not prepared.is_dir():
        write_prepared(prepared, *read(folder, **options))
    return open_prepared(prepared)


def _chosen(folder: Path, reader: str | Reader | None) -> tuple[str, Reader]:
    """Return the reader and its name."""
    if callable(reader):
        return f"{reader.__module__}.{getattr(reader, '__qualname__', reader)}", reader
    if reader is not None:
        return reader, lookup(READERS, reader, "reader")
    names = _fitting(folder)
    if len(names) != 1:
        found = f"those of {' and of '.join(names)}" if names else "of no format that tells itself"
        held = sorted(p.name for p in folder.iterdir())[:8]
        raise DataError(
            f"{folder}: the format must be clear from the files' names; they are {found}; the "
            f"folder holds {held or 'nothing'}: say reader= one of {', '.join(READERS)}"
        )
    return names[0], READERS[names[0]]


def _fitting(folder: Path) -> list[str]:
    """Return the readers whose files are there."""
    names = [
        name
        for name, needed in _SIGNS
        if all(any(matching(folder, pattern) for pattern in one) for one in needed)
    ]
    behaviors = [path for pattern in BEHAVIORS for path in matching(folder, pattern)]
    if (folder / "news.tsv").is_file() and (folder / "behaviors.tsv").is_file():
        names.append("mind" if _num_tabs(folder / "behaviors.tsv") == 4 else "study")
    elif list(folder.glob("*/behaviors.tsv")):
        names.append("mind")
    elif behaviors and any(matching(folder, pattern) for pattern in ITEMS):
        names += [] if "ninerec" in names else ["study"]
    return names or _meant(folder)


def _meant(folder: Path) -> list[str]:
    """Return the reader that can say best which file of its two is missing."""
    if matching(folder, "*_pairs.tsv") or matching(folder, "*_pairs.csv"):
        return ["microlens"]
    if matching(folder, "items.*") or matching(folder, "interactions.*"):
        return ["plain"]
    return []


def _num_tabs(path: Path) -> int:
    with open(path, "rb") as file:
        return file.readline(1 << 20).count(b"\t")
