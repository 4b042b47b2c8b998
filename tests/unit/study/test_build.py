"""A config becomes the recommender it names, or what needs no training."""

import inspect
from typing import get_args

import numpy as np
import pytest

from tcf.model.backbones import BACKBONES
from tcf.model.mixture import MixtureProjector
from tcf.model.nearest import NearestNeighbour
from tcf.model.popularity import Popularity
from tcf.model.transitions import Transitions
from tcf.study.arms import Arm, TunedConfig
from tcf.study.backbones import AnyBackbone, MixtureConfig, ProjectorConfig, SASRecConfig
from tcf.study.build import build, untrained
from tcf.study.config import RunConfig
from tests import worlds

SPLIT = worlds.random_split(num_users=10, num_items=12, seed=0)
VECTORS = worlds.embeddings(SPLIT.catalog, np.random.default_rng(0).normal(size=(12, 5)))
ID = Arm(name="ID", kind="id")
TEXT = Arm(name="text", kind="static", encoder="numbers")
CONFIGS = {config.model_fields["name"].default: config for config in get_args(AnyBackbone)}


READERS = sorted(set(BACKBONES) - {"TextUsers"})  # which is of its own arms: test_text_users


def test_every_backbone_has_a_config():
    assert sorted(CONFIGS) == sorted(BACKBONES)


@pytest.mark.parametrize("name", READERS)
def test_a_config_has_the_settings_of_its_backbone_and_their_defaults(name: str):
    taken = inspect.signature(BACKBONES[name]).parameters
    given = CONFIGS[name]().model_dump(exclude={"name"}) | {
        field: getattr(CONFIGS[name](), field) for field in CONFIGS[name].added
    }
    assert given.keys() == taken.keys() - {"dim", *BACKBONES[name].of_split(SPLIT)}
    for setting, value in given.items():
        assert taken[setting].default == value


@pytest.mark.parametrize("arm", [ID, TEXT], ids=lambda arm: arm.name)
@pytest.mark.parametrize("name", READERS)
def test_a_run_gets_the_backbone_it_names(name: str, arm: Arm):
    config = RunConfig(dataset="d", arm=arm, backbone=CONFIGS[name](), dim=8)
    model = build(config, SPLIT, VECTORS if arm is TEXT else None)
    assert type(model.backbone) is BACKBONES[name]
    users, items = model.eval().score_vectors(SPLIT.test)
    width = 8 * (1 + 3 * (name == "NGCF"))  # which puts its layers side by side
    assert users.shape == (10, width) and items.shape == (12, width)


def test_settings_reach_the_backbone():
    config = RunConfig(dataset="d", arm=ID, backbone=SASRecConfig(norm="pre", num_layers=3), dim=8)
    backbone = build(config, SPLIT, None).backbone
    assert backbone.extra_repr() == "max_history=20, num_heads=2, norm='pre'"
    assert len(backbone.blocks) == 3


@pytest.mark.parametrize(
    ("arm", "kind"),
    [
        (Arm(name="p", kind="popularity"), Popularity),
        (Arm(name="t", kind="transitions"), Transitions),
        (TEXT.nearest(), NearestNeighbour),
    ],
)
def test_what_is_not_trained_is_built_without_a_backbone(arm: Arm, kind: type):
    config = RunConfig(dataset="d", arm=arm, backbone=None)
    assert type(untrained(config, SPLIT, VECTORS)) is kind
    with pytest.raises(ValueError, match=r"has no backbone, so there is no model to build"):
        build(config, SPLIT, VECTORS)


def test_what_is_trained_is_not_taken_for_untrained():
    config = RunConfig(dataset="d", arm=ID, backbone=SASRecConfig())
    with pytest.raises(ValueError, match="d/SASRec/ID/seed 0 needs a recommender and its training"):
        untrained(config, SPLIT, None)


def test_a_projector_is_dense_layers_or_a_mixture():
    config = RunConfig(
        dataset="d",
        arm=TEXT,
        backbone=SASRecConfig(),
        dim=8,
        projector=MixtureConfig(num_experts=3, noise=False),
    )
    again = RunConfig.model_validate_json(config.model_dump_json())
    assert again == config
    projector = build(again, SPLIT, VECTORS).tower.projector
    assert isinstance(projector, MixtureProjector)
    assert len(projector.experts) == 3 and projector.spread is None
    for held in ({}, {"num_layers": 1}, {"dropout": 0.0}):  # as every record before has them
        plain = RunConfig.model_validate({**config.model_dump(), "projector": held})
        assert plain.projector == ProjectorConfig(**held)


def test_a_tuned_encoder_takes_no_mixture():
    arm = Arm(name="t", kind="model", encoder="e", tuned=TunedConfig(method="all"))
    with pytest.raises(ValueError, match="arm 't' tunes its encoder and takes no mixture"):
        RunConfig(dataset="d", arm=arm, backbone=SASRecConfig(), projector=MixtureConfig())
