"""Arms with a metadata head: what a config may say, and runs from end to end."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tcf.data.catalog import Catalog, Interactions
from tcf.data.dataset import Counts
from tcf.errors import DataError
from tcf.model.metadata import MetadataHead
from tcf.study.arms import (
    AlignmentConfig,
    Arm,
    MetadataConfig,
    SelfSupervisionConfig,
    SemanticIdsConfig,
    UserText,
)
from tcf.study.backbones import NGCFConfig, SASRecConfig
from tcf.study.build import build
from tcf.study.cells import find_cell, read_cells
from tcf.study.config import RunConfig, Study
from tcf.study.controls import controls
from tcf.study.diff import differences
from tcf.study.forecast import forecast
from tcf.study.opened import open_study
from tcf.study.records import read_records
from tcf.study.runner import run_study
from tcf.study.series import series_of
from tcf.study.space import Tuning, Uniform
from tcf.train import TrainConfig, fit
from tests import halves, tiny_study, worlds

TEXT: dict[str, Any] = {"kind": "static", "encoder": "tfidf-svd"}
HEAD = Arm(name="ID + labels", kind="id", auxiliary=MetadataConfig(weight=0.3))
WHOLE = worlds.block_split(num_users=40)
TEXTS = worlds.embeddings(WHOLE.catalog, np.random.default_rng(0).normal(size=(60, 6)))


def labels(catalog: Catalog, *, prefix: str = "block") -> tuple[str, ...]:
    """The block of each item, as its id tells it, and whether the id is odd."""
    numbers = [int(item_id.removeprefix("i")) - 1 for item_id in catalog.item_ids]
    return tuple(f"{prefix} {n // 15}|odd" if n % 2 else f"{prefix} {n // 15}" for n in numbers)


SPLIT = replace(WHOLE, catalog=replace(WHOLE.catalog, labels=labels(WHOLE.catalog)))


def load(prefix: str | None, _data: Path | None) -> tuple[Catalog, Interactions]:
    catalog, taken = tiny_study.load(None)
    told = None if prefix is None else labels(catalog, prefix=prefix)
    return replace(catalog, labels=told), taken


def study(*arms: Arm, prefix: str | None = "block", **settings) -> Study:
    planned = tiny_study.study(max_epochs=1, arms=arms)
    return replace(planned, load=partial(load, prefix), **settings)


def run(planned: Study, folder: Path) -> int:
    settings = {"records": folder / "records", "cache": folder / "cache", "num_workers": 1}
    return run_study(planned, say=lambda _: None, **settings).num_made


def config(arm: Arm, **settings) -> RunConfig:
    settings = {"backbone": SASRecConfig(), "dim": 8, **settings}
    return RunConfig(dataset="d", arm=arm, **settings)


def test_a_config_becomes_the_head_it_names():
    made = config(Arm(name="l", kind="id", auxiliary=MetadataConfig(weight=0.3, separator=" ")))
    made = RunConfig.model_validate_json(made.model_dump_json())
    head = build(made, SPLIT, None).auxiliary
    assert isinstance(head, MetadataHead) and head.weight == 0.3
    assert head.names == ("0", "0|odd", "1", "1|odd", "2", "2|odd", "3", "3|odd", "block")
    head = build(config(HEAD, backbone=NGCFConfig(num_layers=2)), SPLIT, None).auxiliary
    assert isinstance(head, MetadataHead) and head.head.in_features == 24
    assert head.names == ("block 0", "block 1", "block 2", "block 3", "odd")


@pytest.mark.parametrize(
    "settings",
    [{}, {"with_ids": "gate"}, {"semantic_ids": SemanticIdsConfig(num_levels=2, num_codes=4)}],
)
def test_text_arms_of_every_kind_have_it(settings: dict):
    arm = Arm(name="t", auxiliary=MetadataConfig(), **TEXT, **settings)
    model = build(config(arm), SPLIT, TEXTS)
    history = fit(model, SPLIT, TrainConfig(max_epochs=2, batch_size=16), seed=0, progress=False)
    assert history.epochs[-1].loss < history.epochs[0].loss


def test_weight_0_leaves_every_bit_and_reads_no_labels():
    states = []
    for arm in (
        Arm(name="0", kind="id", auxiliary=MetadataConfig(weight=0)),
        Arm(name="ID", kind="id"),
    ):
        model = build(config(arm), WHOLE, None)
        fit(model, WHOLE, TrainConfig(max_epochs=2, batch_size=16), seed=0, progress=False)
        states.append(model.state_dict())
        assert not arm.reads_labels
    assert states[0].keys() == states[1].keys()
    assert all(value.equal(states[1][name]) for name, value in states[0].items())


def test_runs_say_which_labels_they_read_and_other_labels_are_other_runs(tmp_path: Path):
    text = Arm(name="text + labels", auxiliary=MetadataConfig(), **TEXT)
    plain = Arm(name="ID", kind="id")
    arms = (plain, HEAD, text)
    assert run(study(*arms), tmp_path) == 6
    found = read_records(tmp_path / "records").values()
    by_arm = {one["config"]["arm"]["name"]: one for one in found}
    checksum = load("block", None)[0].labels_checksum
    assert by_arm["ID + labels"]["data"]["labels"] == checksum
    assert by_arm["text + labels"]["data"]["labels"] == checksum
    assert "labels" not in by_arm["ID"]["data"]
    assert by_arm["ID + labels"]["parameters"]["auxiliary"] == (8 + 1) * 5

    assert run(study(*arms), tmp_path) == 0
    other = study(*arms, prefix="part")
    assert run(other, tmp_path / "other") == 6
    keys = [
        {run.name: open_study(one, None, cache=tmp_path / "cache").key(run) for run in one.runs}
        for one in (study(*arms), other, study(plain, prefix=None))
    ]
    same = {name for name in keys[0] if keys[0][name] == keys[1][name]}
    assert same == {name for name in keys[0] if "/ID/" in name} == keys[2].keys()

    cells = [
        find_cell(read_cells(folder / "records"), "blocks/SASRec/ID + labels")
        for folder in (tmp_path, tmp_path / "other")
    ]
    found = {one.field for one in differences(*cells) if one.part == "data"}
    assert found == {"labels"}


def test_a_search_for_settings_reads_them_too(tmp_path: Path):
    search = Tuning(space={"train.weight_decay": Uniform(low=0.0, high=0.3)}, num_trials=1)
    assert run(study(HEAD, tuning=search), tmp_path) == 2
    found = {path: path.read_text() for path in (tmp_path / "records" / "tuning").glob("*.json")}
    checksum = load("block", None)[0].labels_checksum
    assert len(found) == 2 and all(checksum and checksum in text for text in found.values())
    assert run(study(HEAD, tuning=search, prefix="part"), tmp_path / "other") == 2
    others = {path.name for path in (tmp_path / "other" / "records" / "tuning").glob("*.json")}
    assert not others & {path.name for path in found}


def test_items_without_labels_are_refused_before_anything_is_encoded(tmp_path: Path):
    message = r"arm 'ID \+ labels' predicts the labels of items: .* read it with the option labels"
    with pytest.raises(DataError, match=message):
        run(study(HEAD, prefix=None), tmp_path)
    assert not (tmp_path / "records").exists()
    zero = Arm(name="0", kind="id", auxiliary=MetadataConfig(weight=0))
    open_study(study(zero, prefix=None), None, cache=tmp_path / "cache")


def test_a_plan_leaves_the_head_out():
    planned = study(Arm(name="ID", kind="id"), HEAD)
    cells = forecast(planned, Counts(users=60, items=60, interactions=540))
    assert cells[0].name == "blocks/SASRec/ID" and cells[1].name == "blocks/SASRec/ID + labels"
    assert cells[0].train_flops == cells[1].train_flops > 0


def test_a_curve_joins_no_arms_of_another_method_and_controls_are_of_none():
    text: dict[str, Any] = {"kind": "model", "encoder": "e", "family": "OPT"}
    arms = [
        Arm(name="plain", **text),
        Arm(name="labels", auxiliary=MetadataConfig(), **text),
        Arm(name="both", with_ids="sum", auxiliary=MetadataConfig(), **text),
    ]
    assert [series_of(arm.model_dump(mode="json")) for arm in arms] == [
        "OPT",
        "OPT, metadata",
        "OPT, with IDs, sum, metadata",
    ]
    assert [arm.control_of for arm in controls(arms, which=["random_weights"])] == ["plain"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "popularity"}, "arm 'a' of kind 'popularity' takes no auxiliary"),
        (
            {"kind": "nearest", "encoder": "tfidf-svd", "encoder_kind": "static"},
            "arm 'a' of kind 'nearest' takes no auxiliary",
        ),
        ({"with_ids": "alignment", **TEXT}, r"with_ids='alignment' and auxiliary=.* go together"),
        (
            {"kind": "model", "encoder": "e", "user_text": UserText()},
            "reads users' texts, .* auxiliary out",
        ),
    ],
)
def test_arms_that_cannot_have_it_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Arm(name="a", auxiliary=MetadataConfig(), **settings)


def test_other_losses_of_an_id_arm_are_still_refused():
    for other in (AlignmentConfig(), SelfSupervisionConfig()):
        with pytest.raises(ValueError, match="arm 'a' of kind 'id' takes no auxiliary"):
            Arm(name="a", kind="id", auxiliary=other)


def test_a_head_does_not_transfer_and_its_backbone_does(tmp_path: Path):
    arm = halves.TEXT.model_copy(update={"auxiliary": MetadataConfig()})
    with pytest.raises(ValueError, match=r"learns the labels of one data set, .* 'backbone'"):
        arm.transferred("A")
    moved = arm.transferred("A", carry="backbone")
    planned = halves.study((arm, moved))
    train = halves.TRAIN.model_copy(update={"max_epochs": 1})
    runs = tuple(one.model_copy(update={"train": train}) for one in planned.runs)
    assert run(replace(planned, runs=runs), tmp_path) == 2
    found = read_records(tmp_path / "records").values()
    told = {(one["config"]["dataset"], one["data"]["labels"]) for one in found}
    assert len(found) == 3 and len(told) == 2
