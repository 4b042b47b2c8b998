"""Arms, grids and fingerprints."""

import pytest
from pydantic import ValidationError

from tcf.study import config as config_module
from tcf.study.config import Arm, DSSMConfig, RunConfig, SASRecConfig, fingerprint, grid
from tcf.train import TrainConfig

ID, POPULARITY = Arm(name="ID", kind="id"), Arm(name="popularity", kind="popularity")
TEXT = Arm(name="text", kind="model", encoder="some/encoder")
RUN = RunConfig(dataset="d", arm=TEXT, backbone=SASRecConfig())


def key(config: RunConfig = RUN, *, split: str = "s", vectors: str | None = "v") -> str:
    return fingerprint(config, split=split, vectors=vectors)


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "e"},
        {"seed": 1},
        {"dim": 32},
        {"backbone": DSSMConfig()},
        {"backbone": SASRecConfig(dropout=0.2)},
        {"train": TrainConfig(learning_rate=2e-3)},
        {"arm": TEXT.model_copy(update={"layer": 0})},
        {"arm": TEXT.model_copy(update={"family": "f"})},
    ],
    ids=str,
)
def test_the_fingerprint_follows_the_config(change: dict):
    assert key(RUN.model_copy(update=change)) != key()


def test_the_fingerprint_follows_split_vectors_and_numbers(monkeypatch: pytest.MonkeyPatch):
    before = key()
    assert before == key() and len(before) == 64
    assert len({before, key(split="t"), key(vectors="w"), key(vectors=None)}) == 4
    monkeypatch.setattr(config_module, "NUMBERS", config_module.NUMBERS + 1)
    assert key() != before


def test_a_setting_spelt_out_is_the_same_as_its_default():
    assert key(RUN.model_copy(update={"dim": 64, "train": TrainConfig(max_epochs=30)})) == key()


def test_grid_is_every_arm_under_every_backbone_with_every_seed_and_popularity_once():
    sasrec, dssm = SASRecConfig(), DSSMConfig()
    short, long = TrainConfig(max_epochs=1), TrainConfig(max_epochs=2)
    runs = grid(
        dataset="d",
        arms=[ID, TEXT, POPULARITY],
        backbones=[(sasrec, long), (dssm, short)],
        seeds=(0, 7),
        dim=32,
    )
    trained = [r for r in runs if r.arm != POPULARITY]
    cells = {(r.arm.name, r.backbone.name, r.seed) for r in trained}
    assert len(trained) == len(cells) == 8
    assert {s for _, _, s in cells} == {0, 7}
    assert all(r.train == (long if r.backbone == sasrec else short) for r in trained)
    assert all(r.dim == 32 for r in trained)
    (popular,) = [r for r in runs if r.arm == POPULARITY]
    assert popular.backbone is None and popular.seed == 0
    assert popular.name == "d/popularity/seed 0"
    assert runs[0].name == "d/SASRec/ID/seed 0"


def test_two_arms_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"arms need different names; got \['ID', 'ID'\]"):
        grid(dataset="d", arms=[ID, ID], backbones=[])


@pytest.mark.parametrize("kind", ["model", "random", "static"])
def test_an_arm_with_text_needs_an_encoder(kind: str):
    message = f"arm 'x' of kind '{kind}' needs an encoder; got None"
    with pytest.raises(ValidationError, match=message):
        Arm(name="x", kind=kind)


@pytest.mark.parametrize("kind", ["id", "popularity"])
def test_an_arm_without_text_takes_no_encoder(kind: str):
    message = f"arm 'x' of kind '{kind}' takes no encoder; got 'e'"
    with pytest.raises(ValidationError, match=message):
        Arm(name="x", kind=kind, encoder="e")


def test_a_static_arm_hands_on_only_what_was_set_by_hand():
    static = Arm(name="x", kind="static", encoder="tfidf-svd")
    assert static.encoding() == {}
    assert static.model_copy(update={"layer": 2}).encoding() == {"layer": 2}
    assert set(TEXT.encoding()) == {"layer", "pooling", "max_tokens", "prompt", "dtype"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Arm(name="x", kind="magic"), "kind"),
        (lambda: Arm(name="x", kind="id", freeze=1), "freeze"),
        (lambda: SASRecConfig(dropout=1), "dropout"),
        (lambda: SASRecConfig(num_layers=0), "num_layers"),
        (lambda: DSSMConfig(max_history=3), "max_history"),
        (lambda: RUN.model_validate({**RUN.model_dump(), "seed": -1}), "seed"),
        (lambda: RUN.model_validate({**RUN.model_dump(), "backbone": {"name": "GRU"}}), "GRU"),
    ],
)
def test_values_outside_their_range_and_unknown_keys_are_refused(make, message: str):
    with pytest.raises(ValidationError, match=message):
        make()


def test_configs_cannot_be_changed_and_come_back_from_their_json():
    with pytest.raises(ValidationError, match="frozen"):
        RUN.dim = 3
    assert RunConfig.model_validate(RUN.model_dump(mode="json")) == RUN
