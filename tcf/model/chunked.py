"""Products of many user vectors with many item vectors, a block at a time.

What is kept between forward and backward are vectors and their gradients, never scores: the
memory of a loss grows with predictions plus items, not with their product.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK_SCORES = 1 << 19  # 2 MB in fp32: stays in a core's cache
BLOCK_FLOATS = 1 << 21  # gathered vectors, for scores of drawn negatives


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
        size = max(1, min(len(users), BLOCK_SCORES // len(items)))
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
    """``(n, K)`` scores ``u_i . v_c`` of the K columns drawn for each prediction."""

    @staticmethod
    def forward(ctx: Any, users: Tensor, items: Tensor, columns: Tensor) -> Tensor:
        """Take ``(n, D)`` users, ``(M, D)`` items, ``(n, K)`` columns."""
        ctx.save_for_backward(users, items, columns)
        scores = users.new_empty(columns.shape)
        for rows in _blocks(columns, width=users.shape[1]):
            drawn = F.embedding(columns[rows], items)  # (b, K, D)
            torch.bmm(drawn, users[rows, :, None], out=scores[rows, :, None])
        return scores

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of users and items."""
        users, items, columns = ctx.saved_tensors
        (grad,) = grads
        grad_users, grad_items = torch.empty_like(users), torch.zeros_like(items)
        for rows in _blocks(columns, width=users.shape[1]):
            drawn = F.embedding(columns[rows], items)
            torch.bmm(grad[rows, None, :], drawn, out=grad_users[rows, None, :])
            spread = grad[rows, :, None] * users[rows, None, :]
            grad_items.index_add_(0, columns[rows].flatten(), spread.flatten(0, 1))
        return grad_users, grad_items, None


def _blocks(columns: Tensor, *, width: int) -> list[slice]:
    size = max(1, BLOCK_FLOATS // max(columns.shape[1] * width, 1))
    return [slice(start, start + size) for start in range(0, len(columns), size)]


def _leave_out(scores: Tensor, excluded: Tensor, *, start: int, targets: Tensor) -> None:
    """Put minus infinity where a score of this block must not count, but for the target's own."""
    bounds = torch.tensor([start, start + len(scores)], device=excluded.device)
    first, last = torch.searchsorted(excluded[0].contiguous(), bounds).tolist()
    predictions, columns = excluded[0, first:last] - start, excluded[1, first:last]
    own = scores.gather(1, targets)
    scores[predictions, columns] = float("-inf")
    scores.scatter_(1, targets, own)
