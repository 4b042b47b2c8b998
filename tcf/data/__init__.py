"""Files -> Split: read, filter and split interactions and item texts. Loads no torch."""

from tcf._util import lazy_exports

_HOMES = {
    "Catalog": "catalog",
    "Interactions": "catalog",
    "Split": "split",
    "Targets": "split",
    "filter_interactions": "filter",
    "leave_one_out": "split",
    "open_prepared": "prepared",
    "read_folder": "formats",
    "read_interactions": "formats",
    "read_items": "formats",
    "read_microlens": "formats",
    "sample_users": "filter",
    "write_prepared": "prepared",
}
__all__ = [
    "Catalog",
    "Interactions",
    "Split",
    "Targets",
    "filter_interactions",
    "leave_one_out",
    "open_prepared",
    "read_folder",
    "read_interactions",
    "read_items",
    "read_microlens",
    "sample_users",
    "write_prepared",
]
__getattr__ = lazy_exports(__name__, _HOMES)
