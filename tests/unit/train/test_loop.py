"""fit(): repeats itself, stops, restores, and finds what there is to find."""

import itertools

import numpy as np
import pytest
import torch

from tcf.data.split import Split, leave_one_out
from tcf.evaluate.ledger import Ledger
from tcf.evaluate.metrics import hr
from tcf.evaluate.ranking import rank_targets
from tcf.model.dssm import DSSM
from tcf.model.popularity import Popularity
from tcf.model.recommender import Recommender
from tcf.model.sasrec import SASRec
from tcf.model.towers import FrozenTextTower, IdTower
from tcf.train import TrainConfig, fit, log_popularity, loop
from tests import worlds

DIM = 16
SPLIT = worlds.block_split()
QUICK = TrainConfig(max_epochs=2, patience=None, batch_size=32, learning_rate=1e-2)


def recommender(name: str, split: Split = SPLIT, *, text: bool = False, seed: int = 0):
    if text:
        vectors = np.random.default_rng(0).normal(size=(split.num_items, 12))
        made = worlds.embeddings(split.catalog, vectors)
        tower = FrozenTextTower(made, split.catalog, dim=DIM)
    else:
        tower = IdTower(split.num_items, dim=DIM)
    backbone = SASRec(dim=DIM) if name == "SASRec" else DSSM(num_users=split.num_users, dim=DIM)
    return Recommender(tower, backbone, seed=seed)


def trained(name: str, *, seed: int, text: bool = False, build: int = 0) -> dict[str, torch.Tensor]:
    model = recommender(name, text=text, seed=build)
    fit(model, SPLIT, QUICK, seed=seed, progress=False)
    return model.state_dict()


def script_validation(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> list[dict]:
    """Make validation read these values, one an epoch; returns the states it was asked about."""
    script, states = iter(values), []

    def rank(model: Recommender, _targets) -> Ledger:
        states.append({name: v.clone() for name, v in model.state_dict().items()})
        return Ledger(np.ones(1, np.int32), np.zeros(1, np.int32))

    monkeypatch.setattr(loop, "rank_targets", rank)
    monkeypatch.setattr(loop, "metric", lambda _ledger, _name: np.array([next(script)]))
    return states


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("name", ["SASRec", "DSSM"])
def test_one_seed_gives_the_same_bytes_and_another_gives_others(name: str, text: bool):
    one, same, other = (trained(name, seed=seed, text=text) for seed in (1, 1, 2))
    for key, value in one.items():
        assert value.equal(same[key]), key
    assert any(not value.equal(other[key]) for key, value in one.items())


@pytest.mark.parametrize("name", ["SASRec", "DSSM"])
def test_no_global_generator_is_read_or_moved(name: str):
    torch.manual_seed(5)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one = trained(name, seed=1)
    assert state.equal(torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002
    torch.manual_seed(6)
    again = trained(name, seed=1)
    assert all(value.equal(again[key]) for key, value in one.items())


@pytest.mark.parametrize("name", ["SASRec", "DSSM"])
def test_an_id_model_finds_the_blocks_and_popularity_does_not(name: str):
    config = TrainConfig(
        max_epochs=12, patience=None, batch_size=16, learning_rate=3e-2, weight_decay=0.01
    )
    model = recommender(name)
    fit(model, SPLIT, config, seed=0, progress=False)
    found = hr(rank_targets(model, SPLIT.test), k=7).mean()
    popular = hr(rank_targets(Popularity(SPLIT), SPLIT.test), k=7).mean()
    assert popular < 0.3  # 7 of the 52 unknown items, near enough
    assert found > 0.8  # 7 items of the user's block are unknown, the target one of them


def test_the_best_state_is_restored_and_not_the_last(monkeypatch: pytest.MonkeyPatch):
    states = script_validation(monkeypatch, [0.1, 0.3, 0.3, 0.2])
    model = recommender("SASRec")
    config = QUICK.model_copy(update={"max_epochs": 4})
    history = fit(model, SPLIT, config, seed=0, progress=False)
    assert history.best_epoch == 2  # a later equal is no better
    assert [epoch.validation for epoch in history.epochs] == [0.1, 0.3, 0.3, 0.2]
    for key, value in model.state_dict().items():
        assert value.equal(states[1][key])
        assert not value.equal(states[3][key])


def test_validation_sees_tables_whose_idle_rows_are_up_to_date(monkeypatch: pytest.MonkeyPatch):
    states = script_validation(monkeypatch, [0.1])
    model = recommender("SASRec")
    unseen = worlds.interactions([[1, 2, 3, 4]])
    split = leave_one_out(SPLIT.catalog, unseen)
    start = model.tower.table.weight[50].detach().clone()
    config = QUICK.model_copy(update={"max_epochs": 1})
    fit(model, split, config, seed=0, progress=False)
    decayed = start * (1 - config.learning_rate * config.weight_decay)
    torch.testing.assert_close(states[0]["tower.table.weight"][50], decayed)


@pytest.mark.parametrize(
    ("values", "max_epochs", "patience", "num_epochs", "at_limit"),
    [
        ([0.5, 0.4, 0.3, 0.2], 9, 3, 4, False),  # three epochs without a better one
        ([0.1, 0.2, 0.3, 0.4], 4, 3, 4, True),  # still rising
        ([0.5, 0.4, 0.3, 0.6, 0.1], 5, 3, 5, True),  # patience starts anew at a better one
        ([0.5, 0.4, 0.3], 3, 2, 3, False),  # both at once: it had stopped improving
        ([0.5, 0.4, 0.3], 3, None, 3, True),
        ([0.0, 0.0], 9, 1, 2, False),  # nothing found at all still keeps the first state
    ],
)
def test_patience_and_the_epoch_limit(
    monkeypatch: pytest.MonkeyPatch,
    values: list[float],
    max_epochs: int,
    patience: int | None,
    num_epochs: int,
    at_limit: bool,
):
    script_validation(monkeypatch, values)
    config = QUICK.model_copy(update={"max_epochs": max_epochs, "patience": patience})
    history = fit(recommender("DSSM"), SPLIT, config, seed=0, progress=False)
    assert len(history.epochs) == num_epochs
    assert history.hit_epoch_limit is at_limit
    assert history.best_epoch == 1 + int(np.argmax(values))


def test_a_loss_that_is_not_finite_stops_the_training():
    model = recommender("SASRec")
    with torch.no_grad():
        model.tower.table.weight[3] = float("nan")
    message = (
        r"^the training loss must stay finite; it became nan at step 1, over users 'u\d+', .* and "
        r"24 more; the largest gradient is that of tower.table.weight, nan: lower learning_rate, or"
        r" set clip_norm$"
    )
    with pytest.raises(ValueError, match=message):
        fit(model, SPLIT, QUICK, seed=0, progress=False)


def test_the_test_part_is_not_looked_at():
    blind = Split(SPLIT.catalog, SPLIT.train, SPLIT.validation, test=None)
    model = recommender("SASRec")
    fit(model, blind, QUICK, seed=1, progress=False)
    expected = trained("SASRec", seed=1)
    assert all(v.equal(expected[k]) for k, v in model.state_dict().items())


def test_weights_that_a_model_does_not_train_stay_as_they_are():
    model = recommender("SASRec", text=True)
    before = model.tower.vectors.clone()
    fit(model, SPLIT, QUICK, seed=0, progress=False)
    assert model.tower.vectors.equal(before)


def test_log_popularity_is_the_share_of_the_training_interactions():
    found = log_popularity(SPLIT)
    counts = np.bincount(SPLIT.train.rows, minlength=SPLIT.num_items + 1)
    taken = counts > 0
    expected = np.log(counts[taken] / SPLIT.train.num_interactions)
    np.testing.assert_allclose(found.numpy()[taken], expected, rtol=1e-6)


def test_the_live_line_changes_no_number(capsys: pytest.CaptureFixture[str]):
    model = recommender("SASRec")
    fit(model, SPLIT, QUICK, seed=1, progress=True)
    expected = trained("SASRec", seed=1)
    assert all(v.equal(expected[k]) for k, v in model.state_dict().items())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "settings",
    [{"max_epochs": 0}, {"patience": -1}, {"learning_rate": 0}, {"batch_sise": 3}],
)
def test_settings_that_make_no_sense_are_refused(settings: dict):
    with pytest.raises(ValueError, match=next(iter(settings))):
        TrainConfig(**settings)


def test_every_seed_of_the_order_is_apart_from_that_of_the_start():
    states = [
        trained("DSSM", seed=seed, build=build) for seed, build in itertools.product((0, 1), (0, 1))
    ]
    tables = [state["tower.table.weight"] for state in states]
    assert not any(a.equal(b) for a, b in itertools.combinations(tables, 2))
