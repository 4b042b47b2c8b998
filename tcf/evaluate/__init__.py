"""Scores -> numbers: exact ranks over the whole catalogue, metrics, intervals."""

from tcf._util import lazy_exports

_HOMES = {
    "Interval": "stats",
    "Ledger": "ledger",
    "bootstrap_mean": "stats",
    "hr": "metrics",
    "metric": "metrics",
    "mrr": "metrics",
    "ndcg": "metrics",
    "rank_targets": "ranking",
    "seed_interval": "stats",
}
__all__ = sorted(_HOMES)
__getattr__ = lazy_exports(__name__, _HOMES)
