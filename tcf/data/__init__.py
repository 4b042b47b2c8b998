"""Files -> Split: read, filter and split interactions and item texts. Loads no torch."""

from tcf._util import lazy_exports

_HOMES = {
    "DATASETS": "datasets",
    "Catalog": "catalog",
    "DataSet": "dataset",
    "Interactions": "catalog",
    "Split": "split",
    "Targets": "split",
    "download_dataset": "download",
    "filter_interactions": "filter",
    "leave_one_out": "split",
    "load_dataset": "datasets",
    "open_prepared": "prepared",
    "read_folder": "formats",
    "read_interactions": "formats",
    "read_items": "formats",
    "read_microlens": "formats",
    "sample_users": "filter",
    "write_prepared": "prepared",
}
__all__ = [
    "DATASETS",
    "Catalog",
    "DataSet",
    "Interactions",
    "Split",
    "Targets",
    "download_dataset",
    "filter_interactions",
    "leave_one_out",
    "load_dataset",
    "open_prepared",
    "read_folder",
    "read_interactions",
    "read_items",
    "read_microlens",
    "sample_users",
    "write_prepared",
]
__getattr__ = lazy_exports(__name__, _HOMES)
