"""Products of many user vectors with many item vectors, a block at a time.

What is kept between forward and backward are vectors and their gradients, never scores: the
memory of a loss grows with predictions plus items, not with their product.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK_SCORES = 1 << 21  # 8 MB in fp32; see docs/decisions/0015 for all three
MIN_USERS = 16  # fewer would read the items from memory again for each
BLOCK_FLOATS = 1 << 18  # 1 MB of gathered vectors, for scores of drawn negatives


class SoftmaxOverAll(torch.autograd.Function):
    """The sum over predictions of ``-log softmax_j(u . v_j)[target]``, j over all items but 0.

    The gradient is made in the forward pass, while a block of scores is at hand, so that each
    block is computed once.
    """

    @staticmethod
    def forward(
        ctx: Any, users: Tensor, items: Tensor, targets: Tensor, excluded: Tensor | None
    ) -> Tensor:
        """Take ``(n, D)`` users, ``(N + 1, D)`` items, ``(n,)`` target columns.

        Column 0 is padding. ``excluded`` is ``(2, P)``: prediction, rising, and column of every
        score to leave out; a target is never left out.
        """
        size = max(1, min(len(users), max(BLOCK_SCORES // len(items), MIN_USERS)))
        room = users.new_empty(size, len(items))
        grad_users, grad_items = torch.empty_like(users), torch.zeros_like(items)
        total = users.new_zeros((), dtype=torch.float64)
        for start in range(0, len(users), size):
            part = users[start : start + size]
            goal = targets[start : start + size, None]
            scores = torch.mm(part, items.t(), out=room[: len(part)])
            scores[:, 0] = float("-inf")
            if excluded is not None:
                _leave_out(scores, excluded, start=start, targets=goal)
            own = scores.gather(1, goal)  # (b, 1)
            highest = scores.amax(1, keepdim=True)
            weights = scores.sub_(highest).exp_()
            sums = weights.sum(1, keepdim=True)
            total += (highest + sums.log() - own).sum(dtype=torch.float64)
            # d loss / d score_j = softmax_j - [j is the target]
            weights.scatter_add_(1, goal, -sums)
            torch.mm(weights, items, out=grad_users[start : start + size]).div_(sums)
            grad_items.addmm_(weights.t(), part / sums)
        ctx.save_for_backward(grad_users, grad_items)
        return total.to(users.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients of users and items."""
        grad_users, grad_items = ctx.saved_tensors
        (grad,) = grads
        return grad_users * grad, grad_items * grad, None, None


class ScoresOfDrawn(torch.autograd.Function):
    """``(n, K)`` scores ``u_i . v_c`` of the K columns drawn for each prediction.

    The gradients are weighted sums of rows, which `embedding_bag` makes without gathering them.
    """

    @staticmethod
    def forward(ctx: Any, users: Tensor, items: Tensor, columns: Tensor) -> Tensor:
        """Take ``(n, D)`` users, ``(M, D)`` items, ``(n, K)`` columns."""
        ctx.save_for_backward(users, items, columns)
        num, drawn = columns.shape
        scores = users.new_empty(num, 1, drawn)
        size = max(1, BLOCK_FLOATS // max(drawn * users.shape[1], 1))
        for start in range(0, num, size):
            rows = slice(start, start + size)
            gathered = F.embedding(columns[rows], items)  # (b, K, D)
            torch.bmm(users[rows, None, :], gathered.transpose(1, 2), out=scores[rows])
        return scores.squeeze(1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of users and items."""
        users, items, columns = ctx.saved_tensors
        (grad,) = grads
        grad_users = F.embedding_bag(columns, items, per_sample_weights=grad, mode="sum")
        order = columns.flatten().argsort(stable=True)
        counts = columns.flatten().bincount(minlength=len(items))
        starts = counts.cumsum(0) - counts
        grad_items = F.embedding_bag(
            order // columns.shape[1],  # the prediction that each column was drawn for
            users,
            starts,
            per_sample_weights=grad.flatten()[order],
            mode="sum",
        )
        return grad_users, grad_items, None


def _leave_out(scores: Tensor, excluded: Tensor, *, start: int, targets: Tensor) -> None:
    """Put minus infinity where a score of this block must not count, but for the target's own."""
    bounds = torch.tensor([start, start + len(scores)], device=excluded.device)
    first, last = torch.searchsorted(excluded[0].contiguous(), bounds).tolist()
    predictions, columns = excluded[0, first:last] - start, excluded[1, first:last]
    own = scores.gather(1, targets)
    scores[predictions, columns] = float("-inf")
    scores.scatter_(1, targets, own)
