"""SASRec against a padded witness in plain torch; DSSM against a dot product."""

import pytest
import torch
from torch.nn import functional as F

from tcf.model.dssm import DSSM
from tcf.model.layers import Dropout, xavier_normal_
from tcf.model.sasrec import SASRec

ITEMS, DIM = 9, 8


def sasrec(seed: int = 0, **settings) -> SASRec:
    model = SASRec(dim=DIM, max_history=6, **settings).double()
    generator = torch.Generator().manual_seed(seed)
    xavier_normal_(model, generator=generator)
    with torch.no_grad():  # norms that do something
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


def padded_sasrec(
    model: SASRec, vectors: torch.Tensor, history: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """The published model on a rectangle of L = max_history places, padding and all."""
    batch, length = history.shape
    x = vectors[history] * mask[..., None]
    x = torch.cat((x.new_zeros(batch, model.max_history - length, DIM), x), 1)
    seen = F.pad(mask, (model.max_history - length, 0))
    x = F.layer_norm(x + model.position.weight, (DIM,), model.norm.weight, model.norm.bias, 1e-6)
    causal = torch.ones(model.max_history, model.max_history, dtype=torch.bool).tril()
    allowed = (causal & seen[:, None, :]) | torch.eye(model.max_history, dtype=torch.bool)
    for block in model.blocks:
        q, k, v = (
            F.linear(x, weight).unflatten(2, (block.num_heads, -1)).transpose(1, 2)
            for weight in block.queries_keys_values.weight.chunk(3)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed[:, None])
        mixed = F.linear(mixed.transpose(1, 2).flatten(2), block.output.weight)
        norm = block.attention_norm
        x = F.layer_norm(x + mixed, (DIM,), norm.weight, norm.bias, 1e-6)
        wide = F.linear(x, block.wide.weight, block.wide.bias).relu()
        narrow = F.linear(wide, block.narrow.weight, block.narrow.bias)
        norm = block.feed_forward_norm
        x = F.layer_norm(x + narrow, (DIM,), norm.weight, norm.bias, 1e-6)
    return x[:, -length:] * mask[..., None]


def batch_of(lengths: list[int], width: int) -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.arange(width) >= width - torch.tensor(lengths)[:, None]
    history = torch.randint(ITEMS, mask.shape, generator=torch.Generator().manual_seed(1))
    return history, mask


def item_vectors() -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(ITEMS, DIM, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("lengths", "width"),
    [([1, 6, 2, 3, 1, 5, 4], 6), ([1, 2, 1, 1, 2], 2), ([3], 3), ([2, 2, 2, 2], 4), ([6, 6], 6)],
)
@pytest.mark.parametrize("num_heads", [1, 2])
def test_packed_histories_give_what_padded_ones_give(
    lengths: list[int], width: int, num_heads: int
):
    model = sasrec(num_heads=num_heads)
    history, mask = batch_of(lengths, width)
    users = torch.arange(len(lengths))
    found = model(users, item_vectors(), history, mask)
    expected = padded_sasrec(model, item_vectors(), history, mask)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert not found[~mask].any()


def test_what_a_padded_place_holds_means_nothing():
    model = sasrec()
    history, mask = batch_of([1, 4, 2], 5)
    other = torch.where(mask, history, (history + 3) % ITEMS)
    users = torch.arange(3)
    assert model(users, item_vectors(), history, mask).equal(
        model(users, item_vectors(), other, mask)
    )


def test_gradients_reach_every_parameter_through_the_packing():
    model = sasrec()
    history, mask = batch_of([1, 6, 2, 3], 6)
    vectors = item_vectors().requires_grad_()
    weights = torch.randn(4, 6, DIM, generator=torch.Generator().manual_seed(5)).double()
    wanted = [vectors, *model.parameters()]
    pairs = [
        torch.autograd.grad((output * weights).sum(), wanted)
        for output in (
            model(torch.arange(4), vectors, history, mask),
            padded_sasrec(model, vectors, history, mask),
        )
    ]
    for found, expected in zip(*pairs, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        assert found.any()


def test_dropout_acts_in_training_only_and_where_the_study_has_it():
    model = sasrec(dropout=0.5)
    assert sum(isinstance(m, Dropout) for m in model.modules()) == 1 + len(model.blocks)
    history, mask = batch_of([4, 2], 4)
    arguments = (torch.arange(2), item_vectors(), history, mask)
    still = model(*arguments)
    assert still.equal(model(*arguments))
    model.train()
    assert not model(*arguments).equal(model(*arguments))


def test_attention_projections_have_no_bias_and_the_feed_forward_is_4d_wide():
    for block in sasrec().blocks:
        assert block.queries_keys_values.bias is None and block.output.bias is None
        assert block.wide.weight.shape == (4 * DIM, DIM)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="num_heads must divide dim=8; got 3"):
        SASRec(dim=8, num_heads=3)


def test_sasrec_returns_items_as_they_are():
    vectors = item_vectors()
    assert sasrec().items(vectors) is vectors


@pytest.mark.parametrize("num_layers", [0, 2])
def test_dssm_gives_each_user_one_vector(num_layers: int):
    model = DSSM(num_users=5, dim=DIM, num_layers=num_layers).double()
    xavier_normal_(model, generator=torch.Generator().manual_seed(0))
    model.eval()
    users = torch.tensor([4, 0, 4])
    nothing = torch.zeros(3, 0, dtype=torch.int64)
    found = model(users, item_vectors(), nothing, nothing.bool())
    assert found.shape == (3, 1, DIM)
    expected = model.table.weight[users]
    if num_layers:
        for layer in (model.user_mlp[0], model.user_mlp[3]):
            expected = F.gelu(expected @ layer.weight.t() + layer.bias)
    torch.testing.assert_close(found[:, 0], expected, rtol=0, atol=1e-12)
    items = model.items(item_vectors())
    assert items.equal(item_vectors()) == (num_layers == 0)
