"""From a run's config to its untrained recommender, or to what needs no training."""

import torch

from tcf.data.split import Split
from tcf.encode.embeddings import Embeddings
from tcf.model.backbones import BACKBONES
from tcf.model.nearest import NearestNeighbour
from tcf.model.popularity import Popularity
from tcf.model.recommender import Recommender
from tcf.model.towers import FrozenTextTower, IdTower
from tcf.model.transitions import Transitions
from tcf.study.config import RunConfig


def device() -> torch.device:
    """Return where a study trains: on the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build(config: RunConfig, split: Split, embeddings: Embeddings | None) -> Recommender:
    """Return the untrained recommender of a run."""
    if embeddings is None:
        tower = IdTower(split.num_items, dim=config.dim)
    else:
        tower = FrozenTextTower(
            embeddings, split.catalog, dim=config.dim, **config.projector.model_dump()
        )
    if config.backbone is None:
        raise ValueError(f"{config.name} has no backbone, so there is no model to build")
    settings = config.backbone.model_dump(exclude={"name"})
    if config.backbone.name == "DSSM":
        settings["num_users"] = split.num_users
    backbone = BACKBONES[config.backbone.name](dim=config.dim, **settings)
    return Recommender(
        tower,
        backbone,
        seed=config.seed,
        scores=config.scores,
        temperature=config.temperature,
        learn_temperature=config.learn_temperature,
    )


def untrained(
    config: RunConfig, split: Split, embeddings: Embeddings | None
) -> Popularity | Transitions | NearestNeighbour:
    """Return what ranks for an arm that is not trained."""
    if config.arm.kind == "popularity":
        return Popularity(split)
    if config.arm.kind == "transitions":
        return Transitions(split)
    if config.arm.kind != "nearest" or embeddings is None:
        raise ValueError(f"{config.name} needs a recommender and its training")
    return NearestNeighbour(embeddings, split.catalog)
