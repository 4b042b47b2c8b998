"""Arms, grids and fingerprints."""

import pytest
from pydantic import ValidationError

from tcf.encode.transform import Whitening
from tcf.study import config as config_module
from tcf.study.arms import Arm
from tcf.study.backbones import (
    BERT4RecConfig,
    DSSMConfig,
    GRU4RecConfig,
    MeanHistoryConfig,
    NextItNetConfig,
    SASRecConfig,
)
from tcf.study.config import RunConfig, fingerprint, grid
from tcf.train import TrainConfig

ID, POPULARITY = Arm(name="ID", kind="id"), Arm(name="popularity", kind="popularity")
TRANSITIONS = Arm(name="transitions", kind="transitions")
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
        {"backbone": SASRecConfig(norm="pre")},
        {"backbone": GRU4RecConfig()},
        {"backbone": NextItNetConfig(dilations=(1, 2))},
        {"backbone": BERT4RecConfig(hidden_share=0.5)},
        {"backbone": MeanHistoryConfig()},
        {"arm": TEXT.nearest()},
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


def test_what_is_newer_than_the_first_records_leaves_their_fingerprints_alone():
    assert "norm" not in SASRecConfig(norm="post").model_dump(mode="json")
    assert SASRecConfig(norm="pre").model_dump(mode="json")["norm"] == "pre"
    assert "encoder_kind" not in TEXT.model_dump(mode="json")
    assert TEXT.nearest().model_dump(mode="json")["encoder_kind"] == "model"


def test_what_is_not_trained_runs_once_without_a_backbone():
    arms = [TEXT, TEXT.nearest(), TRANSITIONS, POPULARITY]
    runs = grid(dataset="d", arms=arms, backbones=[(SASRecConfig(), TrainConfig())])
    assert [r.name for r in runs if r.backbone is None] == [
        "d/text, nearest/seed 0",
        "d/transitions/seed 0",
        "d/popularity/seed 0",
    ]
    assert sum(r.backbone is not None for r in runs) == 3


def test_an_arm_that_is_trained_needs_a_backbone_and_no_other_takes_one():
    with pytest.raises(ValidationError, match="arm 'ID' of kind 'id' needs a backbone; got None"):
        RunConfig(dataset="d", arm=ID, backbone=None)
    for arm in (POPULARITY, TRANSITIONS, TEXT.nearest()):
        message = f"arm '{arm.name}' of kind '{arm.kind}' takes no backbone; got SASRecConfig"
        with pytest.raises(ValidationError, match=message):
            RunConfig(dataset="d", arm=arm, backbone=SASRecConfig())


def test_the_nearest_arm_reads_its_text_as_the_arm_it_comes_from():
    static = Arm(name="s", kind="static", encoder="tfidf-svd", family="f")
    white = Arm(name="w", kind="random", encoder="e", layer=2, transforms=(Whitening(),))
    for arm in (TEXT.model_copy(update={"max_tokens": 9}), static, white):
        near = arm.nearest()
        assert near.encoding() == arm.encoding() and near.encoder == arm.encoder
        assert (near.kind, near.encoder_kind) == ("nearest", arm.kind)
        assert near.family == arm.family and near.transforms == arm.transforms
        assert Arm.model_validate(near.model_dump(mode="json")) == near


def test_only_nearest_arms_say_what_kind_their_encoder_is():
    message = "encoder_kind is for arms of kind 'nearest', which need it; arm 'x' of kind "
    with pytest.raises(ValidationError, match=message + "'model' got 'static'"):
        Arm(name="x", kind="model", encoder="e", encoder_kind="static")
    with pytest.raises(ValidationError, match=message + "'nearest' got None"):
        Arm(name="x", kind="nearest", encoder="e")
    with pytest.raises(ValidationError, match="encoder"):
        ID.nearest()


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


@pytest.mark.parametrize("kind", ["id", "transitions", "popularity"])
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
        (lambda: SASRecConfig(norm="both"), "norm"),
        (lambda: DSSMConfig(max_history=3), "max_history"),
        (lambda: GRU4RecConfig(num_heads=3), "num_heads"),
        (lambda: NextItNetConfig(dilations=()), "dilations"),
        (lambda: NextItNetConfig(kernel_size=1), "kernel_size"),
        (lambda: BERT4RecConfig(hidden_share=0), "hidden_share"),
        (lambda: BERT4RecConfig(max_history=1), "max_history"),
        (lambda: MeanHistoryConfig(dropout=0.1), "dropout"),
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
