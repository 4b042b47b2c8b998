"""Losses: pure functions of user vectors and item vectors."""

import torch
from torch import Tensor
from torch.nn import functional as F


def in_batch_softmax(
    user_vectors: Tensor,
    item_vectors: Tensor,
    *,
    targets: Tensor,
    counts: Tensor,
    log_popularity: Tensor,
    excluded: Tensor,
) -> Tensor:
    """Return the mean in-batch softmax loss with log-Q correction.

    For a prediction whose target is i, over the item slots of the batch,
    ``-log softmax_j(s_j - log p_j)[i]``, slots of excluded items left out, further copies of the
    target too. Slots that hold the same item have the same logit, so each distinct item is one
    column whose logit gets ``log(count)`` added: the same sum with fewer terms.

    Args:
        user_vectors: ``(n, D)``, one a prediction.
        item_vectors: ``(M, D)``, the distinct items of the batch.
        targets: ``(n,)`` column of each prediction's target.
        counts: ``(M,)`` slots of the batch that hold each item.
        log_popularity: ``(M,)`` log of each item's share of the training interactions.
        excluded: ``(n, M)`` bool; the target's own column is put back wherever it is excluded.

    Returns:
        Scalar.

    Source: Yi et al., RecSys 2019; masks of Li et al., arXiv 2305.11700.
    """
    log_counts = counts.to(user_vectors.dtype).log()  # integers alone would give float32
    logits = torch.addmm(log_counts - log_popularity, user_vectors, item_vectors.t())
    logits = logits.masked_fill(excluded, torch.finfo(logits.dtype).min)
    own = (user_vectors * item_vectors[targets]).sum(1) - log_popularity[targets]
    logits = logits.scatter(1, targets[:, None], own[:, None])  # one copy of the target, no more
    return F.cross_entropy(logits, targets)
