"""LightGCN and AlphaRec: means of what a few steps along the graph give."""

from torch import Tensor

from tcf.model.graph import Graph, GraphBackbone
from tcf.model.layers import embedding

__all__ = ["AlphaRec", "LightGCN"]


class LightGCN(GraphBackbone):
    """A learned vector a user beside the item vectors; the mean of layers 0 to ``num_layers``.

    Args:
        graph: Of the training interactions.
        dim: Width D.
        num_layers: Steps along the edges.

    Source: He et al., arXiv 2002.02126.
    """

    def __init__(self, *, graph: Graph, dim: int, num_layers: int = 3):
        super().__init__(graph=graph, dim=dim, num_layers=num_layers)
        self.users = embedding(graph.num_users, dim)

    def propagated(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return users and items as they are scored."""
        return _mean_of_layers(self.graph, self.users.weight, vectors, num_layers=self.num_layers)


class AlphaRec(GraphBackbone):
    """Users start as the mean of their training items' vectors, and then as in LightGCN.

    It has no parameters: what it learns is the tower's map of the text. Equal to the paper's model
    over a linear map; over an MLP users are means of mapped vectors here, mapped means there.

    Args:
        graph: Of the training interactions.
        dim: Width D.
        num_layers: Steps along the edges.

    Source: Sheng et al., arXiv 2407.05441.
    """

    def __init__(self, *, graph: Graph, dim: int, num_layers: int = 2):
        super().__init__(graph=graph, dim=dim, num_layers=num_layers)

    def propagated(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return users and items as they are scored."""
        users = self.graph.means(vectors)
        return _mean_of_layers(self.graph, users, vectors, num_layers=self.num_layers)


def _mean_of_layers(
    graph: Graph, users: Tensor, items: Tensor, *, num_layers: int
) -> tuple[Tensor, Tensor]:
    """Return the means over layers 0 to ``num_layers`` (LightGCN, equations 3 and 4)."""
    sum_users, sum_items = users, items
    for _ in range(num_layers):
        users, items = graph.to_users(items), graph.to_items(users)
        sum_users, sum_items = sum_users + users, sum_items + items
    return sum_users / (num_layers + 1), sum_items / (num_layers + 1)
