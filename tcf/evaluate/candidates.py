"""A target among a few random items: one set of candidates that every kind of ranker is asked."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike

from tcf.data.split import Targets
from tcf.errors import DataError
from tcf.evaluate.ledger import Ledger
from tcf.evaluate.ranking import BlockRanker, Ranker

__all__ = ["Candidates", "candidate_scores", "ledger_of_scores", "sample_candidates"]

_USERS = 64


@dataclass(frozen=True)
class Candidates:
    """Ranking tasks, and for each the items among which its target is to be found.

    Attributes:
        tasks: Ranking tasks; ``n`` of them.
        rows: ``(n, C)`` int32 item rows in the order shown: the target, and items that the user
            has not taken.

    Raises:
        DataError: If a task's candidates repeat an item, lack its target, or contain an item of
            its history.
    """

    tasks: Targets
    rows: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or len(self.rows) != len(self.tasks):
            raise DataError(
                f"candidates must be one line of rows for each of {len(self.tasks)} tasks; got "
                f"shape {self.rows.shape}"
            )
        for task, row in enumerate(self.rows):
            user = int(self.tasks.users[task])
            if len(np.unique(row)) != len(row):
                raise DataError(f"candidates must be distinct; those of user {user} repeat an item")
            if self.tasks.targets[task] not in row:
                raise DataError(f"candidates must hold the target; those of user {user} do not")
            known = np.intersect1d(row, self.history(task))
            if len(known):
                raise DataError(
                    "candidates must be items that the user has not taken; those of user "
                    f"{user} contain row {known[0]} of the history: leave such tasks out "
                    "(drop_tasks(repeated=True)), or draw with sample_candidates"
                )

    def __len__(self) -> int:
        """Return the number of tasks."""
        return len(self.rows)

    @property
    def num_candidates(self) -> int:
        """Number of candidates of each task, C."""
        return self.rows.shape[1]

    @property
    def places(self) -> np.ndarray:
        """``(n,)`` int64, 0-based place of each target among its candidates."""
        return np.argmax(self.rows == self.tasks.targets[:, None], axis=1)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of users, targets, histories and candidates in their order."""
        digest = hashlib.sha256()
        alone = self.tasks.alone()
        for array in (alone.users, alone.targets, alone.rows, alone.ends, self.rows):
            digest.update(np.ascontiguousarray(array, "<i8").tobytes() + b"\1")
        return digest.hexdigest()

    def history(self, task: int, *, last: int | None = None) -> np.ndarray:
        """Return the known rows of a task, oldest first; the ``last`` of them where it is given."""
        start, end = int(self.tasks.starts[task]), int(self.tasks.ends[task])
        return self.tasks.rows[start if last is None else max(start, end - last) : end]

    def shuffled(self, *, seed: int) -> "Candidates":
        """Return the same candidates in another order, drawn for each task."""
        rng = np.random.default_rng(seed)
        return replace(self, rows=rng.permuted(self.rows, axis=1))


def sample_candidates(
    tasks: Targets, *, num_items: int, num_users: int, num_candidates: int, seed: int
) -> Candidates:
    """Draw users, and for each its target among items drawn evenly from those it has not taken.

    A task whose target is among its known items is never drawn. Users, items and order have child
    seeds of their own, so that more candidates are asked of the same users.

    Args:
        tasks: Such as ``split.test``.
        num_items: Items of the catalogue.
        num_users: Tasks to draw; they keep their order.
        num_candidates: Of each task, the target counted.
        seed: Decides everything.

    Raises:
        ValueError: If there are fewer users than asked, or a user has not taken too few items.
    """
    fitting = np.flatnonzero(~tasks.target_in_history)
    if not 1 <= num_users <= len(fitting):
        raise ValueError(
            f"num_users must be within 1..{len(fitting)}, the tasks whose target is not in their "
            f"history ({len(tasks)} in all); got {num_users}"
        )
    if num_candidates < 2:
        raise ValueError(f"num_candidates must be at least 2; got {num_candidates}")
    draw_users, draw_items, draw_order = map(
        np.random.default_rng, np.random.SeedSequence(seed).spawn(3)
    )
    chosen = tasks.take(np.sort(draw_users.choice(fitting, num_users, replace=False)))
    rows = np.empty((num_users, num_candidates), np.int32)
    rows[:, 0] = chosen.targets
    for task in range(num_users):
        free = np.ones(num_items, bool)
        free[chosen.rows[chosen.starts[task] : chosen.ends[task]] - 1] = False
        free[chosen.targets[task] - 1] = False
        others = np.flatnonzero(free) + 1
        if len(others) < num_candidates - 1:
            raise ValueError(
                f"num_candidates must be at most {len(others) + 1} for user "
                f"{chosen.users[task]}, who has not taken more items; got {num_candidates}"
            )
        rows[task, 1:] = draw_items.choice(others, num_candidates - 1, replace=False)
    return Candidates(chosen, draw_order.permuted(rows, axis=1))


def candidate_scores(model: Ranker | BlockRanker, candidates: Candidates) -> np.ndarray:
    """Return the ``(n, C)`` scores of each task's candidates; the model reads the history alone.

    Args:
        model: As in `rank_targets`. A module is put in evaluation mode and back.
        candidates: Of `sample_candidates`.
    """
    training = isinstance(model, torch.nn.Module) and model.training
    if isinstance(model, torch.nn.Module):
        model.eval()
    columns = torch.from_numpy(candidates.rows.astype(np.int64) - 1)
    try:
        with torch.inference_mode():
            if isinstance(model, BlockRanker):
                blocks = model.score_blocks(candidates.tasks, size=_USERS)
                parts = [
                    block.gather(1, wanted.to(block.device))
                    for block, wanted in zip(blocks, columns.split(_USERS), strict=True)
                ]
            else:
                users, items = model.score_vectors(candidates.tasks)
                columns = columns.to(items.device)
                parts = [  # not a matrix product, so that equal items tie exactly
                    (part[:, None] * items[wanted]).sum(-1)
                    for part, wanted in zip(users.split(_USERS), columns.split(_USERS), strict=True)
                ]
            return torch.cat(parts).double().cpu().numpy()
    finally:
        if training and isinstance(model, torch.nn.Module):
            model.train()


def ledger_of_scores(scores: ArrayLike, candidates: Candidates) -> Ledger:
    """Rank each target among its candidates by ``(n, C)`` scores; ties stay ties.

    Raises:
        ValueError: If there is not one finite score for each candidate.
    """
    values = np.asarray(scores, np.float64)
    if values.shape != candidates.rows.shape:
        raise ValueError(
            f"scores must be of the candidates' shape {candidates.rows.shape}; got {values.shape}"
        )
    if not np.isfinite(values).all():
        task = int(np.flatnonzero(~np.isfinite(values).all(1))[0])
        raise ValueError(f"every score must be finite; task {task} has one that is not")
    own = values[np.arange(len(values)), candidates.places][:, None]
    rank = 1 + (values > own).sum(1)
    ties = (values == own).sum(1) - 1
    return Ledger(rank.astype(np.int32), ties.astype(np.int32))
