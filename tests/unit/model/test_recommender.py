"""Recommender: what is drawn and from where, what stays, what it counts."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tcf.model.backbone import Backbone
from tcf.model.backbones import BACKBONES
from tcf.model.popularity import Popularity
from tcf.model.recommender import Recommender
from tcf.model.towers import FrozenTextTower, IdTower
from tests import worlds

N, E, D, U = 30, 48, 8, 20
SPLIT = worlds.random_split(num_users=U, num_items=N, seed=0)
VECTORS = np.random.default_rng(0).normal(size=(N, E))


def text_tower(dim: int = D) -> FrozenTextTower:
    return FrozenTextTower(worlds.embeddings(SPLIT.catalog, VECTORS), SPLIT.catalog, dim=dim)


def backbone(name: str, dim: int = D) -> Backbone:
    settings: dict[str, Any] = {
        "DSSM": {"num_layers": 1},
        "TextUsers": {"users": worlds.user_vectors(SPLIT)},
    }
    return BACKBONES[name](dim=dim, **settings.get(name, {}), **BACKBONES[name].of_split(SPLIT))


@pytest.mark.parametrize("name", sorted(BACKBONES))
@pytest.mark.parametrize("text", [False, True])
def test_building_draws_from_its_seed_and_touches_no_global_generator(name: str, text: bool):
    def make(seed: int) -> Recommender:
        return Recommender(text_tower() if text else IdTower(N, dim=D), backbone(name), seed=seed)

    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, same, other = make(3), make(3), make(4)
    assert torch_state.equal(torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002
    for key, value in one.state_dict().items():
        assert value.equal(same.state_dict()[key])
    drawn = [k for k, v in one.state_dict().items() if not v.equal(other.state_dict()[k])]
    assert drawn == [k for k, v in one.named_parameters() if v.ndim == 2]


def test_new_weights_follow_xaviers_normal_and_biases_are_zero():
    model = Recommender(text_tower(64), backbone("SASRec", 64), seed=0)
    for layer in model.modules():
        if isinstance(layer, (nn.Linear, nn.Embedding)):
            expected = (2 / sum(layer.weight.shape)) ** 0.5
            error = 5 / (2 * layer.weight.numel()) ** 0.5  # five standard errors of a deviation
            assert float(layer.weight.detach().std()) == pytest.approx(expected, rel=error)
        if isinstance(layer, nn.Linear) and layer.bias is not None:
            assert not layer.bias.any()
        if isinstance(layer, nn.LayerNorm):
            assert (layer.weight == 1).all() and not layer.bias.any() and layer.eps == 1e-6


def test_frozen_vectors_keep_their_bytes():
    model = Recommender(text_tower(), backbone("SASRec"), seed=0)
    np.testing.assert_array_equal(model.tower.vectors[1:].numpy(), VECTORS.astype(np.float32))


def test_widths_must_agree():
    with pytest.raises(ValueError, match="tower and backbone need one width; got 4 and 8"):
        Recommender(IdTower(N, dim=4), backbone("SASRec"), seed=0)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_groups_of_parameters_sum_to_all_of_them(name: str):
    model = Recommender(IdTower(N, dim=D), backbone(name), seed=0)
    counted = model.num_parameters()
    assert counted["tower"] == (N + 1) * D
    assert counted["frozen"] == 0
    assert sum(counted.values()) == sum(p.numel() for p in model.parameters())
    model.tower.table.weight.requires_grad_(False)
    assert model.num_parameters() == {**counted, "tower": 0, "frozen": (N + 1) * D}


def test_score_vectors_do_not_depend_on_the_batch_size():
    model = Recommender(IdTower(N, dim=D), backbone("SASRec"), seed=0).double().eval()
    users, items = model.score_vectors(SPLIT.test)
    assert users.shape == (U, D) and items.shape == (N, D)
    few, same_items = model.score_vectors(SPLIT.test, batch_size=3)
    torch.testing.assert_close(few, users, rtol=0, atol=1e-12)
    assert same_items.equal(items)


def test_popularity_scores_by_training_interactions():
    users, items = Popularity(SPLIT).score_vectors(SPLIT.test)
    assert (users == 1).all() and users.shape == (U, 1)
    counts = np.bincount(SPLIT.train.rows, minlength=N + 1)[1:]
    np.testing.assert_array_equal(items[:, 0].numpy(), counts)
