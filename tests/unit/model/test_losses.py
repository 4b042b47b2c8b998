"""The in-batch softmax against the published formula, slot by slot."""

from collections.abc import Iterator
from math import exp, log

import numpy as np
import pytest
import torch

from tcf.data.batches import Batch, pair_batches, sequence_batches
from tcf.data.catalog import Interactions
from tcf.data.columns import BatchColumns
from tcf.model.losses import Candidates, in_batch_softmax
from tests import worlds

DIM = 5
COLUMNS = BatchColumns(12)


def given() -> dict:
    return {"rng": np.random.default_rng(0), "columns": COLUMNS}


def vectors(num: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num, DIM, generator=generator, dtype=torch.float64)


def candidates(*, excluded: torch.Tensor, **settings) -> Candidates:
    """Each prediction has a user of its own, who knows what ``(n, M)`` says."""
    return Candidates(owners=torch.arange(len(excluded)), known=excluded.nonzero().t(), **settings)


def candidates_of(batch: Batch, log_popularity: torch.Tensor) -> Candidates:
    return Candidates(
        targets=batch.targets,
        owners=batch.owners,
        known=batch.known,
        counts=batch.counts,
        log_popularity=log_popularity[batch.rows],
    )


def slot_by_slot(
    slots: list[int],
    predictions: list[tuple[int, int, torch.Tensor]],
    histories: list[list[int]],
    items: torch.Tensor,
    log_popularity: torch.Tensor,
) -> float:
    """``-log softmax_j(s_uj - log p_j)[i]`` over the slots of the batch, with plain numbers.

    Args:
        slots: Rows of the batch's slots, padding included as row 0.
        predictions: User, row of the target, user vector.
        histories: Each user's training rows.
        items: Vector of each row.
        log_popularity: Of each row.
    """
    total = 0.0
    for user, target, vector in predictions:

        def logit(row: int, vector: torch.Tensor = vector) -> float:
            return float(vector @ items[row]) - float(log_popularity[row])

        numerator = exp(logit(target))
        denominator = numerator  # one copy of the target: further ones are left out
        for row in slots:
            padding, copy, own = row == 0, row == target, row in histories[user]
            if not (padding or copy or own):
                denominator += exp(logit(row))
        total -= log(numerator / denominator)
    return total / len(predictions)


def two_ways(
    batch: Batch, slots: list[int], train: Interactions, num_items: int
) -> tuple[float, float]:
    """Return the loss of the package and of the slots."""
    items = vectors(num_items + 1, 1)
    outputs = vectors(len(batch.targets), 2)  # one user vector a prediction
    log_popularity = torch.rand(
        num_items + 1, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
    ).log()
    loss = in_batch_softmax(
        outputs,
        items[batch.rows],
        candidates_of(batch, log_popularity),
    )
    histories = [h.tolist() for h in np.split(train.rows, train.offsets[1:-1])]
    predictions = [
        (int(batch.users[owner]), int(batch.rows[target]), vector)
        for owner, target, vector in zip(batch.owners, batch.targets, outputs, strict=True)
    ]
    return float(loss), slot_by_slot(slots, predictions, histories, items, log_popularity)


def train_part() -> Interactions:
    """Few items, so that batches hold the same item many times, in one history too."""
    return worlds.random_split(num_users=40, num_items=12, seed=0, longest=9).train


def sequence_slots(batch: Batch, train: Interactions, max_history: int) -> Iterator[int]:
    """Each user's last ``max_history + 1`` items, left-padded to one length with row 0."""
    for user in batch.users.tolist():
        history = train.rows[train.offsets[user] : train.offsets[user + 1]].tolist()
        history = history[-max_history - 1 :]
        yield from [0] * (max_history + 1 - len(history)) + history


@pytest.mark.parametrize("max_history", [3, 20])
def test_sequences_agree_with_the_formula(max_history: int):
    train = train_part()
    rng = np.random.default_rng(0)
    for batch in sequence_batches(
        train, max_history=max_history, batch_size=16, rng=rng, columns=COLUMNS
    ):
        slots = list(sequence_slots(batch, train, max_history))
        found, expected = two_ways(batch, slots, train, num_items=12)
        assert found == pytest.approx(expected, abs=1e-10)


def test_pairs_agree_with_the_formula():
    train = train_part()
    for batch in pair_batches(train, batch_size=16, **given()):
        slots = batch.rows[batch.targets].tolist()
        found, expected = two_ways(batch, slots, train, num_items=12)
        assert found == pytest.approx(expected, abs=1e-10)


def test_further_copies_of_the_positive_are_no_negatives():
    """The released code's mistake 6: under DSSM they were."""
    train = worlds.interactions([[1], [1], [1], [2]])
    (batch,) = pair_batches(train, batch_size=9, **given())
    items, user = vectors(3, 1), torch.ones(4, DIM, dtype=torch.float64)
    loss = in_batch_softmax(
        user,
        items[batch.rows],
        candidates_of(batch, torch.zeros(3, dtype=torch.float64)),
    )
    one, two = float(items[1].sum()), float(items[2].sum())
    of_item_1 = -log(exp(one) / (exp(one) + exp(two)))  # against the one slot of item 2
    of_item_2 = -log(exp(two) / (3 * exp(one) + exp(two)))  # against three slots of item 1
    assert float(loss) == pytest.approx((3 * of_item_1 + of_item_2) / 4, abs=1e-12)


def test_a_user_whose_history_is_the_whole_batch_loses_nothing():
    items = vectors(2, 0).requires_grad_()
    loss = in_batch_softmax(
        vectors(1, 1),
        items,
        candidates(
            targets=torch.tensor([0]),
            counts=torch.tensor([2, 3]),
            log_popularity=torch.zeros(2, dtype=torch.float64),
            excluded=torch.ones(1, 2, dtype=torch.bool),
        ),
    )
    loss.backward()
    assert loss.item() == 0
    assert not items.grad.any()


def test_gradients_are_those_of_the_loss():
    settings = {
        "targets": torch.tensor([0, 2, 2]),
        "counts": torch.tensor([1, 2, 3]),
        "log_popularity": torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log(),
        "excluded": torch.tensor([[1, 1, 0], [0, 0, 1], [1, 0, 1]], dtype=torch.bool),
    }
    users, items = vectors(3, 0).requires_grad_(), vectors(3, 1).requires_grad_()
    wanted = candidates(**settings)
    assert torch.autograd.gradcheck(lambda u, i: in_batch_softmax(u, i, wanted), (users, items))
