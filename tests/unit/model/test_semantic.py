"""Semantic IDs: items of like text have parts of their vectors in common."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tcf.errors import DataError
from tcf.model.recommender import Recommender
from tcf.model.sasrec import SASRec
from tcf.model.semantic import SemanticIdTower
from tcf.train import TrainConfig, fit
from tests import worlds

SPLIT = worlds.block_split()
N, E, D = SPLIT.num_items, 6, 8
RNG = np.random.default_rng(0)
VECTORS = 10 * RNG.normal(size=(4, E))[np.arange(N) // 15] + RNG.normal(size=(N, E))
VECTORS[1] = VECTORS[0]  # the same text
ROWS = torch.arange(N + 1)


def tower(*, vectors: np.ndarray = VECTORS, **settings) -> SemanticIdTower:
    items = worlds.embeddings(SPLIT.catalog, vectors)
    settings = {"num_levels": 3, "num_codes": 4, "fit_on": np.arange(1, N + 1)} | settings
    return SemanticIdTower(items, SPLIT.catalog, dim=D, **settings)


def model(**settings) -> Recommender:
    return Recommender(tower(**settings), SASRec(dim=D), seed=0)


@pytest.mark.parametrize("prefixes", [False, True])
def test_a_vector_is_the_sum_over_the_codes(prefixes: bool):
    made = model(prefixes=prefixes).tower
    table = made.table.weight
    wanted = torch.stack([table[made.tokens[row]].sum(0) for row in ROWS])
    torch.testing.assert_close(made(ROWS), wanted)
    torch.testing.assert_close(made.all(), wanted)
    assert made(torch.tensor([5, 5, 0])).shape == (3, D)


def test_tokens_of_levels_are_apart_and_padding_has_its_own():
    made = tower()
    assert made.table.weight.shape == (1 + 3 * 4, D)
    assert not made.tokens[0].any()
    levels = (made.tokens[1:] - 1) // 4
    assert levels.equal(torch.arange(3).expand(N, 3))


def test_prefixes_are_numbered_by_all_codes_before():
    plain, made = tower().tokens[1:], tower(prefixes=True).tokens[1:]
    assert (
        made.min() == 1
        and len(made.unique()) == made.max() == tower(prefixes=True).table.weight.shape[0] - 1
    )
    for level in range(3):
        before = torch.unique(plain[:, : level + 1], dim=0, return_inverse=True)[1]
        assert (before[:, None] == before).equal(made[:, level, None] == made[:, level])


def test_items_of_one_text_have_one_vector_and_are_counted():
    made = model(num_levels=4, num_codes=15).tower
    assert made(torch.tensor([1])).equal(made(torch.tensor([2])))
    different = len(made.tokens[1:].unique(dim=0))
    assert 2 <= made.num_sharing <= 2 * (N - different)


def test_codes_are_fitted_on_the_rows_named():
    """The released code's mistake 3, by one: rows are from 1 on, vectors from 0."""
    moved = VECTORS.copy()
    moved[-1] += 1000
    fit_on = np.arange(1, N)
    assert tower(fit_on=fit_on).tokens[:-1].equal(tower(vectors=moved, fit_on=fit_on).tokens[:-1])


def test_codes_are_saved_with_the_weights(tmp_path: Path):
    made, path = model(), tmp_path / "weights.safetensors"
    made.save(path)
    other = model()
    other.tower.tokens.zero_()
    other.load_weights(path)
    assert other.tower.tokens.equal(made.tower.tokens)
    with pytest.raises(DataError, match=r"whose tower is SemanticIdTower\(.*prefixes=True, seed=0"):
        model(prefixes=True).load_weights(path)


@pytest.mark.parametrize("loss", ["in_batch_softmax", "full_softmax"])
def test_a_step_trains_the_codes(loss: str):
    made = model()
    before = made.tower.table.weight.detach().clone()
    config = TrainConfig(max_epochs=1, batch_size=32, loss=loss)
    fit(made, SPLIT, config, seed=0, progress=False)
    used = made.tower.tokens[1:].unique()
    assert not (before[used] == made.tower.table.weight[used]).all(1).any()
