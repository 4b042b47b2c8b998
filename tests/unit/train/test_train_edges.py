"""Data and settings at the edge: they train and rank, or say what is wrong."""

import numpy as np
import pytest

from tcf.data.split import Split, leave_one_out
from tcf.evaluate.ranking import rank_targets
from tcf.model.losses import LOSSES
from tcf.train import TrainConfig, fit
from tests import worlds
from tests.unit.train.test_checkpoint import SPLIT, recommender

CONFIG = TrainConfig(max_epochs=2, patience=None, batch_size=16, learning_rate=1e-2)


def one_item() -> Split:
    return leave_one_out(worlds.catalog(1), worlds.interactions([[1, 1, 1, 1], [1, 1, 1, 1, 1]]))


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("arm", ["ID", "text", "DSSM"])
def test_a_catalogue_of_one_item_trains_and_ranks(arm: str, loss: str):
    split = one_item()
    model = recommender(arm, split=split)
    config = CONFIG.model_copy(update={"loss": loss})
    history = fit(model, split, config, seed=0, progress=False)
    assert np.isfinite([epoch.loss for epoch in history.epochs]).all()
    assert [epoch.validation for epoch in history.epochs] == [1, 1]
    ledger = rank_targets(model, split.test)
    assert ledger.rank.tolist() == [1, 1] and ledger.ties.tolist() == [0, 0]


@pytest.mark.parametrize("arm", ["ID", "text", "DSSM"])
def test_a_batch_larger_than_the_users_is_one_batch(arm: str):
    states = []
    for size in (420, 100_000):
        model = recommender(arm)
        config = CONFIG.model_copy(update={"batch_size": size})
        fit(model, SPLIT, config, seed=0, progress=False)
        states.append(model.state_dict())
    assert SPLIT.num_users < SPLIT.train.num_interactions == 420
    for name, value in states[0].items():
        assert value.equal(states[1][name])


def test_a_monitor_that_is_no_metric_is_refused():
    with pytest.raises(ValueError, match="accuracy@10"):
        TrainConfig(monitor="accuracy@10")
