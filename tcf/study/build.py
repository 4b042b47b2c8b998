"""From a run's config to its untrained recommender, or to what needs no training."""

from typing import Any

import numpy as np
import torch

from tcf.data.split import Split
from tcf.encode.embeddings import Embeddings
from tcf.encode.trunk import TrunkStates
from tcf.model.auxiliary import Alignment, Auxiliary, SelfSupervision
from tcf.model.backbones import BACKBONES
from tcf.model.chance import Chance
from tcf.model.hybrid import HybridTower
from tcf.model.metadata import MetadataHead
from tcf.model.mixture import MixtureProjector
from tcf.model.nearest import NearestNeighbour
from tcf.model.popularity import Popularity
from tcf.model.recommender import Recommender
from tcf.model.semantic import SemanticIdTower
from tcf.model.towers import FrozenTextTower, IdTower, Tower
from tcf.model.transitions import Transitions
from tcf.model.tuned import TunedTextTower
from tcf.model.user_texts import NearestToText
from tcf.study.arms import MetadataConfig, SelfSupervisionConfig
from tcf.study.backbones import MixtureConfig, TextUsersConfig
from tcf.study.config import RunConfig
from tcf.study.user_texts import ItemsAndUsers

ItemText = Embeddings | TrunkStates | ItemsAndUsers
"""What a run knows of its items' texts: their vectors, or the states that a tuned encoder starts
from, or vectors of users' texts as well."""


def device() -> torch.device:
    """Return where a study trains: on the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build(config: RunConfig, split: Split, embeddings: ItemText | None) -> Recommender:
    """Return the untrained recommender of a run."""
    tower = _tower(config, split, embeddings)
    if config.backbone is None:
        raise ValueError(f"{config.name} has no backbone, so there is no model to build")
    kind = BACKBONES[config.backbone.name]
    settings = {**config.backbone.model_dump(exclude={"name"}), **kind.of_split(split)}
    if isinstance(config.backbone, TextUsersConfig):
        assert isinstance(embeddings, ItemsAndUsers)
        shared = tower.projector if config.backbone.shared else None
        settings = {"users": embeddings.users, "shared": shared}
    backbone = kind(dim=config.dim, **settings)
    return Recommender(
        tower,
        backbone,
        seed=config.seed,
        scores=config.scores,
        temperature=config.temperature,
        learn_temperature=config.learn_temperature,
        auxiliary=_auxiliary(config, split, embeddings, width=backbone.width),
    )


def _tower(config: RunConfig, split: Split, embeddings: ItemText | None) -> Tower:
    if embeddings is None or config.arm.with_ids == "alignment":
        return IdTower(split.num_items, dim=config.dim)
    if isinstance(embeddings, TrunkStates):
        tuned = config.arm.tuned
        assert tuned is not None
        text: Tower = TunedTextTower(
            embeddings,
            split.catalog,
            lora_rank=tuned.rank,
            lora_alpha=tuned.alpha,
            adapter_size=tuned.adapter_size,
            seed=config.seed,
            gradient_checkpointing=tuned.gradient_checkpointing,
            batch_tokens=tuned.batch_tokens,
            kept_tokens=tuned.kept_tokens,
            dim=config.dim,
            **config.projector.model_dump(),
        )
    elif config.arm.semantic_ids is not None:
        assert isinstance(embeddings, Embeddings)
        text = SemanticIdTower(
            embeddings,
            split.catalog,
            dim=config.dim,
            fit_on=np.unique(split.train.rows),
            **config.arm.semantic_ids.model_dump(),
        )
    else:
        vectors = embeddings.items if isinstance(embeddings, ItemsAndUsers) else embeddings
        text = FrozenTextTower(
            vectors, split.catalog, dim=config.dim, **_projector(config, vectors.width)
        )
    if config.arm.with_ids is None:
        return text
    ids = IdTower(split.num_items, dim=config.dim)
    return HybridTower(ids, text, combine=config.arm.with_ids)


def _auxiliary(
    config: RunConfig, split: Split, embeddings: ItemText | None, *, width: int
) -> Auxiliary | None:
    chosen = config.arm.auxiliary
    if chosen is None or not chosen.weight:
        return None
    settings = chosen.model_dump(exclude={"name"})
    if isinstance(chosen, SelfSupervisionConfig):
        return SelfSupervision(**settings)
    if isinstance(chosen, MetadataConfig):
        return MetadataHead(split.catalog, width=width, **settings)
    assert isinstance(embeddings, Embeddings)
    return Alignment(embeddings, split.catalog, dim=config.dim, **settings)


def _projector(config: RunConfig, width: int) -> dict[str, Any]:
    if isinstance(config.projector, MixtureConfig):
        settings = config.projector.model_dump(exclude={"name"})
        return {"projector": MixtureProjector(width, config.dim, **settings)}
    return config.projector.model_dump()


def untrained(
    config: RunConfig, split: Split, embeddings: ItemText | None
) -> Chance | Popularity | Transitions | NearestNeighbour | NearestToText:
    """Return what ranks for an arm that is not trained."""
    if config.arm.kind == "chance":
        return Chance(split)
    if config.arm.kind == "popularity":
        return Popularity(split)
    if config.arm.kind == "transitions":
        return Transitions(split)
    if config.arm.kind == "nearest" and isinstance(embeddings, ItemsAndUsers):
        return NearestToText(embeddings.items, embeddings.users, split.catalog)
    if config.arm.kind != "nearest" or not isinstance(embeddings, Embeddings):
        raise ValueError(f"{config.name} needs a recommender and its training")
    return NearestNeighbour(embeddings, split.catalog)
