"""MovieLens 100K, 1M, 10M, 20M, 25M, 32M and latest, as GroupLens publishes them.

Source: Harper & Konstan, doi 10.1145/2827872.
"""

from pathlib import Path

import polars as pl

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.delimited import CSV, TSV, Dialect, check_columns
from tcf.data.formats.events import interactions_of
from tcf.data.formats.files import matching, only
from tcf.data.formats.tables import PathLike, Table, load, scan
from tcf.data.formats.texts import Missing, catalog_of, fields_of

_PIPES, _COLONS = Dialect("|", latin=True), Dialect("::", latin=True)
_GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
_ITEM_100K = ("movieId", "title", "release_date", "video_release_date", "url", *_GENRES)
_MOVIE = ("movieId", "title", "genres")
_RATING = ("userId", "movieId", "rating", "timestamp")
_CSV = (".csv", ".csv.gz")


def read_movielens(
    folder: PathLike,
    *,
    text: str = "{title}",
    missing: Missing = "error",
    labels: str | None = None,
) -> tuple[Catalog, Interactions]:
    """Read any edition: ``u.item`` and ``u.data``, ``*.dat``, or movies and ``ratings.csv``.

    Every rating is an interaction, whatever its value. Old editions are Latin-1.

    Args:
        folder: Holds the files.
        text: Template of the text: ``"{title}. {genres}"``; of 100K also ``{release_date}``.
        missing: ``"drop"`` leaves items without text, and their interactions, out.
        labels: Template of the labels, such as ``"{genres}"``, which stand between ``|``; movies
            without are labelled ``"(no genres listed)"`` by the files. None: none.

    Raises:
        DataError: If a file is missing or malformed, or a movie unknown.

    Source: Harper & Konstan, doi 10.1145/2827872.
    """
    folder = Path(folder)
    catalog = read_movies(folder, text=text, missing=missing, labels=labels)
    if matching(folder, "u.data"):
        ratings = scan(folder / "u.data", _RATING, dialect=TSV, names=_RATING)
    elif matching(folder, "ratings.dat"):
        ratings = scan(folder / "ratings.dat", _RATING, dialect=_COLONS, names=_RATING)
    else:
        path = only(folder, "ratings.csv*", _CSV)
        ratings = scan(path, ["userId", "movieId", "timestamp"], dialect=CSV)
    return catalog, interactions_of(
        ratings, catalog, user="userId", item="movieId", time="timestamp", missing=missing
    )


def read_movies(
    folder: PathLike,
    *,
    text: str = "{title}",
    missing: Missing = "error",
    labels: str | None = None,
) -> Catalog:
    """Read the catalogue of any edition alone; see `read_movielens`."""
    folder = Path(folder)
    fields = fields_of(text, labels)
    if matching(folder, "u.item"):
        table = _with_genres(load_all(folder / "u.item", _PIPES, _ITEM_100K))
    elif matching(folder, "movies.dat"):
        table = load_all(folder / "movies.dat", _COLONS, _MOVIE)
    else:
        path = only(folder, "movies.csv*", _CSV)
        optional = [field for field in fields if field != "movieId"]
        table = load(path, ["movieId", *fields], optional=optional, dialect=CSV)
    check_columns(table.frame.columns, fields, table.name)
    return catalog_of(table, text, id_column="movieId", missing=missing, labels=labels)


def load_all(path: Path, dialect: Dialect, names: tuple[str, ...]) -> Table:
    """Read every column of a file without a header line; all but the first may be empty."""
    return load(path, names, optional=names[1:], dialect=dialect, names=names)


def _with_genres(table: Table) -> Table:
    """Join the flags of 100K to one column, written as in the later editions."""
    named = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in _GENRES]
    genres = pl.concat_str(named, separator="|", ignore_nulls=True).alias("genres")
    return Table(table.frame.with_columns(genres), table.name, table.at)
