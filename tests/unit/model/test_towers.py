"""Towers: one learned vector an item, or a projection of its text's."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tcf.errors import DataError
from tcf.model.recommender import Recommender
from tcf.model.sasrec import SASRec
from tcf.model.towers import FrozenTextTower, IdTower
from tests import worlds

N, E, D = 11, 6, 4


def text_vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, E))


def test_an_id_tower_and_a_linear_text_tower_over_one_hot_vectors_agree():
    split = worlds.random_split(num_users=20, num_items=N, seed=0)
    one_hot = worlds.embeddings(split.catalog, np.eye(N))
    tower = FrozenTextTower(one_hot, split.catalog, dim=D, num_layers=1, activation=False)
    text = Recommender(tower, SASRec(dim=D), seed=0).double().eval()
    ids = Recommender(IdTower(N, dim=D), SASRec(dim=D), seed=1).double().eval()
    ids.backbone.load_state_dict(text.backbone.state_dict())
    with torch.no_grad():
        ids.tower.table.weight[0] = 0  # the text tower's padding row: zeros and a zero bias
        ids.tower.table.weight[1:] = text.tower.projector[0].weight.t()
    assert text.tower(torch.arange(N + 1)).equal(ids.tower(torch.arange(N + 1)))
    users, items = text.score_vectors(split.test)
    same_users, same_items = ids.score_vectors(split.test)
    assert users.equal(same_users) and items.equal(same_items)


def test_vectors_are_joined_by_item_id_whatever_their_order():
    """The released code's mistake 3: there they were joined by position, and shifted by one."""
    items = worlds.catalog(N)
    made = worlds.embeddings(items, text_vectors())
    order = np.random.default_rng(1).permutation(N)
    shuffled = replace(
        made, item_ids=tuple(made.item_ids[i] for i in order), vectors=made.vectors[order]
    )
    straight, joined = (FrozenTextTower(e, items, dim=D) for e in (made, shuffled))
    assert joined.vectors.equal(straight.vectors)
    assert joined.vectors[3].equal(torch.from_numpy(made.vectors[2]))
    assert not joined.vectors[0].any()


def test_vectors_of_other_items_stop_the_run():
    """The released code's mistake 3: it went on."""
    items = worlds.catalog(N)
    made = worlds.embeddings(items, text_vectors())
    fewer = replace(made, item_ids=made.item_ids[1:], vectors=made.vectors[1:])
    with pytest.raises(DataError, match=r"1 items of the catalogue have no vector \('i1'\)"):
        FrozenTextTower(fewer, items, dim=D)
    with pytest.raises(DataError, match=r"1 vectors belong to no item of the catalogue \('i11'\)"):
        FrozenTextTower(made, worlds.catalog(N - 1), dim=D)
    with pytest.raises(DataError, match=r"10 items of the catalogue have no vector"):
        shifted = tuple(f"{name}x" for name in made.item_ids[:-1])
        FrozenTextTower(replace(made, item_ids=(*shifted, "i11")), items, dim=D)


def test_a_projector_needs_a_layer():
    items = worlds.catalog(N)
    with pytest.raises(ValueError, match="a projector needs num_layers of at least 1; got 0"):
        FrozenTextTower(worlds.embeddings(items, text_vectors()), items, dim=D, num_layers=0)


def test_frozen_vectors_are_no_parameters_and_are_not_saved():
    items = worlds.catalog(N)
    tower = FrozenTextTower(worlds.embeddings(items, text_vectors()), items, dim=D)
    assert sum(p.numel() for p in tower.parameters()) == E * D + D + D * D + D
    assert "vectors" not in tower.state_dict()
    assert tower(torch.tensor([5, 5, 1])).shape == (3, D)


def test_an_id_tower_has_a_row_for_padding():
    tower = IdTower(N, dim=D)
    assert tower.table.weight.shape == (N + 1, D)
    assert tower(torch.tensor([N])).shape == (1, D)
