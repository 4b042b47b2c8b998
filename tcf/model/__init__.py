"""Rows -> scores: towers make item vectors, backbones make user vectors."""

from tcf._util import lazy_exports

_HOMES = {
    "BACKBONES": "backbones",
    "DSSM": "backbones",
    "FrozenTextTower": "towers",
    "IdTower": "towers",
    "Popularity": "popularity",
    "Recommender": "recommender",
    "SASRec": "backbones",
    "in_batch_softmax": "losses",
}
__all__ = [
    "BACKBONES",
    "DSSM",
    "FrozenTextTower",
    "IdTower",
    "Popularity",
    "Recommender",
    "SASRec",
    "in_batch_softmax",
]
__getattr__ = lazy_exports(__name__, _HOMES)
