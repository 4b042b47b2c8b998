"""SASRec and BERT4Rec against a padded witness in plain torch."""

import pytest
import torch
from torch.nn import functional as F

from tcf.model.bert4rec import BERT4Rec
from tcf.model.layers import Dropout, xavier_normal_
from tcf.model.sasrec import SASRec
from tcf.model.transformer import Transformer

ITEMS, DIM, LONGEST = 9, 8, 6
KINDS = ["SASRec post", "SASRec pre", "BERT4Rec post", "BERT4Rec pre"]


def built(kind: str, **settings) -> Transformer:
    name, norm = kind.split()
    backbone = {"SASRec": SASRec, "BERT4Rec": BERT4Rec}[name]
    model = backbone(dim=DIM, max_history=LONGEST, norm=norm, **settings).double()
    generator = torch.Generator().manual_seed(0)
    xavier_normal_(model, generator=generator)
    with torch.no_grad():  # norms that do something
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


def padded(
    model: Transformer, vectors: torch.Tensor, history: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """The published model on a rectangle of L = max_history places, padding and all."""
    batch, length = history.shape
    post = model.norm_place == "post"

    def norm(x, layer):
        return F.layer_norm(x, (DIM,), layer.weight, layer.bias, 1e-6)

    x = vectors[history] * mask[..., None]
    if isinstance(model, BERT4Rec):
        x = torch.where((history < 0)[..., None], model.hidden.weight[0], x)
    x = torch.cat((x.new_zeros(batch, LONGEST - length, DIM), x), 1)
    seen = F.pad(mask, (LONGEST - length, 0))
    x = x + model.position.weight
    x = norm(x, model.norm) if post else x
    causal = torch.ones(LONGEST, LONGEST, dtype=torch.bool).tril()
    allowed = seen[:, None, :] & (causal if model.causal else torch.ones_like(causal))
    allowed = allowed | torch.eye(LONGEST, dtype=torch.bool)
    for block in model.blocks:
        read = x if post else norm(x, block.attention_norm)
        q, k, v = (
            F.linear(read, weight).unflatten(2, (block.num_heads, -1)).transpose(1, 2)
            for weight in block.queries_keys_values.weight.chunk(3)
        )
        logits = q @ k.transpose(2, 3) / (DIM / block.num_heads) ** 0.5
        mixed = logits.masked_fill(~allowed[:, None], -torch.inf).softmax(3) @ v
        x = x + F.linear(mixed.transpose(1, 2).flatten(2), block.output.weight)
        x = norm(x, block.attention_norm) if post else x
        read = x if post else norm(x, block.feed_forward_norm)
        wide = F.linear(read, block.wide.weight, block.wide.bias)
        wide = wide.relu() if post else F.gelu(wide)
        x = x + F.linear(wide, block.narrow.weight, block.narrow.bias)
        x = norm(x, block.feed_forward_norm) if post else x
    x = x if post else norm(x, model.norm)
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
    [
        ([1, 6, 2, 3, 1, 5, 4], 6),
        ([1, 2, 1, 1, 2], 2),
        ([3], 3),
        ([2, 2, 2, 2], 4),
        ([6, 6], 6),
        ([0, 3], 3),
        ([0, 0], 2),
    ],
)
@pytest.mark.parametrize("num_heads", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_packed_histories_give_what_padded_ones_give(
    lengths: list[int], width: int, num_heads: int, kind: str
):
    model = built(kind, num_heads=num_heads)
    history, mask = batch_of(lengths, width)
    if isinstance(model, BERT4Rec):
        history[:, 1::2] = -1  # hidden
    users = torch.arange(len(lengths))
    found = model(users, item_vectors(), history, mask)
    expected = padded(model, item_vectors(), history, mask)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert not found[~mask].any()


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_padded_place_holds_means_nothing(kind: str):
    model = built(kind)
    history, mask = batch_of([1, 4, 2], 5)
    other = torch.where(mask, history, (history + 3) % ITEMS)
    users = torch.arange(3)
    assert model(users, item_vectors(), history, mask).equal(
        model(users, item_vectors(), other, mask)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter_through_the_packing(kind: str):
    model = built(kind)
    history, mask = batch_of([1, 6, 2, 3], 6)
    if isinstance(model, BERT4Rec):
        history[:, 2] = -1
    vectors = item_vectors().requires_grad_()
    weights = torch.randn(4, 6, DIM, generator=torch.Generator().manual_seed(5)).double()
    wanted = [vectors, *model.parameters()]
    pairs = [
        torch.autograd.grad((output * weights).sum(), wanted)
        for output in (
            model(torch.arange(4), vectors, history, mask),
            padded(model, vectors, history, mask),
        )
    ]
    for found, expected in zip(*pairs, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        assert found.any()


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_acts_in_training_only_and_on_attention_weights_with_post_norm_only(kind: str):
    model = built(kind, dropout=0.5)
    assert sum(isinstance(m, Dropout) for m in model.modules()) == 1 + len(model.blocks)
    history, mask = batch_of([4, 2], 4)
    arguments = (torch.arange(2), item_vectors(), history, mask)
    still = model(*arguments)
    assert still.equal(model(*arguments))
    model.train()
    assert not model(*arguments).equal(model(*arguments))
    model.drop.rate = 0.0
    q = k = v = torch.ones(1, 2, 4, 4)
    everything = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    mixed, again = (model.blocks[0].mix(q, k, v, everything) for _ in range(2))
    assert mixed.equal(again) == kind.endswith("pre")


@pytest.mark.parametrize("kind", KINDS)
def test_attention_projections_have_no_bias_and_the_feed_forward_is_4d_wide(kind: str):
    for block in built(kind).blocks:
        assert block.queries_keys_values.bias is None and block.output.bias is None
        assert block.wide.weight.shape == (4 * DIM, DIM)


def test_training_draws_nothing_from_torchs_generator():
    state = torch.get_rng_state()
    for kind in KINDS:
        history, mask = batch_of([4, 2], 4)
        model = built(kind, dropout=0.5).train()
        model(torch.arange(2), item_vectors(), history, mask).sum().backward()
    assert state.equal(torch.get_rng_state())


@pytest.mark.parametrize("length", [0, 3, LONGEST])
def test_bert4rec_asks_for_the_next_item_by_a_hidden_place_after_the_last(length: int):
    model = built("BERT4Rec pre")
    history, mask = batch_of([length], max(length, 1))
    found = model.user_vectors(torch.arange(1), item_vectors(), history, mask)
    asked = torch.cat((history, torch.tensor([[-1]])), 1)[:, -LONGEST:]
    seen = torch.cat((mask, torch.tensor([[True]])), 1)[:, -LONGEST:]
    expected = padded(model, item_vectors(), asked, seen)[:, -1]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_bert4rec_sees_both_sides_and_one_vector_where_items_are_hidden():
    model = built("BERT4Rec pre")
    history, mask = torch.tensor([[1, -1, 3, -1]]), torch.ones(1, 4, dtype=torch.bool)

    def outputs(history):
        return model(torch.arange(1), item_vectors(), history, mask)[0]

    first = outputs(history)
    for place in (0, 2):  # what stands before and after is seen
        changed = history.clone()
        changed[0, place] = 7
        assert (outputs(changed)[1] - first[1]).abs().max() > 1e-3
    model.hidden.weight.data *= -1
    assert (outputs(history)[1] - first[1]).abs().max() > 1e-3


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="num_heads must divide dim=8; got 3"):
        SASRec(dim=8, num_heads=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_share": 0.0}, "hidden_share must be between 0 and 1; got 0.0"),
        ({"hidden_share": 1.0}, "hidden_share must be between 0 and 1; got 1.0"),
        ({"max_history": 1}, "max_history must be at least 2, an item and the hidden place; got 1"),
    ],
)
def test_bert4rec_needs_something_to_hide_and_something_to_see(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        BERT4Rec(dim=8, **settings)


def test_items_are_returned_as_they_are():
    vectors = item_vectors()
    assert built("SASRec post").items(vectors) is vectors
