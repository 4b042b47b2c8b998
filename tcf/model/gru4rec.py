"""GRU4Rec: a recurrent state that each item of the history updates."""

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tcf.model.backbone import Backbone
from tcf.model.layers import Dropout, gru, linear


class GRU4Rec(Backbone):
    """Gated recurrent units over the history, each place predicts the next item.

    Args:
        dim: Width D of items and state.
        num_layers: Recurrent layers.
        max_history: The most items of input L.
        dropout: On the input of each layer.

    Source: Hidasi et al., ICLR 2016; the linear layer from state to item vectors as in Tan et al.,
    DLRS 2016.
    """

    def __init__(
        self, *, dim: int, num_layers: int = 1, max_history: int = 20, dropout: float = 0.1
    ):
        super().__init__()
        self.dim, self.max_history = dim, max_history
        # one layer each: torch's own dropout between layers draws from the global generator
        self.layers = nn.ModuleList(gru(dim, dim) for _ in range(num_layers))
        self.output, self.drop = linear(dim, dim), Dropout(dropout)

    def forward(self, users: Tensor, vectors: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, L, D)``; a padded place holds zeros."""
        length = mask.shape[1]
        lengths = mask.sum(1)
        x = F.embedding(history * mask, vectors)
        # left-aligned, so that a state starts with the first item and padding comes after the last
        from_left = mask.new_ones(mask.shape).cumsum(1) - 1  # (B, L): 0, 1, ...
        shift = length - lengths[:, None]
        x = _take(x, (from_left + shift).clamp(max=length - 1))
        sizes = lengths.clamp(min=1).cpu()  # torch packs no empty history
        packed = pack_padded_sequence(x, sizes, batch_first=True, enforce_sorted=False)
        for layer in self.layers:
            packed, _ = layer(packed._replace(data=self.drop(packed.data)))
        packed = packed._replace(data=self.output(packed.data))
        x, _ = pad_packed_sequence(packed, batch_first=True, total_length=length)
        return _take(x, (from_left - shift).clamp(min=0)) * mask[..., None]


def _take(x: Tensor, at: Tensor) -> Tensor:
    """Return ``x[b, at[b, t]]`` for every user b and place t."""
    return x.gather(1, at[..., None].expand(-1, -1, x.shape[2]))
