"""The mean of a history: a user is what the items taken have in common."""

import torch
from torch import Tensor
from torch.nn import functional as F

from tcf.model.backbone import Backbone


class MeanHistory(Backbone):
    """Each place predicts with the mean of the items up to it; no parameters of its own.

    Whatever it learns is in the item vectors: what a text or a table tells without a model of
    users.

    Args:
        dim: Width D.
        max_history: The most items of input L.
    """

    def __init__(self, *, dim: int, max_history: int = 20):
        super().__init__()
        self.dim, self.max_history = dim, max_history

    def forward(self, users: Tensor, vectors: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, L, D)``; a padded place holds zeros."""
        items = F.embedding(history * mask, vectors) * mask[..., None]
        counts = mask.cumsum(1).clamp(min=1)[..., None]
        # half precision would lose what a long history adds
        return items.cumsum(1, dtype=torch.promote_types(items.dtype, torch.float32)) / counts
