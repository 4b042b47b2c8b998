"""The arm that compares: items whose vectors lie near those of the history. Nothing is learned."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tcf.data.batches import spans
from tcf.data.catalog import Catalog
from tcf.data.split import Targets
from tcf.encode.embeddings import Embeddings

__all__ = ["NearestNeighbour"]


class NearestNeighbour:
    """Scores an item by the cosine between its vector and the mean of the history's unit vectors.

    Args:
        embeddings: Vectors with their item ids.
        catalog: Items; the vectors are joined to its rows by item id.

    Raises:
        DataError: If an item of the catalogue has no vector, or the other way round.
    """

    def __init__(self, embeddings: Embeddings, catalog: Catalog):
        aligned = torch.from_numpy(embeddings.aligned(catalog))
        self._units = F.normalize(aligned.float())  # (num_items + 1, E), zeros for padding

    def score_blocks(self, targets: Targets, *, size: int) -> Iterator[Tensor]:
        """Yield ``(size, num_items)`` cosines, all in one place that is written again and again."""
        items = self._units[1:].t().contiguous()
        room = items.new_empty(size, items.shape[1])
        for start in range(0, len(targets), size):
            users = self._user_vectors(targets, slice(start, start + size))
            yield torch.mm(users, items, out=room[: len(users)])

    def _user_vectors(self, targets: Targets, tasks: slice) -> Tensor:
        starts, ends = targets.starts[tasks], targets.ends[tasks]
        _, rows = spans(targets.rows, starts, ends)
        firsts = np.concatenate(([0], np.cumsum(ends - starts)[:-1]))
        means = F.embedding_bag(
            torch.from_numpy(rows.astype(np.int64)),
            self._units,
            torch.from_numpy(firsts.astype(np.int64)),
            mode="mean",
        )
        return F.normalize(means)
