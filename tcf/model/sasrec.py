"""SASRec: self-attention over the history, each place predicts the next item."""

from typing import Literal

from torch import Tensor

from tcf.model.transformer import Transformer


class SASRec(Transformer):
    """Self-attentive sequential recommender.

    ``norm="post"`` is the study's; ``norm="pre"`` puts the norms before each part and one at the
    end, uses GELU and torch's own attention, and drops no attention weights
    (docs/decisions/0012).

    Args:
        dim: Width D.
        num_layers: Transformer blocks.
        num_heads: Attention heads; must divide ``dim``.
        max_history: The most items of input L; positions are learned and counted from the end.
        dropout: On the input, after each sub-layer and, with ``norm="post"``, in attention.
        norm: Where the norms stand.

    Source: Kang & McAuley, ICDM 2018; settings of Li et al., arXiv 2305.11700.
    """

    def __init__(
        self,
        *,
        dim: int,
        num_layers: int = 2,
        num_heads: int = 2,
        max_history: int = 20,
        dropout: float = 0.1,
        norm: Literal["post", "pre"] = "post",
    ):
        super().__init__(
            dim=dim,
            num_layers=num_layers,
            num_heads=num_heads,
            max_history=max_history,
            dropout=dropout,
            norm=norm,
        )

    def inputs(self, vectors: Tensor, columns: Tensor) -> Tensor:
        """Return ``(n, D)``, the item vectors themselves."""
        return vectors.index_select(0, columns)
