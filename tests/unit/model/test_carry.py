"""Weights of one catalogue in a model over another: what is carried, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from tcf.data.split import Split
from tcf.errors import DataError
from tcf.evaluate.metrics import hr, ndcg
from tcf.evaluate.ranking import rank_targets
from tcf.model.carry import carry_weights, check_users_carried
from tcf.model.chance import Chance
from tcf.model.dssm import DSSM
from tcf.model.hybrid import HybridTower
from tcf.model.lightgcn import LightGCN
from tcf.model.mean_history import MeanHistory
from tcf.model.recommender import Recommender
from tcf.model.sasrec import SASRec
from tcf.model.towers import FrozenTextTower, IdTower, Tower
from tests import worlds

Carry = Literal["backbone", "all"]
D, E = 8, 5
SOURCE = worlds.random_split(num_users=30, num_items=40, seed=0)
TARGET = worlds.random_split(num_users=20, num_items=12, seed=1)


def text_tower(split: Split, *, key: str = "a" * 64, width: int = E) -> FrozenTextTower:
    vectors = np.random.default_rng(split.num_items).normal(size=(split.num_items, width))
    made = replace(worlds.embeddings(split.catalog, vectors), key=key)
    return FrozenTextTower(made, split.catalog, dim=D)


def model(tower: Tower, *, seed: int, users: int | None = None, **settings) -> Recommender:
    backbone = SASRec(dim=D) if users is None else DSSM(num_users=users, dim=D, num_layers=1)
    return Recommender(tower, backbone, seed=seed, **settings)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Recommender, Path]:
    source = model(text_tower(SOURCE), seed=0)
    source.save(tmp_path / "source.safetensors")
    return source, tmp_path / "source.safetensors"


def test_all_weights_are_carried_to_another_catalogue(saved: tuple[Recommender, Path]):
    source, path = saved
    made = model(text_tower(TARGET), seed=1)
    carry_weights(made, path, carry="all")
    assert made.tower.num_items == 12
    for name, value in source.state_dict().items():
        assert value.equal(made.state_dict()[name]), name


def test_the_backbone_alone_leaves_the_projector_new(saved: tuple[Recommender, Path]):
    source, path = saved
    made, new = (model(text_tower(TARGET, key="b" * 64, width=3), seed=1) for _ in range(2))
    carry_weights(made, path, carry="backbone")  # of other vectors, which it does not ask about
    for name, value in made.state_dict().items():
        from_source = name.startswith("backbone.")
        expected = (source if from_source else new).state_dict()[name]
        assert value.equal(expected), name


def test_a_temperature_is_carried_with_all_and_not_with_the_backbone(tmp_path: Path):
    source = model(text_tower(SOURCE), seed=0, learn_temperature=True, temperature=0.5)
    source.save(tmp_path / "source.safetensors")
    parts: tuple[Carry, ...] = ("all", "backbone")
    for carry, expected in zip(parts, (2.0, 1.0), strict=True):
        made = model(text_tower(TARGET), seed=1, learn_temperature=True)
        carry_weights(made, tmp_path / "source.safetensors", carry=carry)
        assert made.log_scale is not None
        assert made.log_scale.exp().item() == pytest.approx(expected)


def test_vectors_of_another_encoder_are_refused(saved: tuple[Recommender, Path]):
    made = model(text_tower(TARGET, key="b" * 64), seed=1)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    with pytest.raises(DataError, match=r"whose tower is .*vectors=bbbbbbbbbbbb.* found .*aaaaaa"):
        carry_weights(made, saved[1], carry="all")
    assert all(value.equal(before[name]) for name, value in made.state_dict().items())


def test_a_backbone_of_another_shape_is_refused(saved: tuple[Recommender, Path]):
    made = Recommender(text_tower(TARGET), SASRec(dim=D, max_history=7), seed=1)
    for carry in ("all", "backbone"):
        with pytest.raises(DataError, match=r"whose backbone is .*max_history=7"):
            carry_weights(made, saved[1], carry=carry)


@pytest.mark.parametrize("mixed", [False, True])
def test_item_ids_are_refused(saved: tuple[Recommender, Path], mixed: bool):
    ids = IdTower(12, dim=D)
    made = model(HybridTower(ids, text_tower(TARGET)) if mixed else ids, seed=1)
    for carry in ("all", "backbone"):
        with pytest.raises(ValueError, match="a learned vector an item, and the items of another"):
            carry_weights(made, saved[1], carry=carry)


def test_a_backbone_without_weights_is_refused(saved: tuple[Recommender, Path]):
    made = Recommender(text_tower(TARGET), MeanHistory(dim=D), seed=1)
    with pytest.raises(ValueError, match="MeanHistory has no weights to carry over"):
        carry_weights(made, saved[1], carry="backbone")


def test_equal_users_mean_nothing_to_a_backbone_that_reads_histories(saved):
    made = model(text_tower(TARGET), seed=1)
    with pytest.raises(ValueError, match="SASRec reads histories and has no vector a user"):
        carry_weights(made, saved[1], carry="all", user_ids=(("a",), ("a",)))


def test_a_graph_of_users_is_refused():
    with pytest.raises(ValueError, match="LightGCN knows the users of its training alone, and can"):
        check_users_carried(LightGCN, same_users=True)


class TestUsers:
    """DSSM knows users by their IDs."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        model(text_tower(SOURCE), seed=0, users=3).save(tmp_path / "source.safetensors")
        return tmp_path / "source.safetensors"

    def test_a_user_tower_cannot_transfer(self, path: Path):
        made = model(text_tower(TARGET), seed=1, users=4)
        with pytest.raises(ValueError, match="user tower of DSSM is a table of user IDs, which ca"):
            carry_weights(made, path, carry="all")

    @pytest.mark.parametrize("carry", ["all", "backbone"])
    def test_those_known_to_both_keep_their_vectors(self, path: Path, carry):
        source = model(text_tower(SOURCE), seed=0, users=3)
        made, new = (model(text_tower(TARGET), seed=1, users=4) for _ in range(2))
        ids = ("ann", "bob", "eve"), ("eve", "new", "ann", "other")
        carry_weights(made, path, carry=carry, user_ids=ids)
        table, theirs, ours = (
            one.state_dict()["backbone.table.weight"] for one in (made, source, new)
        )
        assert table.equal(torch.stack([theirs[2], ours[1], theirs[0], ours[3]]))
        name = "backbone.user_mlp.0.weight"
        assert made.state_dict()[name].equal(source.state_dict()[name])
        name = "tower.projector.0.weight"
        expected = source if carry == "all" else new
        assert made.state_dict()[name].equal(expected.state_dict()[name])

    def test_no_overlap_is_refused(self, path: Path):
        made = model(text_tower(TARGET), seed=1, users=2)
        ids = ("ann", "bob", "eve"), ("someone", "else")
        with pytest.raises(ValueError, match=r"users must overlap .* of 2 users .* knows none"):
            carry_weights(made, path, carry="all", user_ids=ids)

    def test_other_users_than_the_source_was_trained_on_are_refused(self, path: Path):
        made = model(text_tower(TARGET), seed=1, users=2)
        with pytest.raises(DataError, match=r"backbone.table.weight is \(2, 8\); found \(3, 8\)"):
            carry_weights(made, path, carry="all", user_ids=(("a", "b"), ("a", "b")))


def test_chance_is_the_mean_of_every_order():
    ledger = rank_targets(Chance(TARGET), TARGET.test)
    known = [
        len(set(TARGET.test.rows[a:b].tolist()) - {target})
        for a, b, target in zip(
            TARGET.test.starts, TARGET.test.ends, TARGET.test.targets, strict=True
        )
    ]
    candidates = 12 - np.array(known)
    np.testing.assert_allclose(hr(ledger, k=3), np.minimum(3 / candidates, 1))
    gains = np.where(np.arange(12) < 3, 1 / np.log2(np.arange(2, 14)), 0)
    expected = [gains[:number].mean() for number in candidates]
    np.testing.assert_allclose(ndcg(ledger, k=3), expected)
