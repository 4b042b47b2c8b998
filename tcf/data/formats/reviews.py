"""Amazon Reviews (2014, 2018, 2023), Steam and Yelp: a record of JSON a line, items apart.

Each description of these data says that some reviews are of items without metadata, or that some
items have no title; so these are left out and counted unless told otherwise.
"""

import logging
from pathlib import Path

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.events import interactions_of
from tcf.data.formats.files import matching, only
from tcf.data.formats.json_lines import keys_of, load_records, scan_records
from tcf.data.formats.tables import PathLike, Table
from tcf.data.formats.texts import Missing, catalog_of, fields_of
from tcf.errors import DataError

JSON = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
_LISTS = ("categories", "category", "description", "feature", "features", "genres", "tags")
_log = logging.getLogger(__name__)


def read_amazon(
    folder: PathLike, *, text: str = "{title}", missing: Missing = "drop"
) -> tuple[Catalog, Interactions]:
    """Read ``meta_*`` and the reviews beside it (JSON lines, perhaps gzipped) of any edition.

    The keys of the first review tell the edition. 2014 and 2018: reviewerID, asin and
    unixReviewTime, in seconds; 2023: user_id, parent_asin, the key of the metadata, and timestamp,
    in milliseconds, which become seconds. Of a product's repeated metadata the first is taken.

    Args:
        folder: Holds the two files of one category.
        text: Template of the text; lists such as ``{description}`` are joined by spaces.
        missing: What to do with products without text and their reviews.

    Raises:
        DataError: If a file is missing or malformed, or all items are unknown.

    Source: McAuley et al., SIGIR 2015; Ni et al., EMNLP 2019; Hou et al., arXiv 2403.03952.
    """
    folder = Path(folder)
    items = only(folder, "meta_*", JSON)
    others = [path for path in matching(folder, "*", JSON) if path != items]
    if len(others) != 1:
        raise DataError(
            f"{folder}: exactly one file of reviews is needed beside {items.name}; found "
            f"{[path.name for path in others] or 'none'}"
        )
    keys = keys_of(others[0])
    if {"user_id", "parent_asin", "timestamp"} <= keys:
        user, item, time = "user_id", "parent_asin", "timestamp"
    elif {"reviewerID", "asin", "unixReviewTime"} <= keys:
        user, item, time = "reviewerID", "asin", "unixReviewTime"
    else:
        raise DataError(
            f"{others[0]}:1: a review needs user_id, parent_asin and timestamp (2023) or "
            f"reviewerID, asin and unixReviewTime (2014, 2018); it has {sorted(keys)}"
        )
    catalog = _catalog(items, item, text, missing)
    reviews = scan_records(others[0], [user, item, time])
    return catalog, interactions_of(
        reviews, catalog, user=user, item=item, time=time, missing=missing
    )


def read_steam(
    folder: PathLike, *, text: str = "{app_name}", missing: Missing = "drop"
) -> tuple[Catalog, Interactions]:
    """Read ``steam_games.json`` and ``steam_reviews.json`` (perhaps gzipped).

    The user is ``username``, as few reviews bear another id; the time is the day of the review.

    Args:
        folder: Holds the files.
        text: Template of the text: also ``{genres}``, ``{tags}``, ...
        missing: What to do with games without id or text and their reviews.

    Raises:
        DataError: If a file is missing or malformed, or all items are unknown.

    Source: Kang & McAuley, ICDM 2018.
    """
    folder = Path(folder)
    catalog = _catalog(only(folder, "steam_games*", JSON), "id", text, missing)
    columns = ["username", "product_id", "date"]
    reviews = scan_records(only(folder, "steam_reviews*", JSON), columns)
    return catalog, interactions_of(
        reviews,
        catalog,
        user="username",
        item="product_id",
        time="date",
        date_format="%Y-%m-%d",
        missing=missing,
    )


def read_yelp(
    folder: PathLike, *, text: str = "{name}. {categories}", missing: Missing = "drop"
) -> tuple[Catalog, Interactions]:
    """Read the businesses and reviews of the Yelp Open Dataset (``yelp_academic_dataset_*.json``).

    Args:
        folder: Holds the files.
        text: Template of the text: also ``{city}``, ``{state}``, ...
        missing: What to do with businesses without text and their reviews.

    Raises:
        DataError: If a file is missing or malformed, or all items are unknown.

    Source: yelp.com/dataset/documentation/main.
    """
    folder = Path(folder)
    catalog = _catalog(only(folder, "*_business*", JSON), "business_id", text, missing)
    columns = ["user_id", "business_id", "date"]
    reviews = scan_records(only(folder, "*_review*", JSON), columns)
    return catalog, interactions_of(
        reviews,
        catalog,
        user="user_id",
        item="business_id",
        time="date",
        date_format="%Y-%m-%d %H:%M:%S",
        missing=missing,
    )


def _catalog(path: Path, id_key: str, text: str, missing: Missing) -> Catalog:
    """Return the catalogue; of an item's repeated records the first counts."""
    fields = fields_of(text)
    optional = [*fields, id_key] if missing == "drop" else fields
    table = load_records(path, [id_key, *fields], optional=optional, lists=_LISTS)
    for key in (id_key, *fields):
        if not (table.frame[key] != "").any():
            raise DataError(f"{path}: key {key!r} is missing in every record")
    frame = table.frame.with_row_index("row")
    kept = frame.filter((frame[id_key] != "") & frame[id_key].is_first_distinct())
    if len(kept) < len(frame):
        _log.warning(
            "%s: records without id and repeated ones are left out: %d of %d",
            path,
            len(frame) - len(kept),
            len(frame),
        )
    rows = kept["row"]
    kept = Table(kept.drop("row"), table.name, lambda row: table.at(rows[row]))
    return catalog_of(kept, text, id_column=id_key, missing=missing)
