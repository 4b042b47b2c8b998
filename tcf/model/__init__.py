"""Rows -> scores: towers make item vectors, backbones make user vectors."""

from tcf._util import lazy_exports

_HOMES = {
    "BACKBONES": "backbones",
    "Backbone": "backbone",
    "Candidates": "losses",
    "DSSM": "dssm",
    "FrozenTextTower": "towers",
    "HybridTower": "hybrid",
    "IdTower": "towers",
    "LOSSES": "losses",
    "Loss": "losses",
    "Popularity": "popularity",
    "Recommender": "recommender",
    "SASRec": "sasrec",
    "Tower": "towers",
    "TunedTextTower": "tuned",
}
__all__ = [
    "BACKBONES",
    "DSSM",
    "LOSSES",
    "Backbone",
    "Candidates",
    "FrozenTextTower",
    "HybridTower",
    "IdTower",
    "Loss",
    "Popularity",
    "Recommender",
    "SASRec",
    "Tower",
    "TunedTextTower",
]
__getattr__ = lazy_exports(__name__, _HOMES)
