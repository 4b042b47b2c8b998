"""Drawn negatives by rows of the batch and over the whole catalogue are one training."""

import numpy as np
import pytest
import torch

from tcf.model import LOSSES, FrozenTextTower, IdTower, Recommender, SASRec
from tcf.train import TrainConfig, examples, log_popularity, training_batches
from tcf.train.examples import reads_catalog
from tcf.train.optimizer import Optimizer
from tests import worlds

SPLIT = worlds.random_split(num_users=40, num_items=60, seed=0)
LOSS = LOSSES["sampled_softmax"]
CONFIG = TrainConfig(batch_size=8, loss="sampled_softmax", num_negatives=3)


def recommender(*, text: bool = False) -> Recommender:
    tower = IdTower(SPLIT.num_items, dim=8)
    if text:
        vectors = np.random.default_rng(0).normal(size=(SPLIT.num_items, 12))
        tower = FrozenTextTower(worlds.embeddings(SPLIT.catalog, vectors), SPLIT.catalog, dim=8)
    return Recommender(tower, SASRec(dim=8, dropout=0.0), seed=0).double()


def trained(monkeypatch: pytest.MonkeyPatch, *, whole: bool) -> tuple[list[float], Recommender]:
    """An epoch's losses and the model, with the whole table read or the batch's rows."""
    monkeypatch.setattr(examples, "_WHOLE_FROM", 0.0 if whole else np.inf)
    model = recommender()
    assert reads_catalog(model, CONFIG, loss=LOSS) is whole
    optimizer = Optimizer(model, CONFIG, loss=LOSS, num_batches=5)
    assert len(optimizer.rows.tables) == (0 if whole else 1)
    log_shares, losses = log_popularity(SPLIT), []
    for batch in training_batches(model, SPLIT, CONFIG, np.random.default_rng(0), loss=LOSS):
        optimizer.refresh(batch)
        value = model.loss(batch, log_popularity=log_shares, loss=LOSS)
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
    optimizer.rows.flush()
    return losses, model


def test_reading_the_whole_table_changes_no_loss_and_no_weight(monkeypatch: pytest.MonkeyPatch):
    losses, model = trained(monkeypatch, whole=True)
    expected_losses, expected = trained(monkeypatch, whole=False)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-7)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=1e-6)


def test_negatives_are_the_same_rows_either_way(monkeypatch: pytest.MonkeyPatch):
    drawn = []
    for share in (0.0, np.inf):
        monkeypatch.setattr(examples, "_WHOLE_FROM", share)
        rng = np.random.default_rng(3)
        batches = training_batches(recommender(), SPLIT, CONFIG, rng, loss=LOSS)
        drawn.append([b.negatives if b.rows is None else b.rows[b.negatives] for b in batches])
    assert all(one.equal(other) for one, other in zip(*drawn, strict=True))


@pytest.mark.parametrize("num_negatives", [1, 2, 40])
def test_no_item_of_the_user_is_ever_drawn(num_negatives: int):
    config = CONFIG.model_copy(update={"num_negatives": num_negatives})
    rng = np.random.default_rng(0)
    for batch in training_batches(recommender(), SPLIT, config, rng, loss=LOSS):
        negatives = batch.negatives if batch.rows is None else batch.rows[batch.negatives]
        for owner, row in zip(batch.owners.tolist(), negatives.tolist(), strict=True):
            user = int(batch.users[owner])
            start, end = SPLIT.train.offsets[user : user + 2]
            assert not set(row) & set(SPLIT.train.rows[start:end].tolist())
            assert min(row) >= 1 and max(row) <= SPLIT.num_items


def test_many_draws_read_the_whole_table_of_a_tower_that_has_one():
    few = CONFIG.model_copy(update={"batch_size": 1, "num_negatives": 7})  # 7 * 8 < 60
    assert not reads_catalog(recommender(), few, loss=LOSS)
    assert reads_catalog(recommender(), CONFIG, loss=LOSS)
    assert not reads_catalog(recommender(text=True), CONFIG, loss=LOSS)
    for name, whole in (("full_softmax", True), ("in_batch_softmax", False)):
        assert reads_catalog(recommender(text=True), CONFIG, loss=LOSSES[name]) is whole
