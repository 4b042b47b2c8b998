"""A training that is left anywhere and gone on with ends where an undisturbed one does."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tcf.data.split import Split
from tcf.errors import CacheError
from tcf.model.auxiliary import Alignment, SelfSupervision
from tcf.model.dssm import DSSM
from tcf.model.layers import Dropout, Stream
from tcf.model.losses import LOSSES, Candidates, Loss
from tcf.model.mixture import MixtureProjector
from tcf.model.ngcf import NGCF
from tcf.model.recommender import Recommender
from tcf.model.sasrec import SASRec
from tcf.model.towers import FrozenTextTower, IdTower
from tcf.train import History, TrainConfig, fit
from tests import worlds
from tests.fuse import Kill, fused

DIM = 8
SPLIT = worlds.block_split(num_users=60)
CONFIG = TrainConfig(
    max_epochs=3, patience=None, batch_size=16, learning_rate=1e-2, schedule="cosine"
)
NUM_STEPS = 12


def recommender(arm: str, *, split: Split = SPLIT, scale: float = 1, **settings: Any):
    if arm == "DSSM":
        backbone = DSSM(num_users=split.num_users, dim=DIM, num_layers=1)
        return Recommender(IdTower(split.num_items, dim=DIM), backbone, seed=0)
    if arm == "NGCF":
        backbone = NGCF(dim=DIM, **NGCF.of_split(split))
        return Recommender(IdTower(split.num_items, dim=DIM), backbone, seed=0)
    backbone = SASRec(dim=DIM, max_history=5, **settings)
    vectors = scale * np.random.default_rng(0).normal(size=(split.num_items, 6))
    if arm in ("ID", "aligned"):
        items = worlds.embeddings(split.catalog, vectors)
        aligned = Alignment(items, split.catalog, dim=DIM, num_items=9) if arm != "ID" else None
        tower = IdTower(split.num_items, dim=DIM)
        return Recommender(tower, backbone, seed=0, auxiliary=aligned)
    mixture = MixtureProjector(6, DIM, num_experts=3) if arm == "mixture" else None
    tower = FrozenTextTower(
        worlds.embeddings(split.catalog, vectors), split.catalog, dim=DIM, projector=mixture
    )
    supervised = SelfSupervision(num_items=9) if arm == "self-supervised" else None
    return Recommender(tower, backbone, seed=0, learn_temperature=True, auxiliary=supervised)


def train(arm: str, loss: Loss, config: TrainConfig = CONFIG, **settings: Any):
    model = recommender(arm)
    history = fit(model, SPLIT, config, seed=1, loss=loss, progress=False, **settings)
    return model.state_dict(), figures(history)


def figures(history: History) -> tuple:
    """What may not change: times are apart."""
    return [(e.loss, e.validation) for e in history.epochs], history.best_epoch


def left_and_gone_on_with(
    arm: str, name: str, kills: list[int], path: Path, config: TrainConfig = CONFIG
):
    for steps in kills:
        with pytest.raises(Kill):
            train(arm, fused(name, steps), config, checkpoint=path, checkpoint_every_seconds=0)
    return train(arm, fused(name, None), config, checkpoint=path, checkpoint_every_seconds=0)


def assert_same(one: tuple, other: tuple) -> None:
    for name, value in one[0].items():
        assert value.equal(other[0][name]), name
    assert one[1] == other[1]


@pytest.mark.parametrize(
    ("arm", "name", "kills"),
    [
        ("ID", "in_batch_softmax", [1, 1, 1]),
        ("ID", "sampled_softmax", [6]),
        ("ID", "full_softmax", [4, 4]),  # each at the end of an epoch
        ("text", "in_batch_softmax", [0, 3, 7]),
        ("text", "sampled_softmax", [5, 2]),
        ("mixture", "in_batch_softmax", [2, 5]),
        ("aligned", "in_batch_softmax", [2, 5]),
        ("aligned", "full_softmax", [3]),
        ("self-supervised", "in_batch_softmax", [2, 5]),
        ("DSSM", "in_batch_softmax", [20, 3]),
        ("NGCF", "in_batch_softmax", [20, 3]),
        ("NGCF", "bpr", [7]),
    ],
)
def test_kills_change_no_bit(arm: str, name: str, kills: list[int], tmp_path: Path):
    undisturbed = train(arm, fused(name, None))
    resumed = left_and_gone_on_with(arm, name, kills, tmp_path / "training.safetensors")
    assert_same(resumed, undisturbed)
    assert [p.name for p in tmp_path.iterdir()] == ["training.safetensors"]


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "bf16"},
        {"precision": "fp16", "clip_norm": 1.0},
        {"patience": 1, "learning_rate": 1e-6, "max_epochs": 9},
    ],
)
def test_kills_change_no_bit_whatever_the_settings(settings: dict, tmp_path: Path):
    arm = "text" if settings.get("precision") == "fp16" else "ID"  # whose first steps are left out
    config = CONFIG.model_copy(update=settings)
    undisturbed = train(arm, fused("in_batch_softmax", None), config)
    path = tmp_path / "training.safetensors"
    assert_same(left_and_gone_on_with(arm, "in_batch_softmax", [2, 3], path, config), undisturbed)


def test_a_training_that_has_ended_is_not_trained_again(tmp_path: Path):
    path = tmp_path / "training.safetensors"
    done = left_and_gone_on_with("ID", "in_batch_softmax", [], path)
    again = train("ID", fused("in_batch_softmax", 0), checkpoint=path)
    assert_same(again, done)


def test_seconds_are_summed_over_the_parts(tmp_path: Path):
    path = tmp_path / "training.safetensors"
    with pytest.raises(Kill):
        train("ID", fused("bce", 2), checkpoint=path, checkpoint_every_seconds=0)
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = json.loads(file.metadata()["tcf"])
    assert facts["state"]["num_done"] == 2
    facts["state"]["seconds"] += 1000
    save_file(tensors, path, {"tcf": json.dumps(facts)})
    model = recommender("ID")
    history = fit(
        model, SPLIT, CONFIG, seed=1, loss=fused("bce", None), checkpoint=path, progress=False
    )
    seconds = [epoch.train_seconds for epoch in history.epochs]
    assert 1000 < seconds[0] < 1100
    assert max(seconds[1:]) < 100


@pytest.mark.parametrize("left", ["half", "nothing"])
def test_what_a_kill_in_the_middle_of_writing_leaves_is_not_looked_at(left: str, tmp_path: Path):
    path = tmp_path / "training.safetensors"
    undisturbed = train("ID", fused("bce", None))
    with pytest.raises(Kill):
        train("ID", fused("bce", 3), checkpoint=path, checkpoint_every_seconds=0)
    whole = path.read_bytes()
    (tmp_path / ".training.safetensors.partial").write_bytes(
        whole[: len(whole) // 2] if left == "half" else b""
    )
    resumed = train("ID", fused("bce", None), checkpoint=path, checkpoint_every_seconds=0)
    assert_same(resumed, undisturbed)
    assert [p.name for p in tmp_path.iterdir()] == ["training.safetensors"]


def test_a_checkpoint_waits_for_its_time(tmp_path: Path):
    train("ID", fused("bce", None), checkpoint=tmp_path / "training.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kept") / "training.safetensors"
    fit(
        recommender("text"), SPLIT, CONFIG, seed=1, progress=False,
        checkpoint=path, checkpoint_every_seconds=0,
    )  # fmt: skip
    return path


OTHER_SPLIT = worlds.block_split(num_users=60, seed=5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"config": CONFIG.model_copy(update={"batch_size": 32})},
            "this one differs in config.batch_size is 16, here 32: take another path, or remove it",
        ),
        (
            {"config": CONFIG.model_copy(update={"loss": "gbce"})},
            "config.loss is None, here gbce; loss is in_batch_softmax .* here gbce ",
        ),
        ({"seed": 2}, "differs in seed is 1, here 2"),
        ({"split": OTHER_SPLIT}, "differs in split is "),
        ({"model": recommender("ID")}, "and [0-9]+ more"),
        (
            {"model": recommender("text", dropout=0.2)},
            r"backbone.drop.rate is 0.1, here 0.2",
        ),
        ({"model": recommender("text", num_heads=4)}, "num_heads is 2, here 4"),
        ({"model": recommender("text", scale=2)}, "differs in model.start is "),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(changed: dict, message: str, kept: Path):
    before = kept.read_bytes()
    called: dict[str, Any] = {
        "model": recommender("text"),
        "split": SPLIT,
        "config": CONFIG,
        "seed": 1,
        **changed,
    }
    with pytest.raises(CacheError, match=message):
        fit(**called, checkpoint=kept, progress=False)
    assert kept.read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "other", "text"])
def test_a_damaged_checkpoint_is_refused(damage: str, kept: Path, tmp_path: Path):
    path = tmp_path / "training.safetensors"
    if damage == "cut":
        path.write_bytes(kept.read_bytes()[:-9])
    elif damage == "other":
        save_file({"a": torch.zeros(2)}, path)
    else:
        path.write_text("no checkpoint")
    with pytest.raises(CacheError, match=r"must be whole; this one is damaged .*remove it to"):
        fit(recommender("text"), SPLIT, CONFIG, seed=1, checkpoint=path, progress=False)


def test_an_interval_below_zero_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="checkpoint_every_seconds must not be negative; got -1"):
        train("ID", fused("bce", None), checkpoint=tmp_path / "c", checkpoint_every_seconds=-1)


def test_the_last_good_checkpoint_stays_when_the_loss_is_no_number(tmp_path: Path):
    path = tmp_path / "training.safetensors"
    calls = []

    def poisoned(users: Tensor, items: Tensor, candidates: Candidates) -> Tensor:
        calls.append(0)
        loss = LOSSES["bce"].function(users, items, candidates)
        return loss * (float("inf") if len(calls) == 6 else 1)

    loss = replace(LOSSES["bce"], function=poisoned)
    message = (
        r"became inf at step 6, over users 'u\d+', .* and 8 more; the largest gradient is that of "
        r"[\w.]+, (nan|inf): lower .* the last good checkpoint stays in .*training.safetensors$"
    )
    model = recommender("ID")
    with pytest.raises(ValueError, match=message):
        fit(
            model, SPLIT, CONFIG, seed=1, loss=loss, progress=False,
            checkpoint=path, checkpoint_every_seconds=0,
        )  # fmt: skip
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["tcf"])["state"]["num_done"] == 1
        for name in file.keys():  # noqa: SIM118
            if name.startswith("model."):  # no step was made on the way to the error
                held = model.state_dict()[name.removeprefix("model.")]
                if "table" not in name:  # rows of the batch were brought up to date
                    assert file.get_tensor(name).equal(held), name
                assert held.isfinite().all()


def test_a_checkpoint_of_weights_that_are_no_numbers_is_not_written(tmp_path: Path):
    path = tmp_path / "training.safetensors"

    class Poison(torch.autograd.Function):
        """A finite loss whose gradient is none."""

        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Tensor:
            return grads[0] * float("nan")

    calls = []

    def poisoned(users: Tensor, items: Tensor, candidates: Candidates) -> Tensor:
        calls.append(0)
        users = Poison.apply(users) if len(calls) == 3 else users
        return LOSSES["bce"].function(users, items, candidates)

    with pytest.raises(ValueError, match="became nan at step 4"):
        train(
            "ID",
            replace(LOSSES["bce"], function=poisoned),
            checkpoint=path,
            checkpoint_every_seconds=0,
        )
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["tcf"])["state"]["num_done"] == 2


class Noise(torch.nn.Module):
    """A stream that is no dropout: `fit` seeds it and keeps it all the same."""

    def __init__(self):
        super().__init__()
        self.reseed(0)

    def reseed(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def state(self) -> dict[str, Any]:
        return {"bits": self._rng.bit_generator.state}

    def restore(self, state) -> None:
        self._rng.bit_generator.state = state["bits"]

    def forward(self, x: Tensor) -> Tensor:
        return x * float(1 + 0.1 * self._rng.random()) if self.training else x


def test_every_stream_of_draws_is_kept(tmp_path: Path):
    def train_noisy(steps: int | None, **settings: Any):
        model = recommender("text")
        model.tower.projector.append(Noise())
        loss = fused("bce", steps)
        history = fit(model, SPLIT, CONFIG, seed=1, loss=loss, progress=False, **settings)
        return model.state_dict(), figures(history)

    assert isinstance(Noise(), Stream) and isinstance(Dropout(0.1), Stream)
    undisturbed = train_noisy(None)
    path = tmp_path / "training.safetensors"
    with pytest.raises(Kill):
        train_noisy(5, checkpoint=path, checkpoint_every_seconds=0)
    assert_same(train_noisy(None, checkpoint=path), undisturbed)


def test_frozen_weights_are_not_in_a_checkpoint(tmp_path: Path):
    model = recommender("text")
    model.backbone.position.weight.requires_grad_(False)
    path = tmp_path / "training.safetensors"
    before = model.backbone.position.weight.clone()
    fit(model, SPLIT, CONFIG, seed=1, progress=False, checkpoint=path, checkpoint_every_seconds=0)
    with safe_open(path, "pt") as file:
        names = set(file.keys())
    assert "model.backbone.norm.weight" in names and "model.backbone.position.weight" not in names
    assert model.backbone.position.weight.equal(before)
