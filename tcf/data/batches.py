"""Split -> batches of item rows. Gathers from two flat arrays; nothing per example in Python."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tcf.data.catalog import Interactions
from tcf.data.columns import Columns
from tcf.data.spans import span_places
from tcf.data.split import Targets


@dataclass(frozen=True)
class Batch:
    """One training step. Items are named by their column among those that the batch looks at.

    Attributes:
        users: ``(B,)`` user index.
        rows: ``(M,)`` item row of each column, rising; None: the whole catalogue, column by row.
        counts: ``(M,)`` how many slots of the batch hold each of them; None for the catalogue.
        history: ``(B, L)`` columns, left-padded; what a padded place holds means nothing. -1 is
            a hidden item (`cloze_batches`).
        mask: ``(B, L)`` bool, True where ``history`` holds an item.
        positions: ``(n,)`` where each prediction is made, an index into the ``B * P`` outputs.
        targets: ``(n,)`` column to predict there.
        owners: ``(n,)`` which of the B users each prediction belongs to, rising.
        known: ``(2, P)`` the user of the batch, rising, and the column of every item of a user's
            own training history that has a column.
        negatives: ``(n, K)`` columns drawn for each prediction, or None; its own target among them
            stands for a draw that failed.
    """

    users: Tensor
    rows: Tensor | None
    counts: Tensor | None
    history: Tensor
    mask: Tensor
    positions: Tensor
    targets: Tensor
    owners: Tensor
    known: Tensor
    negatives: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        held: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {n: v if v is None else v.to(device) for n, v in held.items()}
        return Batch(**moved)


def windows(rows: np.ndarray, starts: np.ndarray, ends: np.ndarray, *, length: int) -> np.ndarray:
    """Return the last rows of each span, left-padded with 0 and cut to the longest span.

    Args:
        rows: ``(M,)`` flat rows.
        starts: ``(B,)``.
        ends: ``(B,)``; span ``b`` is ``rows[starts[b]:ends[b]]``.
        length: The most rows to take of a span.

    Returns:
        ``(B, min(length, longest span))``; a column of padding where all spans are empty.
    """
    length = min(length, int((ends - starts).max(initial=1)))
    rows = rows if len(rows) else np.zeros(1, np.int32)
    positions = ends[:, None] - np.arange(length, 0, -1)
    return np.where(positions >= starts[:, None], rows[np.maximum(positions, 0)], 0)


def sequence_batches(
    train: Interactions,
    *,
    max_history: int,
    batch_size: int,
    rng: np.random.Generator,
    columns: Columns,
) -> Iterator[Batch]:
    """Yield every user once, in random order; each place of the history predicts the next item.

    Args:
        train: Training interactions.
        max_history: The most items of input; one more is taken, to be predicted.
        batch_size: Users a batch.
        rng: Decides the order.
        columns: Chooses what predictions choose among.
    """
    for users in _shuffled(train, rng=rng, batch_size=batch_size):
        sequences = _sequences(train, users, length=max_history + 1)
        history, targets = sequences[:, :-1], sequences[:, 1:]
        positions = np.flatnonzero(history)
        yield _batch(
            train,
            users,
            columns,
            slots=sequences,
            history=history,
            positions=positions,
            targets=targets.ravel()[positions],
            owners=positions // history.shape[1],
        )


def cloze_batches(
    train: Interactions,
    *,
    max_history: int,
    batch_size: int,
    rng: np.random.Generator,
    columns: Columns,
    hidden_share: float,
) -> Iterator[Batch]:
    """Yield every user once, in random order; hidden items are predicted from all others.

    Each item of a history is hidden with the same chance. Where that hides none, the last one is:
    it is the one that is asked for later.

    Args:
        train: Training interactions.
        max_history: The most items of input.
        batch_size: Users a batch.
        rng: Decides the order and what is hidden.
        columns: Chooses what predictions choose among.
        hidden_share: Chance of an item to be hidden, in (0, 1).

    Source: Sun et al. (BERT4Rec), CIKM 2019.
    """
    for users in _shuffled(train, rng=rng, batch_size=batch_size):
        sequences = _sequences(train, users, length=max_history)
        hidden = (rng.random(sequences.shape) < hidden_share) & (sequences != 0)
        hidden[:, -1] |= ~hidden.any(1)
        positions = np.flatnonzero(hidden)
        yield _batch(
            train,
            users,
            columns,
            slots=sequences,
            history=np.where(hidden, -1, sequences),
            positions=positions,
            targets=sequences.ravel()[positions],
            owners=positions // sequences.shape[1],
        )


def last_batches(
    train: Interactions,
    *,
    max_history: int,
    batch_size: int,
    rng: np.random.Generator,
    columns: Columns,
) -> Iterator[Batch]:
    """Yield every user once, in random order; what came before predicts the last item.

    Args:
        train: Training interactions.
        max_history: The most items of input; one more is taken, to be predicted.
        batch_size: Users a batch.
        rng: Decides the order.
        columns: Chooses what predictions choose among.
    """
    for users in _shuffled(train, rng=rng, batch_size=batch_size):
        sequences = _sequences(train, users, length=max_history + 1)
        places = np.arange(len(users))
        yield _batch(
            train,
            users,
            columns,
            slots=sequences,
            history=sequences[:, :-1],
            positions=places,
            targets=sequences[:, -1],
            owners=places,
        )


def pair_batches(
    train: Interactions, *, batch_size: int, rng: np.random.Generator, columns: Columns
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
            columns,
            slots=targets[:, None],
            history=np.zeros((len(chosen), 0), np.int32),
            positions=places,
            targets=targets,
            owners=places,
        )


def _shuffled(
    train: Interactions, *, rng: np.random.Generator, batch_size: int
) -> Iterator[np.ndarray]:
    """Yield the users with two interactions or more, a batch at a time."""
    order = rng.permutation(np.flatnonzero(train.counts() >= 2))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def _sequences(train: Interactions, users: np.ndarray, *, length: int) -> np.ndarray:
    """Return the ``(B, <= length)`` last rows of each user, left-padded with 0."""
    return windows(train.rows, train.offsets[users], train.offsets[users + 1], length=length)


def _batch(
    train: Interactions,
    users: np.ndarray,
    columns: Columns,
    *,
    slots: np.ndarray,
    history: np.ndarray,
    positions: np.ndarray,
    targets: np.ndarray,
    owners: np.ndarray,
) -> Batch:
    """Lay out a batch; ``slots`` ``(B, S)`` are its items, padding included as row 0."""
    known_users, known_rows = spans(train.rows, train.offsets[users], train.offsets[users + 1])
    real = slots[slots != 0]
    laid = columns.lay_out(real, targets=targets, owners=owners, known=(known_users, known_rows))
    found = laid.has(known_rows)
    known = np.stack((known_users[found], laid.of(known_rows[found])))
    return Batch(
        users=torch.from_numpy(users),
        rows=None if laid.rows is None else torch.from_numpy(laid.rows),
        counts=None if laid.rows is None else _counts(laid.of(real), len(laid.rows)),
        history=torch.from_numpy(laid.of(history)),
        mask=torch.from_numpy(history != 0),
        positions=torch.from_numpy(positions),
        targets=torch.from_numpy(laid.of(targets)),
        owners=torch.from_numpy(owners),
        known=torch.from_numpy(known),
        negatives=None if laid.negatives is None else torch.from_numpy(laid.negatives),
    )


def _counts(columns: np.ndarray, num_columns: int) -> Tensor:
    return torch.from_numpy(np.bincount(columns, minlength=num_columns))


def spans(rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which span each element belongs to, and the elements, of several spans of ``rows``."""
    owners = np.repeat(np.arange(len(starts)), ends - starts)
    return owners, rows[span_places(starts, ends)]


def target_histories(targets: Targets, tasks: slice, *, max_history: int) -> Tensor:
    """Return the ``(n, L)`` input rows of a slice of ranking tasks, left-padded with 0."""
    return torch.from_numpy(
        windows(
            targets.rows, targets.starts[tasks], targets.ends[tasks], length=max_history
        ).astype(np.int64)
    )
