"""Split -> batches of item rows. Gathers from two flat arrays; nothing per example in Python."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from tcf.data.catalog import Interactions
from tcf.data.split import Targets


@dataclass(frozen=True)
class Batch:
    """One training step. Items are named by their column among the batch's distinct rows.

    Attributes:
        users: ``(B,)`` user index.
        rows: ``(M,)`` distinct item rows of the batch, rising.
        counts: ``(M,)`` how many slots of the batch hold each of them.
        history: ``(B, L)`` columns, left-padded; what a padded place holds means nothing.
        mask: ``(B, L)`` bool, True where ``history`` holds an item.
        positions: ``(n,)`` where each prediction is made, an index into the ``B * P`` outputs.
        targets: ``(n,)`` column to predict there.
        owners: ``(n,)`` which of the B users each prediction belongs to.
        known: ``(B, M)`` bool, True where the item is in the user's own training history.
    """

    users: Tensor
    rows: Tensor
    counts: Tensor
    history: Tensor
    mask: Tensor
    positions: Tensor
    targets: Tensor
    owners: Tensor
    known: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return Batch(*(getattr(self, f.name).to(device) for f in fields(self)))


def windows(rows: np.ndarray, starts: np.ndarray, ends: np.ndarray, *, length: int) -> np.ndarray:
    """Return the last rows of each span, left-padded with 0 and cut to the longest span.

    Args:
        rows: ``(M,)`` flat rows.
        starts: ``(B,)``.
        ends: ``(B,)``; span ``b`` is ``rows[starts[b]:ends[b]]``.
        length: The most rows to take of a span.

    Returns:
        ``(B, min(length, longest span))``.
    """
    length = min(length, int((ends - starts).max(initial=0)))
    positions = ends[:, None] - np.arange(length, 0, -1)
    return np.where(positions >= starts[:, None], rows[np.maximum(positions, 0)], 0)


def sequence_batches(
    train: Interactions, *, max_history: int, batch_size: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """Yield every user once, in random order; each place of the history predicts the next item.

    Args:
        train: Training interactions.
        max_history: The most items of input; one more is taken, to be predicted.
        batch_size: Users a batch.
        rng: Decides the order.
    """
    order = rng.permutation(np.flatnonzero(train.counts() >= 2))
    for start in range(0, len(order), batch_size):
        users = order[start : start + batch_size]
        sequences = windows(
            train.rows, train.offsets[users], train.offsets[users + 1], length=max_history + 1
        )
        history, targets = sequences[:, :-1], sequences[:, 1:]
        positions = np.flatnonzero(history)
        yield _batch(
            train,
            users,
            slots=sequences[sequences != 0],
            history=history,
            positions=positions,
            targets=targets.ravel()[positions],
            owners=positions // history.shape[1],
        )


def pair_batches(
    train: Interactions, *, batch_size: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """Yield every training interaction once, as a (user, item) pair, in random order."""
    users_of = train.users()
    order = rng.permutation(train.num_interactions)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        users, targets = users_of[chosen], train.rows[chosen]
        places = np.arange(len(chosen))
        yield _batch(
            train,
            users,
            slots=targets,
            history=np.zeros((len(chosen), 0), np.int32),
            positions=places,
            targets=targets,
            owners=places,
        )


def _batch(
    train: Interactions,
    users: np.ndarray,
    *,
    slots: np.ndarray,
    history: np.ndarray,
    positions: np.ndarray,
    targets: np.ndarray,
    owners: np.ndarray,
) -> Batch:
    rows, counts = np.unique(slots, return_counts=True)
    known_users, known_rows = spans(train.rows, train.offsets[users], train.offsets[users + 1])
    columns = np.searchsorted(rows, known_rows)
    found = rows[np.minimum(columns, len(rows) - 1)] == known_rows
    known = np.zeros((len(users), len(rows)), bool)
    known[known_users[found], columns[found]] = True
    return Batch(
        users=torch.from_numpy(users),
        rows=torch.from_numpy(rows.astype(np.int64)),
        counts=torch.from_numpy(counts),
        history=torch.from_numpy(np.searchsorted(rows, history)),
        mask=torch.from_numpy(history != 0),
        positions=torch.from_numpy(positions),
        targets=torch.from_numpy(np.searchsorted(rows, targets)),
        owners=torch.from_numpy(owners),
        known=torch.from_numpy(known),
    )


def spans(rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which span each element belongs to, and the elements, of several spans of ``rows``."""
    lengths = ends - starts
    firsts = np.cumsum(lengths) - lengths
    inside = np.arange(lengths.sum()) + np.repeat(starts - firsts, lengths)
    return np.repeat(np.arange(len(lengths)), lengths), rows[inside]


def target_histories(targets: Targets, tasks: slice, *, max_history: int) -> Tensor:
    """Return the ``(n, L)`` input rows of a slice of ranking tasks, left-padded with 0."""
    return torch.from_numpy(
        windows(
            targets.rows, targets.starts[tasks], targets.ends[tasks], length=max_history
        ).astype(np.int64)
    )
