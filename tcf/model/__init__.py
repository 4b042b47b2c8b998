"""Rows -> scores: towers make item vectors, backbones make user vectors."""

from tcf._util import lazy_exports

_HOMES = {
    "BACKBONES": "backbones",
    "BERT4Rec": "bert4rec",
    "Backbone": "backbone",
    "Candidates": "losses",
    "DSSM": "dssm",
    "FrozenTextTower": "towers",
    "GRU4Rec": "gru4rec",
    "HybridTower": "hybrid",
    "IdTower": "towers",
    "LOSSES": "losses",
    "Loss": "losses",
    "MeanHistory": "mean_history",
    "NearestNeighbour": "nearest",
    "NextItNet": "nextitnet",
    "Popularity": "popularity",
    "Recommender": "recommender",
    "SASRec": "sasrec",
    "Tower": "towers",
    "Transitions": "transitions",
    "TunedTextTower": "tuned",
}
__all__ = [
    "BACKBONES",
    "DSSM",
    "LOSSES",
    "BERT4Rec",
    "Backbone",
    "Candidates",
    "FrozenTextTower",
    "GRU4Rec",
    "HybridTower",
    "IdTower",
    "Loss",
    "MeanHistory",
    "NearestNeighbour",
    "NextItNet",
    "Popularity",
    "Recommender",
    "SASRec",
    "Tower",
    "Transitions",
    "TunedTextTower",
]
__getattr__ = lazy_exports(__name__, _HOMES)
