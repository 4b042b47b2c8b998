"""Two processes train what one does."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from tcf.errors import CacheError
from tcf.train import TrainConfig, fit
from tests import ranks
from tests.fuse import fused

# 41 users in batches of 8: the last one has a user for one rank and none for the other
CONFIG = {"max_epochs": 2, "patience": None, "batch_size": 8, "learning_rate": 1e-2}
LOOKED_AT = {**CONFIG, "batch_size": 2}  # 21 steps: a checkpoint at the 16th and after each epoch
EQUAL: dict[str, dict[str, Any]] = {
    f"{arm} {loss}": {"arm": arm, "config": {**CONFIG, "loss": loss, **settings}}
    for arm, loss, settings in [
        ("ID", "in_batch_softmax", {}),
        ("ID", "full_softmax", {}),
        ("text", "in_batch_softmax", {"clip_norm": 0.1}),
        ("text", "full_softmax_unknown", {}),
        ("text", "sampled_softmax", {"num_negatives": 5, "gather_negatives": False}),
        ("DSSM", "in_batch_softmax", {}),
        ("aligned", "in_batch_softmax", {}),
        ("aligned", "full_softmax", {}),
        ("self-supervised", "in_batch_softmax", {}),
        ("labels", "in_batch_softmax", {}),
        ("labels", "full_softmax", {}),
        ("NGCF", "in_batch_softmax", {}),
        ("AlphaRec", "sampled_softmax", {"num_negatives": 5}),
    ]
}
OTHERS: dict[str, dict[str, Any]] = {
    "apart": {"arm": "text", "config": {**CONFIG, "gather_negatives": False}},
    "apart ID": {"arm": "ID", "config": {**CONFIG, "gather_negatives": False}},
    "apart NGCF": {"arm": "NGCF", "config": {**CONFIG, "gather_negatives": False}},
    "undisturbed": {"arm": "text", "config": LOOKED_AT, "dropout": 0.2},
    "killed": {
        "arm": "text",
        "config": LOOKED_AT,
        "dropout": 0.2,
        "checkpoint": "kept",
        "steps": 18,
    },
    "resumed": {"arm": "text", "config": LOOKED_AT, "dropout": 0.2, "checkpoint": "kept"},
    "unlike": {"arm": "ID", "config": CONFIG, "seeds": [0, 1]},
    "diverged": {"arm": "ID", "config": {**CONFIG, "learning_rate": 1e30}},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    assert ranks.in_two_processes({**EQUAL, **OTHERS}, folder) == ["", ""]
    return folder


def distance(folder: Path, one: str, other: str) -> float:
    weights = [load_file(folder / f"{name}.safetensors") for name in (one, other)]
    return max(float((value - weights[1][name]).abs().max()) for name, value in weights[0].items())


def losses(folder: Path, name: str) -> np.ndarray:
    return np.array(json.loads((folder / f"{name}.json").read_text()))


@pytest.mark.parametrize("name", EQUAL)
def test_two_ranks_equal_one_process(name: str, made: Path) -> None:
    ranks.train(EQUAL[name], made, name=f"{name} alone", accelerator=None)
    assert distance(made, f"{name}-0", f"{name}-1") == 0  # both hold the same bytes
    assert distance(made, f"{name}-0", f"{name} alone-0") < 1e-5
    np.testing.assert_allclose(
        losses(made, f"{name}-0"), losses(made, f"{name} alone-0"), atol=1e-5
    )
    np.testing.assert_array_equal(losses(made, f"{name}-0"), losses(made, f"{name}-1"))


@pytest.mark.parametrize("name", ["apart", "apart ID", "apart NGCF"])
def test_negatives_of_each_ranks_own_users_are_another_loss(name: str, made: Path) -> None:
    ranks.train(OTHERS[name], made, name=f"{name} alone", accelerator=None)
    assert distance(made, f"{name}-0", f"{name}-1") == 0
    assert distance(made, f"{name}-0", f"{name} alone-0") > 1e-3
    apart, alone = losses(made, f"{name}-0"), losses(made, f"{name} alone-0")
    assert (apart[:, 0] < alone[:, 0]).all()  # fewer items to choose among


def test_ranks_go_on_from_a_checkpoint_with_the_same_bytes(made: Path) -> None:
    assert (made / "killed-0.error").exists() and (made / "killed-1.error").exists()
    assert distance(made, "resumed-0", "undisturbed-0") == 0
    np.testing.assert_array_equal(losses(made, "resumed-0"), losses(made, "undisturbed-0"))


def test_a_checkpoint_of_two_ranks_is_not_gone_on_with_by_one(made: Path) -> None:
    with pytest.raises(CacheError, match="differs in ranks is 2, here 1: take another path"):
        fit(
            ranks.recommender("text", dropout=0.2),
            ranks.SPLIT,
            TrainConfig(**LOOKED_AT),
            seed=3,
            loss=fused("in_batch_softmax", None),
            progress=False,
            checkpoint=made / "kept.checkpoint",
        )


def test_ranks_that_start_from_different_weights_are_refused(made: Path) -> None:
    for rank in range(2):
        assert re.match(
            r"every process must start the same training from the same weights; those of ranks "
            r"\[1\] differ from the first's: build the model from one seed",
            (made / f"unlike-{rank}.error").read_text(),
        )


def test_a_loss_that_is_no_number_stops_all_ranks_at_the_same_step(made: Path) -> None:
    first, second = ((made / f"diverged-{rank}.error").read_text() for rank in range(2))
    assert re.match(r"the training loss must stay finite; it became (nan|inf) at step [23],", first)
    assert "the largest gradient is that of " in first
    assert first.partition(";")[0] == second.partition(";")[0]
