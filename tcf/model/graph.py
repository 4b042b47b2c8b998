"""The graph of users and items, and what all backbones that spread vectors along it share."""

import hashlib
from abc import abstractmethod
from typing import Any, Literal

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from tcf.data.split import Split
from tcf.model.backbone import Backbone

__all__ = ["Graph", "GraphBackbone"]

Edges = tuple[Tensor, Tensor, Tensor]
"""Neighbours, one node after the other; where each node's begin and end; the weights of both."""


class Graph(nn.Module):
    """An edge for each pair of a user and an item, of weight ``1 / sqrt(degree * degree)``.

    The edges are no part of saved weights; `key` says which they are.

    Args:
        users: ``(n,)`` users of the training interactions, and of no others.
        rows: ``(n,)`` their rows; a pair that occurs again is one edge.
        num_users: Users, those without an edge too.
        num_items: Items; row 0, padding, has no edge.

    Raises:
        ValueError: If an interaction is with padding.

    Source: He et al. (LightGCN), arXiv 2002.02126, equation 3.
    """

    def __init__(self, users: np.ndarray, rows: np.ndarray, *, num_users: int, num_items: int):
        super().__init__()
        if len(rows) and rows.min() < 1:
            raise ValueError(f"rows of a graph must be 1 or more, 0 is padding; got {rows.min()}")
        self.num_users, self.num_items = num_users, num_items
        pairs = np.unique(np.stack((users, rows), 1).astype("<i8"), axis=0)
        self.key = hashlib.sha256(pairs.tobytes()).hexdigest()
        counts = [
            np.bincount(pairs[:, side], minlength=size)
            for side, size in enumerate((num_users, num_items + 1))
        ]
        values = 1 / np.sqrt(counts[0][pairs[:, 0]] * counts[1][pairs[:, 1]])
        shape = num_users, num_items + 1
        of_users = sparse.csr_array((values, (pairs[:, 0], pairs[:, 1])), shape=shape)
        for side, edges in (("users", of_users), ("items", of_users.T.tocsr())):
            parts = {"neighbours": edges.indices, "bounds": edges.indptr, "weights": edges.data}
            for name, part in parts.items():
                held = torch.from_numpy(part.astype(np.float32) if name == "weights" else part)
                self.register_buffer(f"{side}_{name}", held, persistent=False)
        for name, count in zip(("user_degrees", "item_degrees"), counts, strict=True):
            degrees = torch.from_numpy(count.astype(np.float32))
            self.register_buffer(name, degrees[:, None], persistent=False)

    @property
    def num_edges(self) -> int:
        """Distinct pairs of a user and an item."""
        return len(self._edges("users")[0])

    def to_users(self, items: Tensor) -> Tensor:
        """Return ``(num_users, D)`` weighted sums of ``(num_items + 1, D)`` neighbours."""
        return _Spread.apply(items, self._edges("users"), self._edges("items"))

    def to_items(self, users: Tensor) -> Tensor:
        """Return ``(num_items + 1, D)`` weighted sums of ``(num_users, D)`` neighbours."""
        return _Spread.apply(users, self._edges("items"), self._edges("users"))

    def means(self, items: Tensor) -> Tensor:
        """Return ``(num_users, D)`` plain means of the neighbours; 0 where there is none."""
        of_users, of_items = self.get_buffer("user_degrees"), self.get_buffer("item_degrees")
        return self.to_users(items * of_items.sqrt()) * of_users.clamp(min=1).rsqrt()

    def _edges(self, side: Literal["users", "items"]) -> Edges:
        neighbours, bounds, weights = (
            self.get_buffer(f"{side}_{name}") for name in ("neighbours", "bounds", "weights")
        )
        return neighbours, bounds, weights


class _Spread(torch.autograd.Function):
    """A sparse matrix times a dense one, as a sum of bags; its gradient is that of the transpose.

    Three layers forward and backward take a seventh of the time of a sparse COO tensor's product,
    and a fifth of a CSR one's, whose transpose torch makes anew (docs/decisions/0020).
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, edges: Edges, back: Edges) -> Tensor:
        """Sum the ``(M, D)`` vectors of each node's neighbours by weight."""
        ctx.edges, ctx.back = edges, back
        neighbours, bounds, weights = edges
        return F.embedding_bag(
            neighbours,
            vectors.to(weights.dtype).contiguous(),
            bounds,
            mode="sum",
            per_sample_weights=weights,
            include_last_offset=True,
        )

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """Send gradients back along the same edges."""
        return _Spread.apply(grads[0], ctx.back, ctx.edges), None, None


class GraphBackbone(Backbone):
    """Vectors of users and items that come from all items, along the graph of training alone.

    Args:
        graph: Of the training interactions.
        dim: Width D of layer 0.
        num_layers: Steps along the edges; 0 changes nothing.
    """

    examples: Literal["sequences", "cloze", "pairs", "last"] = "pairs"
    max_history = 0

    def __init__(self, *, graph: Graph, dim: int, num_layers: int):
        super().__init__()
        if num_layers < 0:
            raise ValueError(f"num_layers must be 0 or more; got {num_layers}")
        self.graph, self.dim, self.num_layers = graph, dim, num_layers

    @classmethod
    def of_split(cls, split: Split) -> dict[str, Any]:
        """Return the keywords that a split decides."""
        train = split.train
        sizes = {"num_users": split.num_users, "num_items": split.num_items}
        return {"graph": Graph(train.users(), train.rows, **sizes)}

    def spread(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(num_users, W)`` users and ``(num_items + 1, W)`` items, as they are scored.

        Args:
            vectors: ``(num_items + 1, D)`` item vectors, those of all rows.

        Raises:
            ValueError: If these are not the vectors of all rows.
        """
        rows = self.graph.num_items + 1
        if len(vectors) != rows:
            raise ValueError(
                f"{type(self).__name__} spreads the vectors of all {rows} rows along its graph, "
                f"padding included; got {len(vectors)}: hand it tower.all()"
            )
        return self.propagated(vectors)

    @abstractmethod
    def propagated(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `spread` does, of vectors that are those of all rows."""

    def forward(self, users: Tensor, vectors: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, 1, W)``; the history is not looked at."""
        return self.spread(vectors)[0][users].unsqueeze(1)

    def items(self, vectors: Tensor) -> Tensor:
        """Return the vectors of all rows as scored."""
        return self.spread(vectors)[1]

    def extra_repr(self) -> str:
        """Return whose graph it is: saved weights fit no other."""
        return f"num_layers={self.num_layers}, graph={self.graph.key[:12]}"
