"""bf16 and fp16: products are cheaper, weights stay fp32, and a step is what it would be."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tcf.model.losses import LOSSES, Candidates
from tcf.train import fit
from tests.unit.train.test_checkpoint import CONFIG, SPLIT, recommender


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize(
    ("arm", "loss"),
    [
        ("ID", "in_batch_softmax"),
        ("text", "full_softmax"),
        ("DSSM", "sampled_softmax"),
        ("NGCF", "bpr"),
    ],
)
def test_a_training_ends_nearly_where_it_does_in_fp32(arm: str, precision: str, loss: str):
    """Not every epoch is alike: fp16 leaves out steps until its scale fits."""
    losses = []
    for name in ("fp32", precision):
        model = recommender(arm)
        changed = {"precision": name, "loss": loss, "clip_norm": 0.5, "max_epochs": 8}
        config = CONFIG.model_copy(update=changed)
        history = fit(model, SPLIT, config, seed=1, progress=False)
        losses.append([epoch.loss for epoch in history.epochs])
        assert {v.dtype for v in model.state_dict().values()} == {torch.float32}
    assert losses[0] != losses[1]
    assert losses[1][-1] == pytest.approx(losses[0][-1], rel=0.02)


def test_losses_see_at_least_fp32():
    seen = []

    def watched(users: Tensor, items: Tensor, candidates: Candidates) -> Tensor:
        seen.append((users.dtype, items.dtype, torch.is_autocast_enabled("cpu")))
        return LOSSES["bce"].function(users, items, candidates)

    config = CONFIG.model_copy(update={"precision": "bf16", "max_epochs": 1})
    loss = replace(LOSSES["bce"], function=watched)
    fit(recommender("text"), SPLIT, config, seed=1, loss=loss, progress=False)
    assert set(seen) == {(torch.float32, torch.float32, False)}


@pytest.mark.parametrize("arm", ["ID", "text"])
def test_a_step_whose_gradient_leaves_fp16_is_left_out(arm: str):
    """The loss is so large that its gradient, scaled by 65,536, overflows; the next is not."""
    calls = []

    def sometimes_large(users: Tensor, items: Tensor, candidates: Candidates) -> Tensor:
        calls.append(0)
        loss = LOSSES["bce"].function(users, items, candidates)
        return loss * (1e36 if len(calls) == 2 else 1)

    config = CONFIG.model_copy(update={"precision": "fp16", "max_epochs": 1, "patience": None})
    model = recommender(arm)
    loss = replace(LOSSES["bce"], function=sometimes_large)
    history = fit(model, SPLIT, config, seed=1, loss=loss, progress=False)
    assert len(calls) == 4 and len(history.epochs) == 1
    assert all(value.isfinite().all() for value in model.state_dict().values())
