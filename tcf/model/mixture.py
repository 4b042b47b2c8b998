"""Several projections of a text vector, mixed by a gate that reads it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tcf.model.layers import Dropout, Noise, linear

__all__ = ["MixtureProjector"]

_LEAST_SPREAD = 1e-2  # of the gate's noise, as in the source's code


class MixtureProjector(nn.Module):
    """A mixture of experts, each a parametric whitening ``(x - b) W`` behind dropout.

    The gate is a softmax of one logit an expert, linear in ``x``. In training the logits get noise
    whose standard deviation, ``softplus(x S) + 0.01``, is learned; where items are ranked there is
    none. Gate and noise start from zeros: all experts weigh the same.

    Args:
        num_inputs: Width E of the text vectors.
        dim: Width D of the item vectors.
        num_experts: How many.
        dropout: Of the text vector, drawn for each expert.
        noise: Train with the gate's noise.

    Raises:
        ValueError: If ``num_experts`` is below 1.

    Source: Hou et al. (UniSRec), KDD 2022, arXiv 2206.05941; the noise is that of Shazeer et al.,
    ICLR 2017, with all experts kept. There ``W`` starts from N(0, 0.02), here from Xavier's normal
    like every layer.
    """

    def __init__(
        self,
        num_inputs: int,
        dim: int,
        *,
        num_experts: int = 8,
        dropout: float = 0.2,
        noise: bool = True,
    ):
        super().__init__()
        if num_experts < 1:
            raise ValueError(f"a mixture needs num_experts of at least 1; got {num_experts}")
        self.experts = nn.ModuleList(
            _Expert(num_inputs, dim, dropout=dropout) for _ in range(num_experts)
        )
        self.gate = nn.Parameter(torch.zeros(num_inputs, num_experts))
        self.spread = nn.Parameter(torch.zeros(num_inputs, num_experts)) if noise else None
        self.noise = Noise()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, E)`` text vectors to ``(n, D)`` item vectors."""
        logits = x @ self.gate
        if self.spread is not None:
            logits = self.noise(logits, F.softplus(x @ self.spread) + _LEAST_SPREAD)
        shares = logits.softmax(dim=-1)  # (n, experts)
        parts = [expert(x) * shares[:, n : n + 1] for n, expert in enumerate(self.experts)]
        return torch.stack(parts).sum(0)


class _Expert(nn.Module):
    def __init__(self, num_inputs: int, dim: int, *, dropout: float):
        super().__init__()
        self.dropout, self.linear = Dropout(dropout), linear(num_inputs, dim, bias=False)
        self.bias = nn.Parameter(torch.zeros(num_inputs))

    def forward(self, x: Tensor) -> Tensor:
        # (x - b) W, without a gradient of the size of x
        return self.linear(self.dropout(x)) - self.linear(self.bias)
