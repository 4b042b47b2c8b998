"""BERT4Rec: self-attention in both directions, hidden items are predicted from all others."""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from tcf.model.layers import embedding
from tcf.model.transformer import Transformer


class BERT4Rec(Transformer):
    """Bidirectional self-attention that learns to fill in hidden items.

    The next item is asked for by a hidden place after the history. A user vector is scored with
    the item vectors themselves; the source has a further layer and a bias for each item there.

    Args:
        dim: Width D.
        num_layers: Transformer blocks.
        num_heads: Attention heads; must divide ``dim``.
        max_history: The most places L, the hidden one at the end among them.
        dropout: On the input, after each sub-layer and, with ``norm="post"``, in attention.
        hidden_share: Chance of an item to be hidden in training, in (0, 1).
        norm: Where the norms stand; the source has them after each part.

    Raises:
        ValueError: If ``hidden_share`` is not between 0 and 1, ``max_history`` is below 2, or
            ``num_heads`` does not divide ``dim``.

    Source: Sun et al., CIKM 2019.
    """

    examples: Literal["sequences", "cloze", "pairs", "last"] = "cloze"
    causal = False

    def __init__(
        self,
        *,
        dim: int,
        num_layers: int = 2,
        num_heads: int = 2,
        max_history: int = 20,
        dropout: float = 0.1,
        hidden_share: float = 0.2,
        norm: Literal["post", "pre"] = "pre",
    ):
        if not 0 < hidden_share < 1:
            raise ValueError(f"hidden_share must be between 0 and 1; got {hidden_share}")
        if max_history < 2:
            raise ValueError(
                f"max_history must be at least 2, an item and the hidden place; got {max_history}"
            )
        super().__init__(
            dim=dim,
            num_layers=num_layers,
            num_heads=num_heads,
            max_history=max_history,
            dropout=dropout,
            norm=norm,
        )
        self.hidden_share = hidden_share
        self.hidden = embedding(1, dim)

    def inputs(self, vectors: Tensor, columns: Tensor) -> Tensor:
        """Return ``(n, D)``: item vectors, and the one learned vector where an item is hidden."""
        items = vectors.index_select(0, columns.clamp(min=0))
        return items.where((columns >= 0)[:, None], self.hidden.weight)

    def user_vectors(self, users: Tensor, vectors: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, D)``, what stands in a hidden place after the last items."""
        history = F.pad(history, (0, 1), value=-1)[:, -self.max_history :]
        mask = F.pad(mask, (0, 1), value=True)[:, -self.max_history :]
        return self(users, vectors, history, mask)[:, -1]
