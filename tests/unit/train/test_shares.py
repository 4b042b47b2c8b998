"""Parts of batches, and what an accelerator must be (test_training_ranks.py runs two ranks)."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from tcf.data.batches import Batch, cloze_batches, pair_batches, sequence_batches
from tcf.data.columns import BatchColumns, SampledColumns
from tcf.model.losses import LOSSES
from tcf.train import TrainConfig, fit, log_popularity
from tcf.train.precision import Precision
from tcf.train.ranks import Ranks, own_columns, users_of
from tests import worlds
from tests.unit.train.test_checkpoint import CONFIG, SPLIT, figures, recommender

WORLD = worlds.random_split(num_users=30, num_items=40, seed=0)


def columns(*, negatives: bool = False) -> BatchColumns:
    if negatives:
        rng = np.random.default_rng(3)
        return SampledColumns(WORLD.num_items, num_negatives=4, rng=rng)
    return BatchColumns(WORLD.num_items)


def batch_of(kind: str, *, negatives: bool = False) -> Batch:
    settings = {
        "batch_size": 12,
        "rng": np.random.default_rng(0),
        "columns": columns(negatives=negatives),
    }
    if kind == "pairs":
        return next(pair_batches(WORLD.train, **settings))
    if kind == "cloze":
        return next(cloze_batches(WORLD.train, max_history=5, hidden_share=0.4, **settings))
    return next(sequence_batches(WORLD.train, max_history=5, **settings))


def slots_of(kind: str, batch: Batch) -> Counter:
    """The item slots of a part of a batch, from the interactions themselves."""
    if kind == "pairs":
        assert batch.rows is not None
        return Counter(batch.rows[batch.targets].tolist())
    length = 5 if kind == "cloze" else 6
    train = WORLD.train
    histories = [train.rows[train.offsets[u] : train.offsets[u + 1]][-length:] for u in batch.users]
    return Counter(int(row) for history in histories for row in history)


def rows_at(batch: Batch, at: torch.Tensor) -> list[int]:
    assert batch.rows is not None
    return [-1 if column < 0 else int(batch.rows[column]) for column in at.flatten()]


@pytest.mark.parametrize("negatives", [False, True])
@pytest.mark.parametrize("kind", ["sequences", "cloze", "pairs"])
def test_a_share_with_its_own_columns_is_the_batch_of_those_users(kind: str, negatives: bool):
    whole = batch_of(kind, negatives=negatives)
    for users in (slice(0, 5), slice(5, 12), slice(4, 4)):
        shared = users_of(whole, users)
        own = own_columns(shared)
        assert shared.users.equal(whole.users[users]) and own.rows is not None
        assert rows_at(own, own.history[own.mask]) == rows_at(shared, shared.history[own.mask])
        assert rows_at(own, own.targets) == rows_at(shared, shared.targets)
        slots = slots_of(kind, shared)
        assert own.counts is not None
        held = dict(zip(own.rows.tolist(), own.counts.tolist(), strict=True))
        assert {row: count for row, count in held.items() if count} == slots
        drawn = set()
        if negatives:
            assert own.negatives is not None and shared.negatives is not None
            assert rows_at(own, own.negatives) == rows_at(shared, shared.negatives)
            drawn = set(rows_at(own, own.negatives))
        assert set(held) == set(slots) | drawn
        assert own.rows.equal(own.rows.sort().values)
        known = {(int(u), int(own.rows[c])) for u, c in own.known.t()}
        expected = {(int(u), int(whole.rows[c])) for u, c in shared.known.t()}  # type: ignore[index]
        assert known == {pair for pair in expected if pair[1] in held}


@pytest.mark.parametrize("loss", ["in_batch_softmax", "bce"])
@pytest.mark.parametrize("arm", ["text", "DSSM"])
def test_parts_of_a_batch_have_its_loss(arm: str, loss: str):
    model = recommender(arm, split=WORLD).eval()
    kind = "pairs" if arm == "DSSM" else "sequences"
    whole = batch_of(kind, negatives=loss == "bce")
    shares = log_popularity(WORLD)
    settings = {"log_popularity": shares, "loss": LOSSES[loss]}
    total = 0.0
    for users in (slice(0, 7), slice(7, 12)):
        part = users_of(whole, users)
        total += model.loss(part, **settings).item() * len(part.targets) / len(whole.targets)
    assert total == pytest.approx(model.loss(whole, **settings).item(), rel=1e-5)


@pytest.fixture
def fresh() -> Iterator[None]:
    """Accelerators share one state in a process; leave none behind."""
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


@pytest.mark.usefixtures("fresh")
def test_one_process_with_an_accelerator_changes_no_bit():
    with_one, without = recommender("text"), recommender("text")
    history = fit(
        with_one, SPLIT, CONFIG, seed=1, progress=False, accelerator=Accelerator(cpu=True)
    )
    expected = fit(without, SPLIT, CONFIG, seed=1, progress=False)
    assert figures(history) == figures(expected)
    for name, value in with_one.state_dict().items():
        assert value.equal(without.state_dict()[name])


@pytest.mark.usefixtures("fresh")
def test_an_accelerator_that_waits_for_several_batches_is_refused():
    waiting = Accelerator(cpu=True, gradient_accumulation_steps=2)
    with pytest.raises(ValueError, match=r"step of every batch; got gradient_accumulation_steps=2"):
        Ranks(waiting)


@pytest.mark.usefixtures("fresh")
def test_an_accelerator_that_splits_the_model_is_refused(monkeypatch: pytest.MonkeyPatch):
    accelerator = Accelerator(cpu=True)
    monkeypatch.setitem(accelerator.state._shared_state, "distributed_type", "FSDP")
    with pytest.raises(ValueError, match="kind FSDP: launch without FSDP, DeepSpeed, Megatron"):
        Ranks(accelerator)


@pytest.mark.usefixtures("fresh")
def test_an_accelerator_of_another_precision_is_refused():
    accelerator = Accelerator(cpu=True, mixed_precision="bf16")
    with pytest.raises(ValueError, match=r"same; got 'bf16' and precision='fp32'"):
        Precision(TrainConfig(), device=torch.device("cpu"), accelerator=accelerator)


@pytest.mark.usefixtures("fresh")
def test_an_accelerator_of_the_same_precision_gives_the_same_bytes():
    config = CONFIG.model_copy(update={"precision": "bf16"})
    one, other = recommender("text"), recommender("text")
    accelerator = Accelerator(cpu=True, mixed_precision="bf16")
    fit(one, SPLIT, config, seed=1, progress=False, accelerator=accelerator)
    fit(other, SPLIT, config, seed=1, progress=False)
    for name, value in one.state_dict().items():
        assert value.equal(other.state_dict()[name])
