"""New layers and how they start. Built without drawing a random number; `Recommender` draws them all."""

from typing import TypeVar

import torch
from torch import nn

Layer = TypeVar("Layer", bound=nn.Module)


def linear(num_inputs: int, num_outputs: int, *, bias: bool = True) -> nn.Linear:
    """Return a linear layer of zeros, to be initialised by `xavier_normal_`."""
    return _zeroed(nn.utils.skip_init(nn.Linear, num_inputs, num_outputs, bias=bias))


def embedding(num_rows: int, dim: int, *, sparse: bool = False) -> nn.Embedding:
    """Return a table of zeros, to be initialised by `xavier_normal_`.

    A sparse one hands its optimiser the gradient of the rows it looked up and no other.
    """
    return _zeroed(nn.utils.skip_init(nn.Embedding, num_rows, dim, sparse=sparse))


def mlp(
    num_inputs: int, dim: int, *, num_layers: int, dropout: float, activation: bool = True
) -> nn.Sequential:
    """Return ``num_layers`` of linear and GELU with dropout between them (the study's DTL).

    GELU follows every layer, the last included; ``activation=False`` leaves it out.
    """
    layers: list[nn.Module] = []
    for number in range(num_layers):
        if number and dropout:
            layers.append(nn.Dropout(dropout))
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


def _zeroed(module: Layer) -> Layer:
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module
