"""DSSM: a user-ID tower against an item tower."""

from typing import Any, Literal

from torch import Tensor

from tcf.data.split import Split
from tcf.model.backbone import Backbone
from tcf.model.layers import embedding, mlp


class DSSM(Backbone):
    """Two towers: a user-ID embedding against item vectors, each with an optional MLP.

    Args:
        num_users: Number of users; each must be known at training.
        dim: Width D.
        num_layers: Layers of the MLP on either side; 0 leaves both out.
        dropout: Between those layers.

    Source: Huang et al., CIKM 2013; settings of Li et al., arXiv 2305.11700.
    """

    examples: Literal["sequences", "cloze", "pairs", "last"] = "pairs"
    max_history = 0
    user_tables = ("table.weight",)

    def __init__(self, *, num_users: int, dim: int, num_layers: int = 0, dropout: float = 0.1):
        super().__init__()
        self.dim = dim
        self.table = embedding(num_users, dim, sparse=True)
        self.user_mlp = mlp(dim, dim, num_layers=num_layers, dropout=dropout)
        self.item_mlp = mlp(dim, dim, num_layers=num_layers, dropout=dropout)

    @classmethod
    def of_split(cls, split: Split) -> dict[str, Any]:
        """Return the keywords that a split decides."""
        return {"num_users": split.num_users}

    def forward(self, users: Tensor, vectors: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, 1, D)``; the history is not looked at."""
        distinct, inverse = users.unique(return_inverse=True)
        return self.user_mlp(self.table(distinct))[inverse].unsqueeze(1)

    def items(self, vectors: Tensor) -> Tensor:
        """Return item vectors after the item side's MLP."""
        return self.item_mlp(vectors)
