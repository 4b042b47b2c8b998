"""Ways of training: `paper`, as the study has it, `strong`, what wins here, and `published`, as
those had it who proposed a backbone. Loads no torch.
"""

from typing import get_args

from tcf._util import lookup
from tcf.study.backbones import AlphaRecConfig, Backbone, LightGCNConfig, NGCFConfig
from tcf.study.config import Preset
from tcf.train.config import TrainConfig

__all__ = ["paper", "published", "strong"]

STRONG = TrainConfig(
    max_epochs=60, patience=5, monitor="ndcg@10", loss="full_softmax", weight_decay=0.01
)

_BPR = TrainConfig(max_epochs=1000, patience=50, monitor="hr@20", loss="bpr", weight_decay=0)
PUBLISHED = {
    "AlphaRec": Preset(
        backbone=AlphaRecConfig(),
        train=TrainConfig(
            max_epochs=500,
            patience=100,
            monitor="hr@20",
            batch_size=4096,
            learning_rate=5e-4,
            weight_decay=1e-6,
            loss="sampled_softmax",
            num_negatives=256,
        ),
        scores="cosine",
        temperature=0.15,
    ),
    "LightGCN": Preset(
        backbone=LightGCNConfig(), train=_BPR.model_copy(update={"batch_size": 2048})
    ),
    "NGCF": Preset(
        backbone=NGCFConfig(),
        train=_BPR.model_copy(update={"batch_size": 1024, "learning_rate": 1e-4}),
    ),
}
"""Settings of arXiv 2407.05441, 2002.02126 and 1905.08108 and the code released with them."""


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


def published(backbone: str) -> Preset:
    """Return the settings of those who proposed a backbone, where these differ from the study's.

    LightGCN and NGCF add the squared length of a batch's vectors to the loss, which no setting here
    does: they have no weight decay. AlphaRec's linear map is the grid's
    ``projector=ProjectorConfig(num_layers=1, activation=False)``.

    Args:
        backbone: Its name, one of `PUBLISHED`.

    Raises:
        ValueError: If there are none of this name.
    """
    return lookup(PUBLISHED, backbone, "published backbone")


def _config(backbone: str | Backbone, **settings: float) -> Backbone:
    """Return the settings of a backbone; ``settings`` are for those that have them."""
    if not isinstance(backbone, str):
        return backbone
    union, *_ = get_args(Backbone)
    known = {kind.model_fields["name"].default: kind for kind in get_args(union)}
    kind = lookup(known, backbone, "backbone")
    return kind(**{name: value for name, value in settings.items() if name in kind.model_fields})
