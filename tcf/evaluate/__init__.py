"""Scores -> numbers: exact ranks over the whole catalogue, metrics, slices, intervals."""

from tcf._util import lazy_exports

_HOMES = {
    "SLICES": "slices",
    "Interval": "stats",
    "Ledger": "ledger",
    "bootstrap_mean": "stats",
    "hr": "metrics",
    "ledger_of_lists": "lists",
    "list_metrics": "catalog_metrics",
    "members": "slices",
    "metric": "metrics",
    "mrr": "metrics",
    "ndcg": "metrics",
    "rank_and_list": "ranking",
    "rank_targets": "ranking",
    "seed_interval": "stats",
    "slice_labels": "slices",
    "slice_names": "slices",
    "slice_table": "slices",
}
__all__ = [
    "SLICES",
    "Interval",
    "Ledger",
    "bootstrap_mean",
    "hr",
    "ledger_of_lists",
    "list_metrics",
    "members",
    "metric",
    "mrr",
    "ndcg",
    "rank_and_list",
    "rank_targets",
    "seed_interval",
    "slice_labels",
    "slice_names",
    "slice_table",
]
__getattr__ = lazy_exports(__name__, _HOMES)
