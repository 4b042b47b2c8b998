"""Two ways of training: `paper`, as the study has it, and `strong`, what wins here. No torch."""

from typing import get_args

from tcf._util import lookup
from tcf.study.backbones import Backbone
from tcf.study.config import Preset
from tcf.train.config import TrainConfig

__all__ = ["paper", "strong"]

STRONG = TrainConfig(
    max_epochs=60, patience=5, monitor="ndcg@10", loss="full_softmax", weight_decay=0.01
)


def paper(backbone: str | Backbone) -> Preset:
    """Return the settings of Li et al. (arXiv 2305.11700), one width for every arm.

    Args:
        backbone: Its name, such as ``"SASRec"``, or its own settings.

    Raises:
        ValueError: If there is no backbone of this name.
    """
    return Preset(backbone=_config(backbone), train=TrainConfig())


def strong(backbone: str | Backbone) -> Preset:
    """Return the settings that win here (docs/decisions/0016), every arm trained alike.

    Softmax over the whole catalogue, more dropout, less weight decay, patience on NDCG@10.

    Args:
        backbone: Its name, or its own settings, which then decide the dropout.

    Raises:
        ValueError: If there is no backbone of this name.
    """
    return Preset(backbone=_config(backbone, dropout=0.3), train=STRONG)


def _config(backbone: str | Backbone, **settings: float) -> Backbone:
    """Return the settings of a backbone; ``settings`` are for those that have them."""
    if not isinstance(backbone, str):
        return backbone
    union, *_ = get_args(Backbone)
    known = {kind.model_fields["name"].default: kind for kind in get_args(union)}
    kind = lookup(known, backbone, "backbone")
    return kind(**{name: value for name, value in settings.items() if name in kind.model_fields})
