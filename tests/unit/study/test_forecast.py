"""A forecast against counts that can be made by hand."""

from dataclasses import replace

import pytest

from tcf.data import Counts
from tcf.errors import EncoderError
from tcf.study import (
    AlignmentConfig,
    Arm,
    DSSMConfig,
    LightGCNConfig,
    SASRecConfig,
    SemanticIdsConfig,
    Study,
    TextUsersConfig,
    TunedConfig,
    UserText,
    grid,
)
from tcf.study.forecast import CellForecast, forecast
from tcf.train import TrainConfig
from tests import tiny_models

COUNTS = Counts(users=500, items=300, interactions=5_000)


def cells_of(*arms: Arm, backbone=None, counts: Counts = COUNTS, **train) -> list[CellForecast]:
    settings = TrainConfig(max_epochs=2, batch_size=32, **train)
    runs = grid(
        dataset="made", arms=arms, backbones=[(backbone or SASRecConfig(), settings)], dim=16
    )
    return forecast(Study(name="made", load=lambda _: None, runs=runs), counts)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_models.tiny_bert(tmp_path_factory.mktemp("encoder")))


def test_vectors_and_states_on_disk(encoder: str):
    arm = Arm(name="frozen", kind="model", encoder=encoder, max_tokens=10)
    tuned = Arm(
        name="tuned",
        kind="model",
        encoder=encoder,
        max_tokens=10,
        tuned=TunedConfig(num_tuned_layers=1),
    )
    frozen, states = cells_of(arm, tuned)
    assert frozen.disk_bytes == 300 * tiny_models.WIDTH * 4
    assert states.disk_bytes == 300 * 10 * tiny_models.WIDTH * 2
    assert frozen.download_bytes == states.download_bytes == 0  # the weights are here
    assert states.train_flops > frozen.train_flops
    assert frozen.reading != states.reading


def test_users_that_are_texts_are_encoded_and_kept_as_well(encoder: str):
    text = Arm(name="text", kind="model", encoder=encoder, max_tokens=10)
    users = text.model_copy(update={"name": "users", "user_text": UserText(max_tokens=40)})
    (items,) = cells_of(text)
    (both,) = cells_of(users, backbone=TextUsersConfig())
    assert both.disk_bytes - items.disk_bytes == 3 * 500 * tiny_models.WIDTH * 4
    assert both.reading != items.reading
    assert both.train_flops > 0


def test_what_needs_no_encoder_encodes_nothing():
    by_id, popularity = cells_of(
        Arm(name="ID", kind="id"), Arm(name="popularity", kind="popularity")
    )
    assert (by_id.num_runs, popularity.num_runs) == (3, 1)
    assert by_id.encode_seconds == popularity.encode_seconds == popularity.train_seconds == 0
    assert by_id.peak_bytes > 300 * 16 * 16  # weights, gradients and two moments


def test_a_share_trains_on_so_much_less_and_zero_shot_ranks_once():
    text = Arm(name="n-grams", kind="static", encoder="hashed-ngrams")
    arms = text, text.with_share(0.5), text.transferred("A", share=0)
    whole, part, zero = (cell.train_flops for cell in cells_of(*arms))
    ranking = zero / 3  # a seed
    epochs = 3 * 2
    assert part - epochs * ranking == pytest.approx((whole - epochs * ranking) / 2)
    assert 0 < ranking < whole / epochs


def test_steps_along_the_graph_are_counted_over_all_users():
    arm = Arm(name="ID", kind="id")
    (one,) = cells_of(arm, backbone=LightGCNConfig(num_layers=1), loss="bpr")
    (three,) = cells_of(arm, backbone=LightGCNConfig(num_layers=3), loss="bpr")
    # users have 10 interactions: 8 edges each, there and back, forward and backward, width 16
    products = 2 * 2 * 2 * 500 * 8 * 16
    batches = 2 * 3 * 4_000 / 32  # of 2 epochs and 3 seeds
    assert three.train_flops - one.train_flops == pytest.approx(2 * products * batches, rel=0.01)


@pytest.mark.parametrize("backbone", [SASRecConfig(), DSSMConfig()])
def test_twice_the_users_are_twice_the_work(backbone):
    twice = Counts(users=1_000, items=300, interactions=10_000)
    (here,) = cells_of(Arm(name="ID", kind="id"), backbone=backbone)
    (there,) = cells_of(Arm(name="ID", kind="id"), backbone=backbone, counts=twice)
    assert there.train_flops == pytest.approx(2 * here.train_flops, rel=0.05)  # whole batches


def test_a_loss_over_the_catalogue_grows_with_it():
    larger = replace(COUNTS, items=300_000)
    growth = {}
    for loss in ("full_softmax", "in_batch_softmax"):
        (here,) = cells_of(Arm(name="ID", kind="id"), loss=loss)
        (there,) = cells_of(Arm(name="ID", kind="id"), loss=loss, counts=larger)
        growth[loss] = there.train_flops - here.train_flops
    ranking = 2 * 500 * (300_000 - 300) * 16
    assert growth["in_batch_softmax"] == pytest.approx(6 * ranking, rel=0.01)  # 2 epochs of 3 runs
    slots = 5_000 - 2 * 500  # an upper bound: a user's first item is no target
    scoring = 6 * slots * (300_000 - 300) * 16
    assert growth["full_softmax"] == pytest.approx(6 * (ranking + scoring), rel=0.05)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (Counts(users=5, items=3), "needs users, items and interactions; got 5 users, 3 items"),
        (Counts(5, 3, 20), "needs 5 interactions a user or more; got 5 users"),
    ],
)
def test_counts_that_tell_too_little(counts: Counts, message: str):
    with pytest.raises(ValueError, match=message):
        cells_of(Arm(name="ID", kind="id"), counts=counts)


def test_arms_with_codes_or_an_auxiliary_loss_are_planned(encoder: str):
    text = {"kind": "model", "encoder": encoder, "max_tokens": 10}
    aligned = Arm(name="aligned", with_ids="alignment", auxiliary=AlignmentConfig(), **text)
    codes = Arm(name="codes", semantic_ids=SemanticIdsConfig(), **text)
    by_id, plain, *planned = cells_of(
        Arm(name="ID", kind="id"), Arm(name="frozen", **text), aligned, codes
    )
    assert all(cell.disk_bytes == plain.disk_bytes for cell in planned)
    assert planned[0].train_flops > by_id.train_flops
    assert planned[0].peak_bytes > by_id.peak_bytes


def test_encoders_that_a_study_makes_itself_are_not_planned():
    runs = grid(
        dataset="made",
        arms=[Arm(name="own", kind="model", encoder="mine")],
        backbones=[(SASRecConfig(), TrainConfig())],
    )
    study = Study(name="made", load=lambda _: None, runs=runs, encoders=lambda *_: {})  # type: ignore[arg-type]
    with pytest.raises(EncoderError, match="finds encoders itself, by the names mine"):
        forecast(study, COUNTS)
