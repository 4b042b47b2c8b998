"""Weights on disk: the same bytes back, and no weights of another model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tcf.errors import DataError
from tcf.model.gru4rec import GRU4Rec
from tcf.model.mean_history import MeanHistory
from tcf.model.nextitnet import NextItNet
from tcf.model.recommender import Recommender
from tcf.model.sasrec import SASRec
from tcf.model.towers import FrozenTextTower, IdTower
from tests import worlds

N, D = 12, 8
SPLIT = worlds.random_split(num_users=20, num_items=N, seed=0)


def text_tower(*, key: str = "0" * 64, activation: bool = True) -> FrozenTextTower:
    vectors = np.random.default_rng(0).normal(size=(N, 5))
    made = replace(worlds.embeddings(SPLIT.catalog, vectors), key=key)
    return FrozenTextTower(made, SPLIT.catalog, dim=D, activation=activation)


def model(*, seed: int = 0, **changes) -> Recommender:
    parts = {"tower": IdTower(N, dim=D), "backbone": SASRec(dim=D), **changes}
    return Recommender(parts.pop("tower"), parts.pop("backbone"), seed=seed, **parts)


def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path):
    one, other = model(learn_temperature=True), model(seed=1, learn_temperature=True)
    one.save(tmp_path / "weights.safetensors")
    other.load_weights(tmp_path / "weights.safetensors")
    for name, value in one.state_dict().items():
        assert value.equal(other.state_dict()[name])
    for mine, its in zip(
        one.eval().score_vectors(SPLIT.test), other.eval().score_vectors(SPLIT.test), strict=True
    ):
        assert mine.equal(its)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


def test_the_file_says_what_it_belongs_to(tmp_path: Path):
    model().save(tmp_path / "w")
    with safe_open(tmp_path / "w", framework="pt") as file:
        about = file.metadata()["tcf.architecture"]
    assert "SASRec(max_history=20, num_heads=2, norm='post')" in about and "IdTower" in about


def test_frozen_vectors_are_not_written(tmp_path: Path):
    model(tower=text_tower()).save(tmp_path / "w")
    with safe_open(tmp_path / "w", framework="pt") as file:
        assert not [name for name in file.keys() if "vectors" in name]  # noqa: SIM118


OTHERS: list[tuple[Callable[[], Recommender], Callable[[], Recommender], str]] = [
    (
        model,
        lambda: model(backbone=SASRec(dim=D, num_heads=4)),
        r"whose backbone is SASRec\(max_history=20, num_heads=4, norm='post'\); found SASRec\("
        r"max_history=20, num_heads=2, norm='post'\): build the model as the one that was saved",
    ),
    (model, lambda: model(backbone=SASRec(dim=D, norm="pre")), "norm='pre'.*found.*norm='post'"),
    (model, lambda: model(backbone=GRU4Rec(dim=D)), r"is GRU4Rec\(max_history=20\); found SASRec"),
    (
        lambda: model(backbone=NextItNet(dim=D)),
        lambda: model(backbone=NextItNet(dim=D, dilations=(1, 2))),
        r"dilations=\(1, 2\)\); found .*dilations=\(1, 4\)\)",
    ),
    (
        lambda: model(backbone=MeanHistory(dim=D)),
        lambda: model(backbone=MeanHistory(dim=D, max_history=5)),
        r"MeanHistory\(max_history=5\); found MeanHistory\(max_history=20\)",
    ),
    (model, lambda: model(tower=text_tower()), r"whose tower is FrozenTextTower\(.*; found IdTow"),
    (
        lambda: model(tower=text_tower()),
        lambda: model(tower=text_tower(key="1" * 64)),
        "vectors=111111111111, activation=True.; found FrozenTextTower.vectors=000000000000",
    ),
    (
        lambda: model(tower=text_tower()),
        lambda: model(tower=text_tower(activation=False)),
        "activation=False.; found .*activation=True",
    ),
    (model, lambda: model(scores="cosine"), "whose scores is cosine; found dot"),
    (
        model,
        lambda: model(tower=IdTower(N + 1, dim=D)),
        r"whose tower.table.weight is \(14, 8\); found \(13, 8\)",
    ),
    (
        model,
        lambda: model(backbone=SASRec(dim=D, num_layers=3)),
        r"whose backbone.blocks.2.attention_norm.bias is \(8,\); found nothing",
    ),
    (
        model,
        lambda: model(backbone=SASRec(dim=D, num_layers=1)),
        r"whose backbone.blocks.1.attention_norm.bias is nothing; found \(8,\)",
    ),
    (model, lambda: model(learn_temperature=True), r"whose log_scale is \(\); found nothing"),
]


@pytest.mark.parametrize(("saved", "built", "message"), OTHERS, ids=range(len(OTHERS)))
def test_weights_of_another_architecture_are_refused(
    saved: Callable, built: Callable, message: str, tmp_path: Path
):
    saved().save(tmp_path / "w")
    wanted = built()
    before = {name: value.clone() for name, value in wanted.state_dict().items()}
    with pytest.raises(DataError, match=message):
        wanted.load_weights(tmp_path / "w")
    assert all(value.equal(before[name]) for name, value in wanted.state_dict().items())


def test_what_is_no_file_of_weights_is_refused(tmp_path: Path):
    path = tmp_path / "w"
    with pytest.raises(DataError, match="w: a safetensors file of weights is needed"):
        model().load_weights(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="w: a safetensors file of weights is needed"):
        model().load_weights(path)
    model().save(path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match="w: a safetensors file of weights is needed"):
        model().load_weights(path)
    save_file({"x": torch.ones(1)}, path)
    with pytest.raises(DataError, match="which say their architecture; this file says none"):
        model().load_weights(path)


def test_saving_leaves_the_old_file_where_it_fails(tmp_path: Path, monkeypatch):
    from tcf.model import weights

    path = tmp_path / "w"
    model().save(path)
    before = path.read_bytes()

    def full_disk(*_arguments, **_settings):
        raise OSError("no space left on device")

    monkeypatch.setattr(weights, "save_file", full_disk)
    with pytest.raises(OSError, match="no space"):
        model(seed=1).save(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["w"]
