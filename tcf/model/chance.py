"""The arm that knows nothing: every item is as good as any other."""

import torch
from torch import Tensor

from tcf.data.split import Split, Targets

__all__ = ["Chance"]


class Chance:
    """Scores all items alike, so that all candidates tie with the target.

    Metrics are means over a random order of ties, in closed form: those of a random ranking, with
    nothing drawn.

    Args:
        split: Says how many items there are.
    """

    def __init__(self, split: Split):
        self._num_items = split.num_items

    def score_vectors(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """Return ``(n, 1)`` and ``(num_items, 1)`` ones."""
        return torch.ones(len(targets), 1), torch.ones(self._num_items, 1)
