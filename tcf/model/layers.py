"""New layers and how they start. Building them draws no random number; `Recommender` does."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Module)


@runtime_checkable
class Stream(Protocol):
    """A module that draws random numbers in training, from a generator of its own.

    `fit` finds every such module of a model, seeds it, and keeps where it stands in checkpoints.
    """

    def reseed(self, seed: int) -> None:
        """Start the stream of draws anew."""
        ...

    def state(self) -> dict[str, Any]:
        """Return where the stream stands, as JSON holds it."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from where a stream stood, on the same kind of device."""
        ...


class Draws(nn.Module):
    """A `Stream`: NumPy draws for a CPU, a generator of torch's own kind for an accelerator."""

    def __init__(self) -> None:
        super().__init__()
        self.reseed(0)

    def reseed(self, seed: int) -> None:
        """Start the stream of draws anew."""
        self._bits = np.random.SFC64(seed)
        self._torch: torch.Generator | None = None  # of an accelerator, once it draws
        self._kept: list[int] | None = None
        self._seed = seed

    def state(self) -> dict[str, Any]:
        """Return where the stream of draws stands, as JSON holds it."""
        bits: Any = self._bits.state
        bits = {**bits, "state": {k: [int(n) for n in v] for k, v in bits["state"].items()}}
        torchs = self._kept if self._torch is None else self._torch.get_state().tolist()
        return {"seed": self._seed, "bits": bits, "torch": torchs}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from where a stream stood; one of an accelerator goes on at its next draw."""
        self.reseed(state["seed"])
        bits = state["bits"]
        held = {k: np.array(v, np.uint64) for k, v in bits["state"].items()}
        whole: Any = {**bits, "state": held}
        self._bits.state = whole
        self._kept = state["torch"]

    def _generator(self, device: torch.device) -> torch.Generator:
        if self._torch is None:
            self._torch = torch.Generator(device).manual_seed(self._seed)
            if self._kept is not None:
                self._torch.set_state(torch.tensor(self._kept, dtype=torch.uint8))
        return self._torch


class Dropout(Draws):
    """Inverted dropout that draws from its own generator and leaves torch's alone.

    On a CPU the draws are 16-bit integers from NumPy: torch's own take most of a small model's
    forward pass (docs/decisions/0004). The rate is exact to 1 / 65,536.

    Args:
        rate: Share of the values set to 0 in training, in [0, 1).
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

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
        generator = self._generator(x.device)
        return torch.rand(x.shape, device=x.device, generator=generator) >= self.rate


class Noise(Draws):
    """Gaussian noise in training, from its own generator."""

    def forward(self, x: Tensor, spread: Tensor) -> Tensor:
        """Return ``x`` plus noise of the standard deviation ``spread``, of the same shape."""
        if not self.training:
            return x
        if x.device.type == "cpu":
            drawn = np.random.Generator(self._bits).standard_normal(x.shape, np.float32)
            return x + torch.from_numpy(drawn).to(x.dtype) * spread
        generator = self._generator(x.device)
        return x + torch.randn(x.shape, device=x.device, generator=generator) * spread


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


def gru(num_inputs: int, dim: int) -> nn.GRU:
    """Return one layer of gated recurrent units of zeros, to be initialised by `xavier_normal_`."""
    with torch.device("meta"):
        layer = nn.GRU(num_inputs, dim, batch_first=True)
    return _zeroed(layer)


def mlp(
    num_inputs: int, dim: int, *, num_layers: int, dropout: float, activation: bool = True
) -> nn.Sequential:
    """Return ``num_layers`` of linear and GELU with dropout between them (the study's DTL).

    GELU follows every layer, the last included unless ``activation=False``.
    """
    layers: list[nn.Module] = []
    for number in range(num_layers):
        if number and dropout:
            layers.append(Dropout(dropout))
        layers.append(linear(num_inputs if number == 0 else dim, dim))
        if activation or number < num_layers - 1:
            layers.append(nn.GELU())
    return nn.Sequential(*layers)


def xavier_normal_(module: nn.Module, *, generator: torch.Generator) -> None:
    """Draw every weight of the layers in ``module`` from Xavier's normal; biases become 0.

    Layers are linear ones, embeddings and GRUs, of which each gate is drawn as a layer by itself.

    Source: the study's released settings (Li et al., arXiv 2305.11700); torch's own default for
    embeddings, N(0, 1), trains differently.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Embedding)):
            nn.init.xavier_normal_(layer.weight, generator=generator)
            if isinstance(layer, nn.Linear) and layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.GRU):
            for weight in layer.parameters():
                for gate in weight.detach().chunk(3):
                    if weight.ndim == 1:
                        nn.init.zeros_(gate)
                    else:
                        nn.init.xavier_normal_(gate, generator=generator)


def _zeroed(layer: Layer) -> Layer:
    layer = layer.to_empty(device="cpu")
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
