"""Exact rank of each target over the whole catalogue. Counts; never sorts."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tcf.data.batches import spans
from tcf.data.split import Targets
from tcf.evaluate.ledger import Ledger

_USERS = 64  # a block of scores, 64 x 20,000 in fp32, stays in cache
_WORDS = 240  # 8-byte words summed at once: no byte can count past 255


class Ranker(Protocol):
    """Anything whose scores are products of user and item vectors."""

    def score_vectors(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """Return ``(n, D)`` user and ``(num_items, D)`` item vectors, rows 1 to the last."""
        ...


def rank_targets(model: Ranker, targets: Targets) -> Ledger:
    """Rank each target among all items but the user's known ones; the target always stays in.

    Args:
        model: A `Recommender`, `Popularity`, or anything with ``score_vectors``. A module is put
            in evaluation mode and back.
        targets: Ranking tasks.

    Raises:
        ValueError: If a score is not finite.
    """
    training = isinstance(model, torch.nn.Module) and model.training
    if isinstance(model, torch.nn.Module):
        model.eval()
    try:
        with torch.inference_mode():
            users, items = model.score_vectors(targets)
            return count_ranks(users, items, targets)
    finally:
        if training and isinstance(model, torch.nn.Module):
            model.train()


def count_ranks(users: Tensor, items: Tensor, targets: Targets) -> Ledger:
    """Count, for each user, the candidates that score above the target and the same as the target.

    The target's score and the known items' scores are taken from the same block of products as the
    candidates', so that equal items tie exactly.

    Args:
        users: ``(n, D)``.
        items: ``(num_items, D)``, rows 1 to the last.
        targets: Ranking tasks, ``n`` of them.

    Raises:
        ValueError: If a score is not finite.
    """
    _check_finite(users, items)
    device = users.device
    columns = torch.from_numpy(targets.targets.astype(np.int64) - 1).to(device)
    owners, known = _distinct_known(targets, num_items=len(items))
    firsts = np.searchsorted(owners, np.arange(0, len(targets) + _USERS, _USERS))
    owners, known = (torch.from_numpy(a).to(device) for a in (owners, known))
    items = items.t().contiguous()
    count = _Counter(items.shape[1]) if device.type == "cpu" else _count
    room = users.new_empty(_USERS, items.shape[1])  # one block, written again and again
    greater = torch.empty(len(users), dtype=torch.int64, device=device)
    at_least = torch.empty_like(greater)
    for block, start in enumerate(range(0, len(users), _USERS)):
        part = slice(start, start + _USERS)
        scores = torch.mm(users[part], items, out=room[: len(users[part])])
        own = scores.gather(1, columns[part, None])  # (users, 1)
        seen = slice(int(firsts[block]), int(firsts[block + 1]))
        owner = owners[seen] - start
        seen_scores = scores[owner, known[seen]]
        for compare, counts in ((torch.gt, greater), (torch.ge, at_least)):
            masked = compare(seen_scores, own[owner, 0]).to(torch.int64)
            counts[part] = count(compare, scores, own).index_add(0, owner, masked, alpha=-1)
    ties = at_least - greater - 1  # the target is always at least itself
    return Ledger((greater + 1).to(torch.int32).cpu().numpy(), ties.to(torch.int32).cpu().numpy())


Compare = Callable[..., Tensor]  # torch.gt or torch.ge


def _count(compare: Compare, scores: Tensor, own: Tensor) -> Tensor:
    """Count, for each row of scores, those that compare so with the row's own."""
    return compare(scores, own).sum(1)


class _Counter:
    """`_count` for the CPU: a byte a comparison, then eight of them added at a time.

    NumPy compares several times faster than torch here, and the bytes of a 64-bit sum are eight
    counters (docs/decisions/0004).
    """

    def __init__(self, num_items: int):
        width = -(-num_items // (8 * _WORDS)) * 8 * _WORDS
        self.flags = np.zeros((_USERS, width), bool)

    def __call__(self, compare: Compare, scores: Tensor, own: Tensor) -> Tensor:
        flags = self.flags[: len(scores)]
        ufunc = {torch.gt: np.greater, torch.ge: np.greater_equal}[compare]
        ufunc(scores.numpy(), own.numpy(), out=flags[:, : scores.shape[1]])
        words = torch.from_numpy(flags.view(np.int64)).view(len(flags), -1, _WORDS).sum(2)
        return words.view(torch.uint8).view(len(flags), -1).sum(1)


def _distinct_known(targets: Targets, *, num_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (task, column) of every distinct known item that is not the task's target, by task."""
    tasks, rows = spans(targets.rows, targets.starts, targets.ends)
    keys = np.unique(tasks * num_items + rows - 1)
    tasks, columns = np.divmod(keys, num_items)
    others = columns != targets.targets[tasks] - 1
    return tasks[others], columns[others]


def _check_finite(users: Tensor, items: Tensor) -> None:
    """Raise if a product could be infinite or not a number.

    Finite vectors whose norms multiply to less than the largest number have finite products.
    """
    for name, vectors in (("user", users), ("item", items)):
        bad = ~torch.isfinite(vectors).all(1)
        if bad.any():
            raise ValueError(
                f"every score must be finite; {int(bad.sum())} of {len(bad)} {name} vectors hold "
                f"NaN or infinity, the first at {int(bad.nonzero()[0])}: training has diverged; "
                "lower the learning rate"
            )
    largest = users.double().norm(dim=1).max() * items.double().norm(dim=1).max()
    if largest >= torch.finfo(users.dtype).max:
        raise ValueError(
            "every score must be finite; vectors are so long that scores reach "
            f"{float(largest):.1e}: training has diverged; lower the learning rate"
        )
