"""Arms with an auxiliary loss: what a config may say, and runs from end to end."""

from pathlib import Path

import numpy as np
import pytest

from tcf.model.auxiliary import Alignment, SelfSupervision
from tcf.model.towers import FrozenTextTower, IdTower
from tcf.study.arms import AlignmentConfig, Arm, SelfSupervisionConfig, SemanticIdsConfig
from tcf.study.backbones import SASRecConfig
from tcf.study.build import build
from tcf.study.config import RunConfig
from tcf.study.controls import controls
from tcf.study.records import read_records
from tcf.study.runner import run_study
from tcf.study.series import series_of
from tcf.train import TrainConfig, fit
from tests import tiny_study, worlds

SPLIT = worlds.block_split(num_users=40)
TEXTS = worlds.embeddings(SPLIT.catalog, np.random.default_rng(0).normal(size=(60, 6)))
TEXT = {"kind": "static", "encoder": "tfidf-svd"}
ALIGNED = {"with_ids": "alignment", **TEXT}


def trained(arm: Arm) -> tuple[dict, list[float]]:
    config = RunConfig(dataset="d", arm=arm, backbone=SASRecConfig(), dim=8)
    model = build(config, SPLIT, TEXTS if arm.has_text else None)
    train = TrainConfig(max_epochs=2, batch_size=16)
    history = fit(model, SPLIT, train, seed=0, progress=False)
    return model.state_dict(), [epoch.loss for epoch in history.epochs]


def test_a_config_becomes_the_loss_it_names():
    arm = Arm(name="a", auxiliary=AlignmentConfig(weight=0.3, num_items=99), **ALIGNED)
    config = RunConfig(dataset="d", arm=arm, backbone=SASRecConfig(), dim=8)
    config = RunConfig.model_validate_json(config.model_dump_json())
    model = build(config, SPLIT, TEXTS)
    assert isinstance(model.tower, IdTower) and isinstance(model.auxiliary, Alignment)
    assert (model.auxiliary.weight, model.auxiliary.num_items) == (0.3, 99)
    arm = Arm(name="s", auxiliary=SelfSupervisionConfig(masked=0.2), **TEXT)
    model = build(config.model_copy(update={"arm": arm}), SPLIT, TEXTS)
    assert isinstance(model.tower, FrozenTextTower)
    assert isinstance(model.auxiliary, SelfSupervision) and model.auxiliary.mask.rate == 0.2


@pytest.mark.parametrize(
    ("arm", "plain"),
    [
        (
            Arm(name="a", auxiliary=AlignmentConfig(weight=0), **ALIGNED),
            Arm(name="ID", kind="id"),
        ),
        (Arm(name="s", auxiliary=SelfSupervisionConfig(weight=0), **TEXT), Arm(name="t", **TEXT)),
    ],
)
def test_weight_0_leaves_every_bit(arm: Arm, plain: Arm):
    (state, losses), (plain_state, plain_losses) = trained(arm), trained(plain)
    assert losses == plain_losses and state.keys() == plain_state.keys()
    assert all(value.equal(plain_state[name]) for name, value in state.items())


def test_an_arm_without_the_new_fields_has_none_of_them_in_its_record():
    said = Arm(name="t", **TEXT).model_dump(mode="json")
    assert not {"auxiliary", "semantic_ids"} & said.keys()


def test_arms_with_auxiliary_losses_run(tmp_path: Path):
    arms = (
        Arm(name="aligned", auxiliary=AlignmentConfig(), **ALIGNED),
        Arm(name="self-supervised", auxiliary=SelfSupervisionConfig(), **TEXT),
    )
    study = tiny_study.study(max_epochs=1, arms=arms)
    settings = {"records": tmp_path / "r", "cache": tmp_path / "c", "say": lambda _: None}
    assert run_study(study, num_workers=1, **settings).num_made == 4
    counted = {
        r["config"]["arm"]["name"]: r["parameters"] for r in read_records(tmp_path / "r").values()
    }
    assert counted["aligned"]["auxiliary"] > 0 == counted["self-supervised"]["auxiliary"]


def test_a_curve_joins_no_arms_of_another_method():
    text = {"kind": "model", "encoder": "e", "family": "OPT"}
    arms = [
        Arm(name="plain", **text),
        Arm(name="codes", semantic_ids=SemanticIdsConfig(), **text),
        Arm(name="views", auxiliary=SelfSupervisionConfig(), **text),
        Arm(name="aligned", with_ids="alignment", auxiliary=AlignmentConfig(), **text),
    ]
    assert [series_of(arm.model_dump(mode="json")) for arm in arms] == [
        "OPT",
        "OPT, semantic IDs",
        "OPT, self_supervision",
        "OPT, with IDs, alignment",
    ]
    made = controls(arms, which=["random_weights"])
    assert [arm.control_of for arm in made] == ["plain"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "id", "auxiliary": AlignmentConfig()}, "arm 'a' of kind 'id' takes no auxiliary"),
        (ALIGNED, r"go together; arm 'a' got with_ids='alignment' and auxiliary=None"),
        ({"auxiliary": AlignmentConfig(), **TEXT}, r"go together; arm 'a' got with_ids=None"),
        (
            {"auxiliary": SelfSupervisionConfig(), "with_ids": "sum", **TEXT},
            "self_supervision, of frozen text vectors as they are; .* got 'sum'",
        ),
        (
            {"auxiliary": AlignmentConfig(), "semantic_ids": SemanticIdsConfig(), **ALIGNED},
            "alignment, of frozen text vectors as they are; .* got SemanticIdsConfig",
        ),
    ],
)
def test_arms_that_cannot_have_it_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Arm(name="a", **settings)
