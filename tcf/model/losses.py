"""Losses: pure functions of user vectors, item vectors and what the predictions choose among."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tcf.model.chunked import ScoresOfDrawn, SoftmaxOverAll

MAX_LOGITS = 1 << 22  # in-batch logits at a time; a usual batch has fewer


@dataclass(frozen=True)
class Candidates:
    """What ``n`` predictions choose among, by column of ``(M, D)`` item vectors.

    Attributes:
        targets: ``(n,)`` column of each prediction's target.
        owners: ``(n,)`` the user of each prediction, rising.
        known: ``(2, P)`` user, rising, and column of the user's own training items.
        log_popularity: ``(M,)`` log of each item's share of the training interactions.
        counts: ``(M,)`` slots of the batch that hold each item, where columns are a batch's.
        negatives: ``(n, K)`` columns drawn for each prediction, where negatives are drawn. A
            prediction's own target among them stands for a draw that failed and is left out.
        num_items: Items that could have been drawn.
    """

    targets: Tensor
    owners: Tensor
    known: Tensor
    log_popularity: Tensor
    counts: Tensor | None = None
    negatives: Tensor | None = None
    num_items: int = 0


LossFunction = Callable[[Tensor, Tensor, Candidates], Tensor]
"""``(n, D)`` user vectors, ``(M, D)`` item vectors and the candidates -> a scalar, the mean."""


@dataclass(frozen=True)
class Loss:
    """A loss and what it needs.

    Attributes:
        function: Pure; see `LossFunction`.
        candidates: The columns it wants: the batch's own items, the whole catalogue (column by row,
            so that column 0 is padding), or the batch's with negatives drawn for each prediction.
        num_negatives: Where negatives are drawn, how many unless told otherwise.
        excludes_known: Leaves the user's other training items out. A batch or drawn negatives
            always do; over the catalogue it is a choice.
    """

    function: LossFunction
    candidates: Literal["batch", "catalog", "drawn"]
    num_negatives: int | None = None
    excludes_known: bool = True


def in_batch_softmax(users: Tensor, items: Tensor, candidates: Candidates) -> Tensor:
    """In-batch softmax with log-Q correction (the study's loss, "paper").

    For a prediction whose target is i, over the item slots of the batch,
    ``-log softmax_j(s_j - log p_j)[i]``, the user's other training items left out, further copies
    of the target too. Slots that hold the same item have the same logit, so each distinct item is
    one column whose logit gets ``log(count)`` added: the same sum with fewer terms.

    Source: Yi et al., RecSys 2019; masks of Li et al., arXiv 2305.11700.
    """
    size = max(1, MAX_LOGITS // len(items))
    if len(users) <= size:
        return _in_batch_sum(users, items, candidates) / len(users)
    # every block is made again in the backward pass, so that one at a time is in memory
    total = users.new_zeros(())
    for start in range(0, len(users), size):
        rows = slice(start, start + size)
        part = replace(candidates, targets=candidates.targets[rows], owners=candidates.owners[rows])
        total = total + checkpoint(
            _in_batch_sum, users[rows], items, part, use_reentrant=False, preserve_rng_state=False
        )
    return total / len(users)


def _in_batch_sum(users: Tensor, items: Tensor, candidates: Candidates) -> Tensor:
    targets, log_popularity = candidates.targets, candidates.log_popularity
    assert candidates.counts is not None
    log_counts = candidates.counts.to(users.dtype).log()  # integers alone would give float32
    logits = torch.addmm(log_counts - log_popularity, users, items.t())
    logits = logits.masked_fill(_known_columns(candidates), torch.finfo(logits.dtype).min)
    own = (users * items[targets]).sum(1) - log_popularity[targets]
    logits = logits.scatter(1, targets[:, None], own[:, None])  # one copy of the target, no more
    return F.cross_entropy(logits, targets, reduction="sum")


def _known_columns(candidates: Candidates) -> Tensor:
    """Return ``(n, M)`` bool, True where an item is in the training history of the owner."""
    owners, (users, columns) = candidates.owners, candidates.known
    first = int(owners[0])
    inside = (users >= first) & (users <= owners[-1])
    mask = torch.zeros(
        int(owners[-1]) - first + 1,
        len(candidates.log_popularity),
        dtype=torch.bool,
        device=owners.device,
    )
    mask[users[inside] - first, columns[inside]] = True
    return mask[owners - first]


def full_softmax(users: Tensor, items: Tensor, candidates: Candidates) -> Tensor:
    """Softmax over the whole catalogue: ``-log softmax_j(s_j)[target]``, j from column 1 on.

    Source: the multi-class loss of Klenitskiy & Vasilev, RecSys 2023, which leaves no item out.
    """
    return SoftmaxOverAll.apply(users, items, candidates.targets, None) / len(users)


def full_softmax_unknown(users: Tensor, items: Tensor, candidates: Candidates) -> Tensor:
    """`full_softmax` without the user's other training items."""
    owners, (known_users, columns) = candidates.owners, candidates.known
    # every known item of a user, once for each of the user's predictions
    starts = torch.searchsorted(known_users.contiguous(), owners.contiguous())
    ends = torch.searchsorted(known_users.contiguous(), owners.contiguous(), right=True)
    lengths = ends - starts
    predictions = torch.repeat_interleave(torch.arange(len(owners), device=owners.device), lengths)
    inside = torch.arange(len(predictions), device=owners.device)
    at = inside + (starts - (lengths.cumsum(0) - lengths))[predictions]
    excluded = torch.stack((predictions, columns[at]))
    return SoftmaxOverAll.apply(users, items, candidates.targets, excluded) / len(users)


def sampled_softmax(users: Tensor, items: Tensor, candidates: Candidates) -> Tensor:
    """Softmax over the target and the negatives drawn for it.

    Source: Jean et al., ACL 2015; with uniform draws the correction is one constant for all
    negatives and is left out, as in Zhai et al., ICML 2024.
    """
    own, drawn, real = _scores(users, items, candidates)
    drawn = drawn.masked_fill(~real, torch.finfo(drawn.dtype).min)
    logits = torch.cat((own[:, None], drawn), 1)
    return F.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.int64))


def gbce(users: Tensor, items: Tensor, candidates: Candidates, *, calibration: float = 0.75):
    """Binary cross-entropy over target and negatives, the target's probability to the power beta.

    ``beta = a (t (1 - 1 / a) + 1 / a)`` with ``a = K / (N - 1)``, the share of negatives that are
    drawn: 1 for ``t = 0`` (plain BCE), and calibrated probabilities for ``t = 1``.

    Args:
        users, items, candidates: As every loss.
        calibration: t, in [0, 1].

    Source: Petrov & Macdonald (gSASRec), RecSys 2023.
    """
    own, drawn, real = _scores(users, items, candidates)
    share = min(drawn.shape[1] / max(candidates.num_items - 1, 1), 1.0)
    beta = share * (calibration * (1 - 1 / share) + 1 / share)
    losses = beta * F.softplus(-own) + (F.softplus(drawn) * real).sum(1)
    return losses.mean() / (drawn.shape[1] + 1)


def bce(users: Tensor, items: Tensor, candidates: Candidates) -> Tensor:
    """Binary cross-entropy with uniform negatives (the study's alternative: one a positive).

    Source: Kang & McAuley, ICDM 2018.
    """
    own, drawn, real = _scores(users, items, candidates)
    return (F.softplus(-own) + (F.softplus(drawn) * real).sum(1)).mean()


def bpr(users: Tensor, items: Tensor, candidates: Candidates) -> Tensor:
    """``-log sigmoid(s_target - s_negative)``, averaged over the negatives.

    Source: Rendle et al., UAI 2009.
    """
    own, drawn, real = _scores(users, items, candidates)
    losses = (F.softplus(drawn - own[:, None]) * real).sum(1) / real.sum(1).clamp(min=1)
    return losses.mean()


def _scores(users: Tensor, items: Tensor, candidates: Candidates) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``(n,)`` scores of the targets, ``(n, K)`` of the drawn, and which of these count."""
    negatives, targets = candidates.negatives, candidates.targets[:, None]
    assert negatives is not None
    # together, so that items get one gradient and not two of their own size
    scores = ScoresOfDrawn.apply(users, items, torch.cat((targets, negatives), 1))
    return scores[:, 0], scores[:, 1:], negatives != targets


LOSSES = {
    "bce": Loss(bce, "drawn", num_negatives=1),
    "bpr": Loss(bpr, "drawn", num_negatives=1),
    "full_softmax": Loss(full_softmax, "catalog", excludes_known=False),
    "full_softmax_unknown": Loss(full_softmax_unknown, "catalog"),
    "gbce": Loss(gbce, "drawn", num_negatives=256),
    "in_batch_softmax": Loss(in_batch_softmax, "batch"),
    "sampled_softmax": Loss(sampled_softmax, "drawn", num_negatives=128),
}
