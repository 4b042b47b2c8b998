"""Files -> Split: read, filter and split interactions and item texts. Loads no torch."""

from tcf._util import lazy_exports

_HOMES = {
    "Catalog": "catalog",
    "Finding": "findings",
    "Interactions": "catalog",
    "Split": "split",
    "Targets": "split",
    "audit_files": "audit",
    "audit_split": "audit",
    "filter_interactions": "filter",
    "leave_one_out": "split",
    "near_duplicates": "minhash",
    "read_folder": "formats",
    "read_interactions": "formats",
    "read_items": "formats",
    "read_microlens": "formats",
    "sample_users": "filter",
}
__all__ = [
    "Catalog",
    "Finding",
    "Interactions",
    "Split",
    "Targets",
    "audit_files",
    "audit_split",
    "filter_interactions",
    "leave_one_out",
    "near_duplicates",
    "read_folder",
    "read_interactions",
    "read_items",
    "read_microlens",
    "sample_users",
]
__getattr__ = lazy_exports(__name__, _HOMES)
