"""Scores -> numbers: exact ranks over the whole catalogue, metrics, intervals."""

from tcf._util import lazy_exports

_HOMES = {
    "Comparison": "paired",
    "Interval": "stats",
    "Ledger": "ledger",
    "benjamini_hochberg": "corrections",
    "bootstrap_mean": "stats",
    "difference_interval": "paired",
    "hierarchical_bootstrap": "stats",
    "holm": "corrections",
    "hr": "metrics",
    "ledger_of_lists": "lists",
    "mcnemar": "paired",
    "mean_interval": "stats",
    "metric": "metrics",
    "mrr": "metrics",
    "ndcg": "metrics",
    "no_worse": "paired",
    "paired_permutation": "paired",
    "rank_targets": "ranking",
    "seed_interval": "stats",
    "seed_test": "paired",
}
__all__ = [
    "Comparison",
    "Interval",
    "Ledger",
    "benjamini_hochberg",
    "bootstrap_mean",
    "difference_interval",
    "hierarchical_bootstrap",
    "holm",
    "hr",
    "ledger_of_lists",
    "mcnemar",
    "mean_interval",
    "metric",
    "mrr",
    "ndcg",
    "no_worse",
    "paired_permutation",
    "rank_targets",
    "seed_interval",
    "seed_test",
]
__getattr__ = lazy_exports(__name__, _HOMES)
