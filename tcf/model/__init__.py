"""Rows -> scores: towers make item vectors, backbones make user vectors."""

from tcf._util import lazy_exports

_HOMES = {
    "BACKBONES": "backbones",
    "Backbone": "backbone",
    "Candidates": "losses",
    "DSSM": "dssm",
    "FrozenTextTower": "towers",
    "IdTower": "towers",
    "LOSSES": "losses",
    "Loss": "losses",
    "Popularity": "popularity",
    "Recommender": "recommender",
    "SASRec": "sasrec",
    "Tower": "towers",
}
__all__ = [
    "BACKBONES",
    "DSSM",
    "LOSSES",
    "Backbone",
    "Candidates",
    "FrozenTextTower",
    "IdTower",
    "Loss",
    "Popularity",
    "Recommender",
    "SASRec",
    "Tower",
]
__getattr__ = lazy_exports(__name__, _HOMES)
