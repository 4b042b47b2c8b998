"""Bottleneck adapters behind blocks. peft has LoRA and its kin, and none of these."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Bottleneck", "add_adapters"]


class Bottleneck(nn.Module):
    """``x + up(gelu(down(x)))``; ``up`` starts at 0, so that nothing changes until it is trained.

    Args:
        width: Floats in a state.
        size: Floats in the bottleneck.
        generator: Draws ``down``.
    """

    def __init__(self, width: int, size: int, *, generator: torch.Generator):
        super().__init__()
        with torch.device("meta"):  # torch's own start would draw from the global generator
            down, up = nn.Linear(width, size), nn.Linear(size, width)
        self.down, self.up = down.to_empty(device="cpu"), up.to_empty(device="cpu")
        nn.init.xavier_normal_(self.down.weight, generator=generator)
        for start in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(start)

    def forward(self, states: Tensor) -> Tensor:
        """Map ``(B, T, E)`` states to states."""
        return states + self.up(F.gelu(self.down(states)))


def add_adapters(blocks: Sequence[nn.Module], *, width: int, size: int, seed: int) -> None:
    """Freeze blocks, and put an adapter behind each of them.

    Args:
        blocks: Changed in place; each returns its states, alone or first in a tuple.
        width: Floats in a state between blocks.
        size: Floats in a bottleneck.
        seed: Draws the adapters.

    Source: one adapter a block, as in Pfeiffer et al., EACL 2021; Houlsby et al., ICML 2019.
    """
    generator = torch.Generator().manual_seed(seed)
    for block in blocks:
        block.requires_grad_(False)
        block.adapter = Bottleneck(width, size, generator=generator)
        block.register_forward_hook(_through_adapter)


def _through_adapter(block: nn.Module, _args: Any, output: Any) -> Any:
    adapter: Any = block.adapter
    if isinstance(output, tuple):
        return (adapter(output[0]), *output[1:])
    return adapter(output)
