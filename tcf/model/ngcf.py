"""NGCF: each step along the graph has its own weights and a product of both ends."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tcf.model.graph import Graph, GraphBackbone
from tcf.model.layers import Dropout, embedding, linear

__all__ = ["NGCF"]


class NGCF(GraphBackbone):
    """Layer k + 1 is ``leaky_relu(W1 (e + s) + W2 (s * e))``, s the sum over neighbours in layer k.

    What is scored is layers 0 to ``num_layers`` side by side, ``(num_layers + 1) * D`` wide. These
    are the paper's equations, without node dropout, which the released settings leave off. The
    released code adds biases, activates the two terms apart, and scores each layer at length 1.

    Args:
        graph: Of the training interactions.
        dim: Width D of each layer.
        num_layers: Steps along the edges.
        dropout: Of each layer's output ("message dropout").

    Source: Wang et al., arXiv 1905.08108, equations 3 to 9; slope 0.2 as in the released code.
    """

    def __init__(self, *, graph: Graph, dim: int, num_layers: int = 3, dropout: float = 0.1):
        super().__init__(graph=graph, dim=dim, num_layers=num_layers)
        self.users = embedding(graph.num_users, dim)
        self.sums = nn.ModuleList([linear(dim, dim, bias=False) for _ in range(num_layers)])
        self.products = nn.ModuleList([linear(dim, dim, bias=False) for _ in range(num_layers)])
        self.drop = Dropout(dropout)

    @property
    def width(self) -> int:
        """Floats of all layers together."""
        return (self.num_layers + 1) * self.dim

    def propagated(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return users and items as they are scored."""
        users, items = self.users.weight, vectors
        all_users, all_items = [users], [items]
        for layer in range(self.num_layers):
            near_users, near_items = self.graph.to_users(items), self.graph.to_items(users)
            users = self._layer(layer, users, near_users)
            items = self._layer(layer, items, near_items)
            all_users.append(users)
            all_items.append(items)
        return torch.cat(all_users, 1), torch.cat(all_items, 1)

    def _layer(self, layer: int, own: Tensor, near: Tensor) -> Tensor:
        mixed = self.sums[layer](own + near) + self.products[layer](own * near)
        return self.drop(F.leaky_relu(mixed, 0.2))
