"""From a run's config to its untrained recommender."""

from tcf.data.split import Split
from tcf.encode.embeddings import Embeddings
from tcf.encode.trunk import TrunkStates
from tcf.model.backbones import BACKBONES
from tcf.model.hybrid import HybridTower
from tcf.model.recommender import Recommender
from tcf.model.towers import FrozenTextTower, IdTower, Tower
from tcf.model.tuned import TunedTextTower
from tcf.study.config import RunConfig


def build(
    config: RunConfig, split: Split, embeddings: Embeddings | TrunkStates | None
) -> Recommender:
    """Return the untrained recommender of a run."""
    tower = _tower(config, split, embeddings)
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


def _tower(config: RunConfig, split: Split, embeddings: Embeddings | TrunkStates | None) -> Tower:
    if embeddings is None:
        return IdTower(split.num_items, dim=config.dim)
    settings = {"dim": config.dim, **config.projector.model_dump()}
    if isinstance(embeddings, TrunkStates):
        tuned = config.arm.tuned
        assert tuned is not None
        text: Tower = TunedTextTower(
            embeddings,
            split.catalog,
            lora_rank=tuned.rank,
            lora_alpha=tuned.alpha,
            seed=config.seed,
            gradient_checkpointing=tuned.gradient_checkpointing,
            batch_tokens=tuned.batch_tokens,
            kept_tokens=tuned.kept_tokens,
            **settings,
        )
    else:
        text = FrozenTextTower(embeddings, split.catalog, **settings)
    if config.arm.with_ids is None:
        return text
    ids = IdTower(split.num_items, dim=config.dim)
    return HybridTower(ids, text, combine=config.arm.with_ids)
