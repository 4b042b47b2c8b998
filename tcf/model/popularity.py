"""The arm without a model: every user is offered what most users took."""

import torch
from torch import Tensor

from tcf.data.split import Split, Targets


class Popularity:
    """Scores an item by its number of training interactions; ties stay ties.

    Args:
        split: Its training part is counted.
    """

    def __init__(self, split: Split):
        counts = split.train.item_counts(split.num_items)[1:]
        self._counts = torch.from_numpy(counts).to(torch.float64)  # exact

    def score_vectors(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """Return ``(n, 1)`` ones and the ``(num_items, 1)`` counts."""
        return torch.ones(len(targets), 1, dtype=torch.float64), self._counts[:, None]
