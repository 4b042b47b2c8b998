"""Two ways of training: `paper`, as the study has it, and `strong`, what wins here. No torch."""

from typing import get_args

from tcf._util import lookup
from tcf.study.config import Backbone, Preset
from tcf.train.config import TrainConfig

__all__ = ["paper", "strong"]


def paper(backbone: str | Backbone) -> Preset:
    """Return the settings of Li et al. (arXiv 2305.11700), one width for every arm.

    Args:
        backbone: Its name, such as ``"SASRec"``, or its own settings.

    Raises:
        ValueError: If there is no backbone of this name.
    """
    return Preset(backbone=_config(backbone), train=TrainConfig())


def strong(backbone: str | Backbone) -> Preset:
    """Return the settings that win here, every arm trained alike. Argument and error as `paper`."""
    # NUMBERS: learning rate, decay, dropout, width and epochs come here once they are measured
    return Preset(backbone=_config(backbone), train=TrainConfig(loss="full_softmax"))


def _config(backbone: str | Backbone) -> Backbone:
    if not isinstance(backbone, str):
        return backbone
    union, *_ = get_args(Backbone)
    known = {kind.model_fields["name"].default: kind for kind in get_args(union)}
    return lookup(known, backbone, "backbone")()
