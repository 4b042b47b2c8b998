"""One module a family of formats. Text comes through untouched; a bad row is named, never skipped.

Every reader takes a folder and returns ``(Catalog, Interactions)``; `read_folder` finds the reader.
"""

from tcf._util import lazy_exports

_HOMES = {
    "READERS": "folder",
    "read_amazon": "reviews",
    "read_folder": "folder",
    "read_goodbooks": "shops",
    "read_hm": "shops",
    "read_interactions": "plain",
    "read_items": "plain",
    "read_microlens": "microlens",
    "read_mind": "mind",
    "read_movielens": "movielens",
    "read_movies": "movielens",
    "read_ninerec": "study",
    "read_pixelrec": "microlens",
    "read_plain": "plain",
    "read_recbole": "recbole",
    "read_steam": "reviews",
    "read_study": "study",
    "read_yelp": "reviews",
}
__all__ = [
    "READERS",
    "read_amazon",
    "read_folder",
    "read_goodbooks",
    "read_hm",
    "read_interactions",
    "read_items",
    "read_microlens",
    "read_mind",
    "read_movielens",
    "read_movies",
    "read_ninerec",
    "read_pixelrec",
    "read_plain",
    "read_recbole",
    "read_steam",
    "read_study",
    "read_yelp",
]
__getattr__ = lazy_exports(__name__, _HOMES)
