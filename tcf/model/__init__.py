"""Rows -> scores: towers turn rows into item vectors, backbones turn histories into user vectors."""

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
__all__ = sorted(_HOMES)
__getattr__ = lazy_exports(__name__, _HOMES)
