"""Exact rank of each target over the whole catalogue. Counts; never sorts."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from tcf.data.batches import spans
from tcf.data.hashing import distinct
from tcf.data.split import Targets
from tcf.evaluate.ledger import Ledger
from tcf.evaluate.top_k import TopK

_USERS = 64  # a block of scores, 64 x 20,000 in fp32, stays in cache
_WORDS = 240  # 8-byte words summed at once: no byte can count past 255


class Ranker(Protocol):
    """Anything whose scores are products of user and item vectors."""

    def score_vectors(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """Return ``(n, D)`` user and ``(num_items, D)`` item vectors, rows 1 to the last."""
        ...


@runtime_checkable
class BlockRanker(Protocol):
    """Anything that scores all items for a few users at a time."""

    def score_blocks(self, targets: Targets, *, size: int) -> Iterator[Tensor]:
        """Yield ``(size, num_items)`` scores of rows 1 to the last, task after task.

        The last block may be shorter; a block is read before the next one is asked for.
        """
        ...


def rank_targets(model: Ranker | BlockRanker, targets: Targets) -> Ledger:
    """Rank each target among all items but the user's known ones; the target always stays in.

    Args:
        model: A `Recommender`, `Popularity`, or anything with ``score_vectors`` or
            ``score_blocks``. A module is put in evaluation mode and back.
        targets: Ranking tasks.

    Raises:
        ValueError: If a score is not finite.
    """
    return _rank(model, targets, None)


def rank_and_list(
    model: Ranker | BlockRanker, targets: Targets, *, k: int
) -> tuple[Ledger, np.ndarray]:
    """`rank_targets`, and the best ``k`` candidates of each task from the same pass over scores.

    The candidates are those of the ranking: all items but the user's known ones, and the target.
    Ties are ordered by row, the lower first: what a list needs and a rank does not.

    Args:
        model: As in `rank_targets`.
        targets: Ranking tasks.
        k: Length of a list, in items.

    Returns:
        The ledger of `rank_targets`, and ``(n, k)`` int32 item rows, best first; 0 where a user has
        fewer candidates.

    Raises:
        ValueError: If a score is not finite or ``k`` is below 1.
    """
    top = TopK(len(targets), k=k)
    return _rank(model, targets, top), top.rows


def _rank(model: Ranker | BlockRanker, targets: Targets, top: TopK | None) -> Ledger:
    training = isinstance(model, torch.nn.Module) and model.training
    if isinstance(model, torch.nn.Module):
        model.eval()
    try:
        with torch.inference_mode():
            if isinstance(model, BlockRanker):
                blocks = model.score_blocks(targets, size=_USERS)
                return _count_blocks(_checked(blocks, num_tasks=len(targets)), targets, top)
            return count_ranks(*model.score_vectors(targets), targets, top=top)
    finally:
        if training and isinstance(model, torch.nn.Module):
            model.train()


def count_ranks(
    users: Tensor, items: Tensor, targets: Targets, *, top: TopK | None = None
) -> Ledger:
    """Count, for each user, the candidates that score above the target and the same as the target.

    The target's score and the known items' scores are taken from the same block of products as the
    candidates', so that equal items tie exactly.

    Args:
        users: ``(n, D)``.
        items: ``(num_items, D)``, rows 1 to the last.
        targets: Ranking tasks, ``n`` of them.
        top: Reads each block of scores as well.

    Raises:
        ValueError: If a score is not finite.
    """
    _check_finite(users, items)
    return _count_blocks(_products(users, items), targets, top)


def _products(users: Tensor, items: Tensor) -> Iterator[Tensor]:
    """Yield blocks of the products of vectors, all in one place that is written again and again."""
    items = items.t().contiguous()
    room = users.new_empty(_USERS, items.shape[1])
    for part in users.split(_USERS):
        yield torch.mm(part, items, out=room[: len(part)])


def _checked(blocks: Iterable[Tensor], *, num_tasks: int) -> Iterator[Tensor]:
    """Yield blocks of scores, each checked: what products of finite vectors need no check for."""
    start = 0
    for scores in blocks:
        expected = min(_USERS, num_tasks - start)
        if len(scores) != expected:
            raise ValueError(
                f"score_blocks must yield {expected} rows for the tasks from {start} on; "
                f"got {len(scores)}"
            )
        bad = ~torch.isfinite(scores).all(1)
        if bad.any():
            raise ValueError(
                f"every score must be finite; task {start + int(bad.nonzero()[0])} has "
                "NaN or infinity among its scores"
            )
        yield scores
        start += expected
    if start < num_tasks:
        raise ValueError(
            f"score_blocks must yield a row for each of {num_tasks} tasks; got {start}"
        )


def _count_blocks(blocks: Iterable[Tensor], targets: Targets, top: TopK | None) -> Ledger:
    """Count in blocks of scores of ``_USERS`` tasks each, and let ``top`` read them too."""
    columns = torch.from_numpy(targets.targets.astype(np.int64) - 1)
    owners, known = _distinct_known(targets)
    firsts = np.searchsorted(owners, np.arange(0, len(targets) + _USERS, _USERS))
    counts: dict[Compare, list[Tensor]] = {torch.gt: [], torch.ge: []}
    count: Count | None = None
    for block, scores in enumerate(blocks):
        device, start = scores.device, block * _USERS
        if count is None:
            count = _Counter(scores.shape[1]) if device.type == "cpu" else _count
        own = scores.gather(1, columns[start : start + len(scores), None].to(device))  # (users, 1)
        seen = slice(int(firsts[block]), int(firsts[block + 1]))
        owner = torch.from_numpy(owners[seen] - start).to(device)
        seen_scores = scores[owner, torch.from_numpy(known[seen]).to(device)]
        for compare, parts in counts.items():
            masked = compare(seen_scores, own[owner, 0]).to(torch.int64)
            parts.append(count(compare, scores, own).index_add(0, owner, masked, alpha=-1))
        if top is not None:
            top.read(scores, start, owners=owners[seen] - start, known=known[seen])
    greater, at_least = (torch.cat(parts) for parts in counts.values())
    ties = at_least - greater - 1  # the target is always at least itself
    return Ledger((greater + 1).to(torch.int32).cpu().numpy(), ties.to(torch.int32).cpu().numpy())


Compare = Callable[..., Tensor]  # torch.gt or torch.ge
Count = Callable[[Compare, Tensor, Tensor], Tensor]


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


def _distinct_known(targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    """Return (task, column) of every distinct known item that is not the task's target, by task."""
    tasks, rows = spans(targets.rows, targets.starts, targets.ends)
    last = int(rows.max(initial=1))
    keys = distinct(tasks * last + rows - 1)
    tasks, columns = np.divmod(keys, last)
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
