"""NextItNet: dilated causal convolutions over the history."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tcf.model.backbone import Backbone
from tcf.model.layers import Dropout, linear


class _Block(nn.Module):
    """Two causal convolutions, the second of twice the dilation, and the sum with the input."""

    def __init__(self, dim: int, *, kernel_size: int, dilation: int, dropout: float):
        super().__init__()
        self.dilations, self.kernel_size = (dilation, 2 * dilation), kernel_size
        self.convolutions = nn.ModuleList(linear(kernel_size * dim, dim) for _ in self.dilations)
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=1e-6) for _ in self.dilations)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, ages: Tensor) -> Tensor:
        """Map the ``(n, D)`` vectors of all real places, ``ages`` places after the user's first."""
        changed = x
        for convolution, norm, dilation in zip(
            self.convolutions, self.norms, self.dilations, strict=True
        ):
            seen = _looking_back(changed, ages, steps=self.kernel_size, dilation=dilation)
            changed = F.relu(norm(convolution(seen)))
        return x + self.drop(changed)


class NextItNet(Backbone):
    """Residual blocks of dilated causal convolutions, each place predicts the next item.

    A convolution is a linear layer over what stands 0, d, 2d, ... places back, zeros before the
    first item, and is computed for real places alone.

    Args:
        dim: Width D of items and channels.
        kernel_size: Places that a convolution reads.
        dilations: Distance d of those places in each residual block, whose second convolution has
            twice that distance.
        max_history: The most items of input L.
        dropout: On the input and after each block.

    Raises:
        ValueError: If ``dilations`` is empty.

    Source: Yuan et al., WSDM 2019.
    """

    def __init__(
        self,
        *,
        dim: int,
        kernel_size: int = 3,
        dilations: Sequence[int] = (1, 4),
        max_history: int = 20,
        dropout: float = 0.1,
    ):
        super().__init__()
        if not dilations:
            raise ValueError("dilations needs one value for each residual block; got none")
        self.dim, self.max_history = dim, max_history
        self.kernel_size, self.dilations = kernel_size, tuple(dilations)
        self.blocks = nn.ModuleList(
            _Block(dim, kernel_size=kernel_size, dilation=dilation, dropout=dropout)
            for dilation in dilations
        )
        self.output, self.drop = linear(dim, dim), Dropout(dropout)

    def forward(self, users: Tensor, vectors: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, L, D)``; a padded place holds zeros."""
        batch, length = history.shape
        places = mask.flatten().nonzero().squeeze(1)  # (n,) real places, user after user
        ages = (mask.cumsum(1) - 1).flatten()[places]
        x = self.drop(vectors.index_select(0, history.flatten()[places]))
        for block in self.blocks:
            x = block(x, ages)
        x = self.output(x)
        return (
            x.new_zeros(batch * length, self.dim).index_copy(0, places, x).view(batch, length, -1)
        )

    def extra_repr(self) -> str:
        """Return what shapes of weights do not tell."""
        about = f"kernel_size={self.kernel_size}, dilations={self.dilations}"
        return f"{super().extra_repr()}, {about}"


def _looking_back(x: Tensor, ages: Tensor, *, steps: int, dilation: int) -> Tensor:
    """Return ``(n, steps * D)``: beside each place those 0, d, 2d, ... places back, else zeros."""
    back = torch.arange(steps, device=x.device) * dilation  # (steps,)
    there = back <= ages[:, None]  # (n, steps)
    at = (torch.arange(len(x), device=x.device)[:, None] - back).where(there, len(x))
    padded = F.pad(x, (0, 0, 0, 1))  # the last row holds zeros
    return padded.index_select(0, at.flatten()).view(len(x), steps * x.shape[1])
