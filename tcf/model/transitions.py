"""The arm that counts: what users took right after the item a user took last."""

from collections.abc import Iterator

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from tcf.data.split import Split, Targets

__all__ = ["Transitions"]


class Transitions:
    """Scores an item by how often it came right after the user's last item, in training.

    Items with the same count are ordered by their training interactions, which together weigh less
    than one count; what is equal in both stays tied.

    Args:
        split: Its training part is counted.
    """

    def __init__(self, split: Split):
        train, size = split.train, split.num_items + 1
        users = train.users()
        follows = users[1:] == users[:-1]
        before, after = train.rows[:-1][follows], train.rows[1:][follows]
        pairs = sparse.coo_array((np.ones(len(before)), (before, after)), shape=(size, size))
        self._counts = sparse.csr_array(pairs)  # sums what is there more than once
        popularity = train.item_counts(split.num_items).astype(np.float64)
        self._popularity = popularity / (popularity.max(initial=0) + 1)  # below one count

    def score_blocks(self, targets: Targets, *, size: int) -> Iterator[Tensor]:
        """Yield ``(size, num_items)`` scores, all in one place that is written again and again."""
        starts, ends = targets.starts, targets.ends
        last = np.where(ends > starts, targets.rows[np.maximum(ends, 1) - 1], 0)
        room = np.empty((size, len(self._popularity)))
        for start in range(0, len(last), size):
            counts = self._counts[last[start : start + size]].tocoo()  # row 0 holds no count
            scores = room[: counts.shape[0]]
            scores[:] = self._popularity
            scores[counts.row, counts.col] += counts.data
            yield torch.from_numpy(scores)[:, 1:]
