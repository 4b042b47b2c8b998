"""Scores -> numbers: exact ranks over the whole catalogue, metrics, slices, intervals."""

from tcf._util import lazy_exports

_HOMES = {
    "Interval": "stats",
    "Ledger": "ledger",
    "bootstrap_mean": "stats",
    "hr": "metrics",
    "ledger_of_lists": "lists",
    "list_metrics": "catalog_metrics",
    "metric": "metrics",
    "mrr": "metrics",
    "ndcg": "metrics",
    "rank_and_list": "ranking",
    "rank_targets": "ranking",
    "seed_interval": "stats",
}
__all__ = [
    "Interval",
    "Ledger",
    "bootstrap_mean",
    "hr",
    "ledger_of_lists",
    "list_metrics",
    "metric",
    "mrr",
    "ndcg",
    "rank_and_list",
    "rank_targets",
    "seed_interval",
]
__getattr__ = lazy_exports(__name__, _HOMES)
