"""Arms of semantic IDs: what a config may say, and a run from end to end."""

from pathlib import Path

import numpy as np
import pytest

from tcf.model.semantic import SemanticIdTower
from tcf.study.arms import Arm, SemanticIdsConfig, TunedConfig
from tcf.study.backbones import SASRecConfig
from tcf.study.build import build
from tcf.study.config import RunConfig
from tcf.study.records import read_records
from tcf.study.runner import run_study
from tests import tiny_study, worlds

SMALL = SemanticIdsConfig(num_levels=2, num_codes=5)
TEXT = {"kind": "static", "encoder": "tfidf-svd"}


def test_arms_of_semantic_ids_run_and_tell_how_many_items_share_theirs(tmp_path: Path):
    arms = (
        Arm(name="codes", semantic_ids=SMALL, **TEXT),
        Arm(name="codes + IDs", semantic_ids=SMALL, with_ids="sum", **TEXT),
        Arm(name="text", **TEXT),
    )
    study = tiny_study.study(max_epochs=1, arms=arms)
    settings = {"records": tmp_path / "r", "cache": tmp_path / "c", "say": lambda _: None}
    assert run_study(study, num_workers=1, **settings).num_made == 6
    vectors = {
        r["config"]["arm"]["name"]: r["vectors"] for r in read_records(tmp_path / "r").values()
    }
    assert 0 < vectors["codes"]["sharing_codes"] <= 1
    assert vectors["codes + IDs"]["sharing_codes"] == vectors["codes"]["sharing_codes"]
    assert "sharing_codes" not in vectors["text"]


def test_codes_are_fitted_on_training_items_alone():
    split = worlds.random_split(num_users=6, num_items=40, seed=0)
    training = np.unique(split.train.rows)
    assert len(training) < 40
    vectors = np.random.default_rng(0).normal(size=(40, 5))
    moved = vectors.copy()
    moved[np.setdiff1d(np.arange(40), training - 1)] += 1000
    arm = Arm(name="codes", semantic_ids=SMALL, **TEXT)
    config = RunConfig(dataset="d", arm=arm, backbone=SASRecConfig(), dim=8)
    one, other = (
        build(config, split, worlds.embeddings(split.catalog, v)).tower for v in (vectors, moved)
    )
    assert isinstance(one, SemanticIdTower) and isinstance(other, SemanticIdTower)
    assert one.tokens[training].equal(other.tokens[training])
    assert not one.tokens.equal(other.tokens)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "id"}, "arm 'a' of kind 'id' takes no semantic_ids; got num_levels=2"),
        (
            {"kind": "nearest", "encoder": "e", "encoder_kind": "model"},
            "arm 'a' of kind 'nearest' takes no semantic_ids",
        ),
        (
            {"kind": "model", "encoder": "e", "tuned": TunedConfig(method="all")},
            r"takes no transforms and no semantic IDs; got layer=-1, transforms=\(\), semantic",
        ),
    ],
)
def test_arms_that_have_no_vectors_to_quantise_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Arm(name="a", semantic_ids=SMALL, **settings)
