"""Token states to one vector a text: pure functions, right under left and right padding."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["POOLINGS", "first_token", "last_token", "mean"]


def mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average over the real tokens, special tokens such as [CLS] and </s> included.

    Args:
        hidden: ``(B, T, E)`` token states.
        mask: ``(B, T)``, 1 for a real token and 0 for padding; each text has at least one token.

    Returns:
        ``(B, E)`` float32; float64 for states of that precision.

    Source: what sentence-transformers' ``Pooling(pooling_mode="mean")`` computes.
    """
    weight = mask.unsqueeze(-1).to(hidden.device).bool()
    # Padding states may be anything, infinities included: replaced, not multiplied by 0.
    total = _at_least_float32(hidden).masked_fill(~weight, 0.0).sum(dim=1)
    return total / weight.sum(dim=1)


def last_token(hidden: Tensor, mask: Tensor) -> Tensor:
    """State of the last real token: for a causal model the only one that has read the whole text.

    Args and result as `mean`. For models whose tokenizer closes a text, it is that closing token.
    """
    length = mask.shape[1]
    last = length - 1 - mask.int().flip(1).argmax(dim=1)
    return _take(hidden, last)


def first_token(hidden: Tensor, mask: Tensor) -> Tensor:
    """State of the first real token: [CLS] for BERT-like models.

    Args and result as `mean`.
    """
    return _take(hidden, mask.int().argmax(dim=1))


def _take(hidden: Tensor, position: Tensor) -> Tensor:
    index = position.to(hidden.device).view(-1, 1, 1).expand(-1, 1, hidden.shape[-1])
    return _at_least_float32(hidden.gather(1, index).squeeze(1))


def _at_least_float32(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "first_token": first_token,
    "last_token": last_token,
    "mean": mean,
}
