"""New layers and how they start. Building them draws no random number; `Recommender` does."""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Module)


class Drawing(nn.Module):
    """A part that draws in training, from a stream of its own that `tcf.train.fit` starts."""

    def reseed(self, seed: int) -> None:
        """Start the stream of draws anew."""
        raise NotImplementedError


class Dropout(Drawing):
    """Inverted dropout that draws from its own generator and leaves torch's alone.

    On a CPU the draws are 16-bit integers from NumPy: torch's own take most of a small model's
    forward pass (docs/decisions/0004). The rate is exact to 1 / 65,536.

    Args:
        rate: Share of the values set to 0 in training, in [0, 1).
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate
        self.reseed(0)

    def reseed(self, seed: int) -> None:
        """Start the stream of draws anew."""
        self._bits = np.random.SFC64(seed)
        self._torch: torch.Generator | None = None
        self._seed = seed

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with a share of its values set to 0 and the others scaled up."""
        if not self.training or not self.rate:
            return x
        return x * self._keep(x).to(x.dtype).mul_(1 / (1 - self.rate))

    def _keep(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu":
            words = self._bits.random_raw(-(-x.numel() // 4))
            drawn = torch.from_numpy(words.view(np.uint16)[: x.numel()] >= round(self.rate * 65536))
            return drawn.view(x.shape)
        if self._torch is None:
            self._torch = torch.Generator(x.device).manual_seed(self._seed)
        return torch.rand(x.shape, device=x.device, generator=self._torch) >= self.rate


def linear(num_inputs: int, num_outputs: int, *, bias: bool = True) -> nn.Linear:
    """Return a linear layer of zeros, to be initialised by `xavier_normal_`."""
    with torch.device("meta"):  # nothing is drawn there
        layer = nn.Linear(num_inputs, num_outputs, bias=bias)
    return _zeroed(layer)


def embedding(num_rows: int, dim: int, *, sparse: bool = False) -> nn.Embedding:
    """Return a table of zeros, to be initialised by `xavier_normal_`.

    A sparse one hands its optimiser the gradient of the rows it looked up and no other.
    """
    with torch.device("meta"):
        layer = nn.Embedding(num_rows, dim, sparse=sparse)
    return _zeroed(layer)


def mlp(
    num_inputs: int, dim: int, *, num_layers: int, dropout: float, activation: bool = True
) -> nn.Sequential:
    """Return ``num_layers`` of linear and GELU with dropout between them (the study's DTL).

    GELU follows every layer, the last included; ``activation=False`` leaves it out.
    """
    layers: list[nn.Module] = []
    for number in range(num_layers):
        if number and dropout:
            layers.append(Dropout(dropout))
        layers.append(linear(num_inputs if number == 0 else dim, dim))
        if activation:
            layers.append(nn.GELU())
    return nn.Sequential(*layers)


def xavier_normal_(module: nn.Module, *, generator: torch.Generator) -> None:
    """Draw every linear and embedding weight in ``module`` from Xavier's normal; biases become 0.

    Source: the study's released settings (Li et al., arXiv 2305.11700); torch's own default for
    embeddings, N(0, 1), trains differently.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Embedding)):
            nn.init.xavier_normal_(layer.weight, generator=generator)
            if isinstance(layer, nn.Linear) and layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _zeroed(layer: Layer) -> Layer:
    layer = layer.to_empty(device="cpu")
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
