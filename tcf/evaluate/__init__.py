"""Scores -> numbers: exact ranks over the whole catalogue, metrics, intervals."""

from tcf._util import lazy_exports

_HOMES = {
    "Interval": "stats",
    "Ledger": "ledger",
    "bootstrap_mean": "stats",
    "hr": "metrics",
    "ledger_of_lists": "lists",
    "metric": "metrics",
    "mrr": "metrics",
    "ndcg": "metrics",
    "rank_targets": "ranking",
    "seed_interval": "stats",
}
__all__ = [
    "Interval",
    "Ledger",
    "bootstrap_mean",
    "hr",
    "ledger_of_lists",
    "metric",
    "mrr",
    "ndcg",
    "rank_targets",
    "seed_interval",
]
__getattr__ = lazy_exports(__name__, _HOMES)
