"""The optimiser: groups of rates, what decays, the schedule, and clipping."""

import numpy as np
import pytest
import torch

from tcf.data.batches import sequence_batches
from tcf.data.columns import BatchColumns, CatalogColumns
from tcf.model import DSSM, LOSSES, FrozenTextTower, IdTower, Recommender, SASRec
from tcf.train.config import TrainConfig
from tcf.train.examples import log_popularity, loss_of, num_batches, training_batches
from tcf.train.optimizer import Optimizer, group_of, learning_rate_factor, parameter_groups
from tests import worlds

SPLIT = worlds.random_split(num_users=20, num_items=30, seed=0)
VECTORS = np.random.default_rng(0).normal(size=(30, 12))


def model(*, text: bool = False, **settings) -> Recommender:
    if text:
        made = worlds.embeddings(SPLIT.catalog, VECTORS)
        tower = FrozenTextTower(made, SPLIT.catalog, dim=8)
    else:
        tower = IdTower(30, dim=8)
    return Recommender(tower, SASRec(dim=8, dropout=0.0), seed=0, **settings)


def step(recommender: Recommender, config: TrainConfig) -> tuple[Optimizer, float]:
    """Run a batch backwards; the step itself is left to the test."""
    loss = loss_of(config)
    optimizer = Optimizer(recommender, config, loss=loss, num_batches=5)
    rng = np.random.default_rng(0)
    batch = next(iter(training_batches(recommender, SPLIT, config, rng, loss=loss)))
    optimizer.refresh(batch)
    value = recommender.loss(batch, log_popularity=log_popularity(SPLIT), loss=loss)
    value.backward()
    return optimizer, float(value.detach())


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("tower.table.weight", "recommender"),
        ("tower.projector.0.weight", "projector"),
        ("tower.encoder.layers.3.fc1.weight", "encoder"),
        ("tower.text.encoder.encoder.layer.0.bias", "encoder"),
        ("tower.text.projector.0.bias", "projector"),
        ("backbone.encoder.weight", "recommender"),
        ("log_scale", "recommender"),
    ],
)
def test_a_parameter_belongs_to_a_group_by_its_place(name: str, group: str):
    assert group_of(name) == group


def test_projector_and_recommender_have_their_own_rates():
    config = TrainConfig(learning_rate=0.1, projector_learning_rate=0.02)
    recommender = model(text=True)
    groups = {group["lr"]: group["params"] for group in parameter_groups(recommender, config)}
    assert set(groups) == {0.1, 0.02}
    assert {id(p) for p in groups[0.02]} == {id(p) for p in recommender.tower.parameters()}
    assert sum(map(len, groups.values())) == len(list(recommender.parameters()))


def test_biases_and_norms_decay_only_where_the_study_has_it():
    recommender = model(text=True, learn_temperature=True)
    (everything,) = parameter_groups(recommender, TrainConfig())
    assert everything["weight_decay"] == 0.1
    groups = parameter_groups(recommender, TrainConfig(decay_all=False))
    spared = {id(p) for g in groups if g["weight_decay"] == 0 for p in g["params"]}
    names = {n for n, p in recommender.named_parameters() if id(p) in spared}
    assert names == {n for n, p in recommender.named_parameters() if p.ndim < 2}
    assert "log_scale" in names and "backbone.norm.weight" in names


def test_the_schedule_warms_up_and_falls_as_a_cosine():
    config = TrainConfig(max_epochs=4, warmup_epochs=0.5, schedule="cosine")
    factors = [learning_rate_factor(s, config, num_batches=10) for s in range(41)]
    assert factors[:5] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6])
    assert factors[5] == 1 and factors[40] == pytest.approx(0)
    assert factors[5:] == sorted(factors[5:], reverse=True)
    assert learning_rate_factor(22, config, num_batches=10) == pytest.approx(
        0.5 * (1 + np.cos(np.pi * 17 / 35))
    )
    constant = TrainConfig(max_epochs=4)
    assert {learning_rate_factor(s, constant, num_batches=10) for s in range(40)} == {1.0}


@pytest.mark.parametrize("text", [False, True])
def test_the_schedule_reaches_tables_and_the_rest(text: bool):
    config = TrainConfig(warmup_epochs=1, weight_decay=0, batch_size=64)
    slow, fast = model(text=text), model(text=text)
    for recommender, used in ((slow, config), (fast, TrainConfig(weight_decay=0))):
        optimizer, _ = step(recommender, used)
        optimizer.step()
        optimizer.rows.flush()
    start = model(text=text).state_dict()
    for name, value in fast.state_dict().items():
        moved, expected = slow.state_dict()[name] - start[name], (value - start[name]) / 6
        torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("loss", ["in_batch_softmax", "full_softmax"])
def test_clipping_scales_all_gradients_to_the_longest_allowed(loss: str):
    config = TrainConfig(clip_norm=1e-3, loss=loss)
    recommender = model()
    optimizer, _ = step(recommender, config)
    before = torch.cat([g.flatten().clone() for g in optimizer.gradients().values()])
    optimizer._clip(1e-3)
    after = torch.cat([g.flatten() for g in optimizer.gradients().values()])
    assert before.norm() > 1e-2
    torch.testing.assert_close(after.norm(), torch.tensor(1e-3), rtol=1e-2, atol=0)
    torch.testing.assert_close(after, before * (1e-3 / before.norm()), rtol=1e-2, atol=1e-9)
    optimizer._clip(1.0)  # short enough: as it was
    assert torch.cat([g.flatten() for g in optimizer.gradients().values()]).equal(after)


def test_a_loss_over_the_catalogue_updates_the_whole_table_and_users_by_rows():
    recommender = Recommender(IdTower(30, dim=8), DSSM(num_users=20, dim=8), seed=0)
    optimizer, _ = step(recommender, TrainConfig(loss="full_softmax"))
    assert optimizer.rows.tables == [recommender.backbone.table]
    before = recommender.tower.table.weight.detach().clone()
    optimizer.step()
    assert ((recommender.tower.table.weight != before).any(1)).all()
    both, _ = step(recommender, TrainConfig())
    assert len(both.rows.tables) == 2 and both.dense is None


def test_batches_are_counted_as_they_come():
    for recommender in (
        model(),
        Recommender(IdTower(30, dim=8), DSSM(num_users=20, dim=8), seed=0),
    ):
        config = TrainConfig(batch_size=7)
        rng = np.random.default_rng(0)
        made = training_batches(recommender, SPLIT, config, rng, loss=LOSSES["bce"])
        assert len(list(made)) == num_batches(recommender, SPLIT, config)


def test_the_number_of_negatives_changes_no_order():
    def users(**settings) -> list[list[int]]:
        config, rng = TrainConfig(batch_size=7, **settings), np.random.default_rng(0)
        made = training_batches(model(), SPLIT, config, rng, loss=loss_of(config))
        return [batch.users.tolist() for batch in made]

    plain = users()
    assert users(loss="sampled_softmax", num_negatives=3) == plain
    assert users(loss="sampled_softmax", num_negatives=5) == plain
    assert users(loss="full_softmax") == plain


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "full_sofmax"}, "full_softmax"),
        (
            {"num_negatives": 4},
            "num_negatives is for losses that draw them; 'in_batch_softmax' draws none, got 4",
        ),
    ],
)
def test_a_loss_that_is_not_there_or_draws_nothing_is_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        loss_of(TrainConfig(**settings))


def test_a_monitor_that_is_no_metric_is_refused_before_training():
    with pytest.raises(ValueError, match="a metric is one of hr, mrr, ndcg and a cut-off"):
        TrainConfig(monitor="accuracy")


def test_a_whole_catalogue_batch_and_the_batchs_own_agree_on_what_they_read():
    """The same histories, by column of the batch and by row of the catalogue."""
    settings = {"max_history": 20, "batch_size": 99}
    own, whole = (
        next(
            sequence_batches(SPLIT.train, rng=np.random.default_rng(0), columns=columns, **settings)
        )
        for columns in (BatchColumns(30), CatalogColumns())
    )
    assert own.rows is not None and whole.rows is None
    assert own.rows[own.targets].equal(whole.targets)
    assert own.rows[own.history][own.mask].equal(whole.history[whole.mask])
    recommender = model().eval()
    vectors = [recommender.tower(own.rows), recommender.tower.all()]
    found = [
        recommender.backbone(batch.users, table, batch.history, batch.mask)
        for batch, table in zip((own, whole), vectors, strict=True)
    ]
    torch.testing.assert_close(*found)
