"""SASRec: self-attention over the history, each place predicts the next item."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tcf.model.backbone import Backbone
from tcf.model.layers import Dropout, embedding, linear


class _Block(nn.Module):
    """A post-norm transformer block that spends its matrix products on real places only."""

    def __init__(self, dim: int, *, num_heads: int, dropout: float):
        super().__init__()
        self.num_heads = num_heads
        self.queries_keys_values = linear(dim, 3 * dim, bias=False)
        self.output = linear(dim, dim, bias=False)
        self.attention_norm = nn.LayerNorm(dim, eps=1e-6)
        self.wide, self.narrow = linear(dim, 4 * dim), linear(4 * dim, dim)
        self.feed_forward_norm = nn.LayerNorm(dim, eps=1e-6)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, places: Tensor, allowed: Tensor) -> Tensor:
        """Map the ``(n, D)`` vectors at ``places`` of the ``(R * L)`` places of ``allowed``."""
        attended = self.output(self._attend(self.queries_keys_values(x), places, allowed))
        x = self.attention_norm(x + self.drop(attended))
        return self.feed_forward_norm(x + self.drop(self.narrow(F.relu(self.wide(x)))))

    def _attend(self, projected: Tensor, places: Tensor, allowed: Tensor) -> Tensor:
        num_rows, _, length, _ = allowed.shape
        padded = projected.new_zeros(num_rows * length, projected.shape[1])
        padded = padded.index_copy(0, places, projected)
        q, k, v = padded.view(num_rows, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        logits = (q / q.shape[-1] ** 0.5) @ k.transpose(2, 3)  # (R, heads, L, L)
        weights = logits.masked_fill(~allowed, float("-inf")).softmax(3)
        mixed = self.drop(weights) @ v  # (R, heads, L, D / heads)
        return mixed.transpose(1, 2).reshape(num_rows * length, -1).index_select(0, places)


class SASRec(Backbone):
    """Self-attentive sequential recommender, post-norm, as the study trains it.

    Args:
        dim: Width D.
        num_layers: Transformer blocks.
        num_heads: Attention heads; must divide ``dim``.
        max_history: The most items of input L; positions are learned and counted from the end.
        dropout: After the input norm, in attention, and after each sub-layer.

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
    ):
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"num_heads must divide dim={dim}; got {num_heads}")
        self.dim, self.max_history = dim, max_history
        self.position = embedding(max_history, dim)
        self.norm, self.drop = nn.LayerNorm(dim, eps=1e-6), Dropout(dropout)
        self.blocks = nn.ModuleList(
            _Block(dim, num_heads=num_heads, dropout=dropout) for _ in range(num_layers)
        )

    def forward(self, users: Tensor, vectors: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, L, D)``; a padded place holds zeros."""
        batch, length = history.shape
        places = mask.flatten().nonzero().squeeze(1)  # (n,) real places
        packed, allowed = _pack(places, mask)
        x = vectors.index_select(0, history.flatten()[places])
        # positions are counted from the end, so that cutting the padding changes nothing
        x = x + self.position.weight[places % length + (self.max_history - length)]
        x = self.drop(self.norm(x))
        for block in self.blocks:
            x = block(x, packed, allowed)
        return (
            x.new_zeros(batch * length, self.dim).index_copy(0, places, x).view(batch, length, -1)
        )


def _pack(places: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Lay several short histories into one row of L places, so that padding costs little.

    Args:
        places: ``(n,)`` real places, indices into ``B * L``.
        mask: ``(B, L)`` bool, left-padded.

    Returns:
        ``(n,)`` the new place of each, an index into ``R * L``; and ``(R, 1, L, L)`` bool: a place
        sees its own history up to itself, an unused one sees itself.
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
    order = torch.arange(length, device=mask.device)
    same = (owner_of[:, :, None] == owner_of[:, None, :]) & (order[:, None] >= order)
    return packed, same.unsqueeze(1)
