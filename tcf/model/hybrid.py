"""Item vectors from an ID and a text together."""

from typing import Literal

import torch
from torch import Tensor, nn

from tcf.model.layers import linear
from tcf.model.towers import IdTower, Tower

__all__ = ["HybridTower"]


class HybridTower(Tower):
    """A learned vector an item beside the vector of its text.

    Args:
        ids: The table.
        text: Any tower over text.
        combine: ``"sum"``; ``"concatenation"``, then a linear layer back to D; ``"gate"``,
            ``g * id + (1 - g) * text`` with a gate ``g`` in (0, 1) for each of the D places, a
            linear layer and sigmoid of both.

    Raises:
        ValueError: If the towers differ in width or items.

    Source: the gate is the bimodal unit of Arevalo et al. (GMU), ICLR 2017 workshop, without the
    tanh that it puts on either side.
    """

    has_item_weights = True

    def __init__(
        self,
        ids: IdTower,
        text: Tower,
        *,
        combine: Literal["sum", "concatenation", "gate"] = "sum",
    ):
        super().__init__()
        if (ids.dim, ids.num_items) != (text.dim, text.num_items):
            raise ValueError(
                "IDs and text need one width and one catalogue; got "
                f"{ids.dim} and {text.dim} wide, {ids.num_items} and {text.num_items} items"
            )
        self.num_items, self.dim, self.combine = ids.num_items, ids.dim, combine
        self.ids, self.text = ids, text
        self.mix = None if combine == "sum" else linear(2 * self.dim, self.dim)

    def extra_repr(self) -> str:
        """Return what the weights' shapes do not tell."""
        text = f"{type(self.text).__name__}({self.text.extra_repr()})"
        return f"combine={self.combine!r}, text={text}"

    def forward(self, rows: Tensor) -> Tensor:
        """Map ``(n,)`` rows to ``(n, D)`` vectors."""
        return self._combined(self.ids(rows), self.text(rows))

    def all(self) -> Tensor:
        """Return the ``(num_items + 1, D)`` vectors of every row."""
        return self._combined(self.ids.all(), self.text.all())

    def new_modules(self) -> list[nn.Module]:
        """Return the parts that start from scratch."""
        own = [] if self.mix is None else [self.mix]
        return [*self.ids.new_modules(), *self.text.new_modules(), *own]

    def _combined(self, ids: Tensor, text: Tensor) -> Tensor:
        if self.mix is None:
            return ids + text
        mixed = self.mix(torch.cat([ids, text], dim=-1))
        if self.combine == "concatenation":
            return mixed
        gate = mixed.sigmoid()
        return gate * ids + (1 - gate) * text
