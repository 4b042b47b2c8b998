"""A trained recommender, for use elsewhere: vectors, an index over the items, a tuned encoder."""

from tcf._util import lazy_exports

_HOMES = {
    "FORMATS": "vectors",
    "INDEXES": "index",
    "Vectors": "vectors",
    "exact_top": "index",
    "export_encoder": "encoder",
    "export_tower": "encoder",
    "rebuild": "run",
    "recall": "index",
    "vectors_of": "vectors",
    "write_index": "index",
    "write_vectors": "vectors",
}
__all__ = [
    "FORMATS",
    "INDEXES",
    "Vectors",
    "exact_top",
    "export_encoder",
    "export_tower",
    "rebuild",
    "recall",
    "vectors_of",
    "write_index",
    "write_vectors",
]
__getattr__ = lazy_exports(__name__, _HOMES)
