"""Self-attention over histories, on real places only: what SASRec and BERT4Rec share."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tcf.model.backbone import Backbone
from tcf.model.layers import Dropout, embedding, linear

__all__ = ["Transformer"]


class _Block(nn.Module, ABC):
    """A transformer block that spends its matrix products on real places only.

    Attention projections have no bias; the feed-forward part is 4D wide.
    """

    def __init__(self, dim: int, *, num_heads: int, dropout: float):
        super().__init__()
        self.num_heads = num_heads
        self.queries_keys_values = linear(dim, 3 * dim, bias=False)
        self.output = linear(dim, dim, bias=False)
        self.attention_norm = nn.LayerNorm(dim, eps=1e-6)
        self.wide, self.narrow = linear(dim, 4 * dim), linear(4 * dim, dim)
        self.feed_forward_norm = nn.LayerNorm(dim, eps=1e-6)
        self.drop = Dropout(dropout)

    @abstractmethod
    def forward(self, x: Tensor, places: Tensor, allowed: Tensor) -> Tensor:
        """Map the ``(n, D)`` vectors at ``places`` of the ``(R * L)`` places of ``allowed``."""

    @abstractmethod
    def mix(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor) -> Tensor:
        """Return ``(R, heads, L, D / heads)``, the values that each place attends to."""

    def attend(self, x: Tensor, places: Tensor, allowed: Tensor) -> Tensor:
        """Return what the ``(n, D)`` vectors at ``places`` gather from each other."""
        projected = self.queries_keys_values(x)
        num_rows, _, length, _ = allowed.shape
        padded = projected.new_zeros(num_rows * length, projected.shape[1])
        padded = padded.index_copy(0, places, projected)
        shape = (num_rows, length, 3, self.num_heads, x.shape[1] // self.num_heads)
        q, k, v = padded.view(shape).permute(2, 0, 3, 1, 4)
        mixed = self.mix(q, k, v, allowed)
        mixed = mixed.transpose(1, 2).reshape(num_rows * length, x.shape[1]).index_select(0, places)
        return self.output(mixed)


class _PostNormBlock(_Block):
    """Norms after each sum, ReLU, dropout on attention weights: as the study trains it.

    Attention is written out: torch's own drops weights with the global generator, and slowly on a
    CPU (docs/decisions/0004).
    """

    def forward(self, x: Tensor, places: Tensor, allowed: Tensor) -> Tensor:
        x = self.attention_norm(x + self.drop(self.attend(x, places, allowed)))
        return self.feed_forward_norm(x + self.drop(self.narrow(F.relu(self.wide(x)))))

    def mix(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor) -> Tensor:
        logits = (q / q.shape[-1] ** 0.5) @ k.transpose(2, 3)  # (R, heads, L, L)
        weights = logits.masked_fill(~allowed, float("-inf")).softmax(3)
        return self.drop(weights) @ v


class _PreNormBlock(_Block):
    """Norms before each part, GELU, torch's own attention; the sums are never normalised.

    Source: Xiong et al., ICML 2020.
    """

    def forward(self, x: Tensor, places: Tensor, allowed: Tensor) -> Tensor:
        x = x + self.drop(self.attend(self.attention_norm(x), places, allowed))
        return x + self.drop(self.narrow(F.gelu(self.wide(self.feed_forward_norm(x)))))

    def mix(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)


_BLOCKS: dict[str, type[_Block]] = {"post": _PostNormBlock, "pre": _PreNormBlock}


class Transformer(Backbone):
    """Transformer blocks over histories with learned positions, counted from the end.

    With ``norm="post"`` the input is normalised first, with ``norm="pre"`` the output is last.

    Args:
        dim: Width D.
        num_layers: Transformer blocks.
        num_heads: Attention heads; must divide ``dim``.
        max_history: The most places L.
        dropout: On the input and after each sub-layer; post-norm: on attention weights too.
        norm: Where the norms stand.

    Raises:
        ValueError: If ``num_heads`` does not divide ``dim``.
    """

    def __init__(
        self,
        *,
        dim: int,
        num_layers: int,
        num_heads: int,
        max_history: int,
        dropout: float,
        norm: Literal["post", "pre"],
    ):
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"num_heads must divide dim={dim}; got {num_heads}")
        self.dim, self.max_history, self.num_heads = dim, max_history, num_heads
        self.norm_place = norm
        self.position = embedding(max_history, dim)
        self.norm, self.drop = nn.LayerNorm(dim, eps=1e-6), Dropout(dropout)
        block = _BLOCKS[norm]
        self.blocks = nn.ModuleList(
            block(dim, num_heads=num_heads, dropout=dropout) for _ in range(num_layers)
        )

    def forward(self, users: Tensor, vectors: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, L, D)``; a padded place holds zeros."""
        batch, length = history.shape
        places = mask.flatten().nonzero().squeeze(1)  # (n,) real places
        packed, allowed = _pack(places, mask, causal=self.causal)
        x = self.inputs(vectors, history.flatten()[places])
        # positions are counted from the end, so that cutting the padding changes nothing
        x = x + self.position.weight[places % length + (self.max_history - length)]
        x = self.drop(self.norm(x) if self.norm_place == "post" else x)
        for block in self.blocks:
            x = block(x, packed, allowed)
        x = x if self.norm_place == "post" else self.norm(x)
        return (
            x.new_zeros(batch * length, self.dim).index_copy(0, places, x).view(batch, length, -1)
        )

    @abstractmethod
    def inputs(self, vectors: Tensor, columns: Tensor) -> Tensor:
        """Return ``(n, D)``, what is read at places that hold these ``(n,)`` columns."""

    def extra_repr(self) -> str:
        """Return what shapes of weights do not tell."""
        return f"{super().extra_repr()}, num_heads={self.num_heads}, norm={self.norm_place!r}"


def _pack(places: Tensor, mask: Tensor, *, causal: bool) -> tuple[Tensor, Tensor]:
    """Lay several short histories into one row of L places, so that padding costs little.

    Args:
        places: ``(n,)`` real places, indices into ``B * L``.
        mask: ``(B, L)`` bool, left-padded.
        causal: A place does not see what comes later.

    Returns:
        ``(n,)`` the new place of each, an index into ``R * L``; and ``(R, 1, L, L)`` bool: a place
        sees its own history, up to itself if causal; an unused one sees unused ones, itself too.
    """
    length = mask.shape[1]
    lengths = mask.sum(1)
    starts, used = [], 0
    for size in lengths.tolist():
        if used % length + size > length:  # does not fit into what is left of this row
            used += length - used % length
        starts.append(used)
        used += size
    owners = places // length
    offsets = torch.tensor(starts, device=mask.device) + lengths - length
    packed = offsets[owners] + places % length
    num_rows = -(-used // length)
    owner_of = torch.full((num_rows * length,), -1, device=mask.device)
    owner_of[packed] = owners
    owner_of = owner_of.view(num_rows, length)
    same = owner_of[:, :, None] == owner_of[:, None, :]
    if causal:
        order = torch.arange(length, device=mask.device)
        same &= order[:, None] >= order
    return packed, same.unsqueeze(1)
