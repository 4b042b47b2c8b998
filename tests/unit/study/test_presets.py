"""Presets: the study's settings are the defaults, and a grid takes either."""

import pytest

from tcf.model.losses import LOSSES
from tcf.study import (
    Arm,
    DSSMConfig,
    Preset,
    SASRecConfig,
    fingerprint,
    grid,
    paper,
    published,
    strong,
)
from tcf.study.presets import PUBLISHED
from tcf.train import TrainConfig
from tcf.train.examples import loss_of

ID = Arm(name="ID", kind="id")


def test_paper_is_the_default_and_keeps_its_fingerprints():
    by_preset = grid(dataset="d", arms=[ID], backbones=[paper("SASRec"), paper("DSSM")])
    by_hand = grid(
        dataset="d",
        arms=[ID],
        backbones=[(SASRecConfig(), TrainConfig()), (DSSMConfig(), TrainConfig())],
    )
    assert by_preset == by_hand
    keys = [
        [fingerprint(r, split="s", vectors=None) for r in runs] for runs in (by_preset, by_hand)
    ]
    assert keys[0] == keys[1]


def test_strong_is_another_way_of_training():
    assert strong("SASRec") != paper("SASRec")
    assert strong("SASRec").train.loss in LOSSES
    assert strong("SASRec").backbone == SASRecConfig(dropout=0.3)
    assert strong("MeanHistory").backbone.name == "MeanHistory"  # it has no dropout to set


@pytest.mark.parametrize("preset", [paper, strong])
def test_a_backbone_is_a_name_or_its_settings(preset):
    assert preset("DSSM").backbone.name == "DSSM"
    assert preset(SASRecConfig(num_layers=3)).backbone.num_layers == 3
    with pytest.raises(ValueError, match=r"backbone must be one of .*; got 'SASRek'; did you"):
        preset("SASRek")


def test_a_grid_takes_everything_that_a_preset_says():
    preset = Preset(
        backbone=SASRecConfig(num_heads=4),
        train=TrainConfig(loss="gbce"),
        dim=32,
        scores="cosine",
        temperature=0.1,
        learn_temperature=True,
    )
    (run,) = grid(dataset="d", arms=[ID], backbones=[preset], seeds=(3,))
    for field in Preset.model_fields:
        assert getattr(run, field) == getattr(preset, field), field
    (run,) = grid(dataset="d", arms=[ID], backbones=[preset], seeds=(3,), dim=8)
    assert run.dim == 8


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_what_is_published_trains_as_it_says(name: str):
    preset = published(name)
    assert preset.backbone.name == name
    loss = loss_of(preset.train)
    assert loss.candidates == "drawn"
    assert (preset.scores == "cosine") == (preset.train.loss == "sampled_softmax")  # InfoNCE
    with pytest.raises(ValueError, match=r"published backbone must be one of .*; got 'SASRec'"):
        published("SASRec")
