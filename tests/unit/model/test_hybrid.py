"""IDs and text together."""

import numpy as np
import pytest
import torch

from tcf.model.hybrid import HybridTower
from tcf.model.recommender import Recommender
from tcf.model.sasrec import SASRec
from tcf.model.towers import FrozenTextTower, IdTower
from tcf.train import TrainConfig, fit
from tests import worlds

N, E, D = 60, 6, 8
SPLIT = worlds.block_split()
WAYS = ["sum", "concatenation", "gate"]


def text() -> FrozenTextTower:
    vectors = np.random.default_rng(0).normal(size=(N, E))
    return FrozenTextTower(worlds.embeddings(SPLIT.catalog, vectors), SPLIT.catalog, dim=D)


def hybrid(combine: str) -> HybridTower:
    return HybridTower(IdTower(N, dim=D), text(), combine=combine)  # type: ignore[arg-type]


@pytest.mark.parametrize("combine", WAYS)
def test_all_rows_are_each_row(combine: str):
    tower = hybrid(combine)
    Recommender(tower, SASRec(dim=D), seed=0).eval()
    rows = torch.tensor([0, 5, 60, 5])
    torch.testing.assert_close(tower.all()[rows], tower(rows))
    assert tower.all().shape == (N + 1, D)


def test_a_sum_is_the_sum_and_a_concatenation_may_be_one():
    plain, joined = hybrid("sum"), hybrid("concatenation")
    Recommender(plain, SASRec(dim=D), seed=0).eval()
    Recommender(joined, SASRec(dim=D), seed=0).eval()
    assert plain.all().equal(plain.ids.all() + plain.text.all())
    assert joined.mix is not None
    with torch.no_grad():
        joined.mix.weight.copy_(torch.cat([torch.eye(D), torch.eye(D)], dim=1))
    torch.testing.assert_close(joined.all(), plain.all())


def test_a_gate_weighs_between_the_two():
    tower = hybrid("gate")
    Recommender(tower, SASRec(dim=D), seed=0).eval()
    assert tower.mix is not None
    for bias, wanted in [(1e3, tower.ids), (-1e3, tower.text)]:
        with torch.no_grad():
            tower.mix.bias.fill_(bias)
        torch.testing.assert_close(tower.all(), wanted.all())


@pytest.mark.parametrize("loss", ["in_batch_softmax", "full_softmax"])
@pytest.mark.parametrize("combine", WAYS)
def test_a_step_trains_both_sides(combine: str, loss: str):
    tower = hybrid(combine)
    model = Recommender(tower, SASRec(dim=D), seed=0)
    before = {name: p.detach().clone() for name, p in model.tower.named_parameters()}
    assert all(p.any() or name.endswith("bias") for name, p in before.items())
    config = TrainConfig(max_epochs=1, batch_size=32, loss=loss)
    fit(model, SPLIT, config, seed=0, progress=False)
    for name, parameter in model.tower.named_parameters():
        assert not parameter.equal(before[name]), name


def test_towers_must_agree():
    with pytest.raises(ValueError, match="one width and one catalogue; got 4 and 8 wide, 60 and"):
        HybridTower(IdTower(N, dim=4), text())
    with pytest.raises(ValueError, match="59 and 60 items"):
        HybridTower(IdTower(N - 1, dim=D), text())
