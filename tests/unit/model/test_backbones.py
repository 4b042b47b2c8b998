"""GRU4Rec, NextItNet and the mean of a history user by user; DSSM against a dot product."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tcf.model.backbone import Backbone
from tcf.model.dssm import DSSM
from tcf.model.gru4rec import GRU4Rec
from tcf.model.layers import Dropout, xavier_normal_
from tcf.model.mean_history import MeanHistory
from tcf.model.nextitnet import NextItNet

ITEMS, DIM, LONGEST = 9, 8, 7
BACKBONES = {
    "GRU4Rec": lambda **settings: GRU4Rec(num_layers=2, **settings),
    "NextItNet": lambda **settings: NextItNet(kernel_size=3, dilations=(1, 2), **settings),
    "MeanHistory": lambda dropout=0.1, **settings: MeanHistory(**settings),
}


def built(name: str, **settings) -> Backbone:
    model = BACKBONES[name](dim=DIM, max_history=LONGEST, **settings).double()
    generator = torch.Generator().manual_seed(0)
    xavier_normal_(model, generator=generator)
    with torch.no_grad():  # biases and norms that do something
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


def gru_by_cells(model: GRU4Rec, items: torch.Tensor) -> torch.Tensor:
    """``(length, D)`` for one history of ``(length, D)`` items, a step at a time."""
    x = items
    for layer in model.layers:
        wide_in, wide_state = layer.weight_ih_l0, layer.weight_hh_l0
        state, states = torch.zeros(1, DIM, dtype=x.dtype), []
        for item in x:
            reset, update, new = F.linear(item[None], wide_in, layer.bias_ih_l0).chunk(3, 1)
            old_reset, old_update, old_new = F.linear(state, wide_state, layer.bias_hh_l0).chunk(
                3, 1
            )
            keep = torch.sigmoid(update + old_update)
            fresh = torch.tanh(new + torch.sigmoid(reset + old_reset) * old_new)
            state = (1 - keep) * fresh + keep * state
            states.append(state)
        x = torch.cat(states)
    return model.output(x)


def convolved(model: NextItNet, items: torch.Tensor) -> torch.Tensor:
    """The same by torch's own convolution."""
    x = items.t()[None]  # (1, D, length)
    for block in model.blocks:
        changed = x
        for layer, norm, step in zip(block.convolutions, block.norms, block.dilations, strict=True):
            kernel = layer.weight.view(DIM, 3, DIM).flip(1).transpose(1, 2)  # oldest first
            changed = F.conv1d(F.pad(changed, (2 * step, 0)), kernel, layer.bias, dilation=step)
            changed = norm(changed.transpose(1, 2)).relu().transpose(1, 2)
        x = x + changed
    return model.output(x[0].t())


def averaged(model: MeanHistory, items: torch.Tensor) -> torch.Tensor:
    return torch.stack([items[: place + 1].mean(0) for place in range(len(items))])


WITNESSES = {"GRU4Rec": gru_by_cells, "NextItNet": convolved, "MeanHistory": averaged}


def one_by_one(
    name: str, model: Backbone, vectors: torch.Tensor, history: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    found = vectors.new_zeros(*history.shape, DIM)
    for user, seen in enumerate(mask):
        if seen.any():
            found[user, seen] = WITNESSES[name](model, vectors[history[user, seen]])
    return found


def batch_of(lengths: list[int], width: int) -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.arange(width) >= width - torch.tensor(lengths)[:, None]
    history = torch.randint(ITEMS, mask.shape, generator=torch.Generator().manual_seed(1))
    return history, mask


def item_vectors() -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(ITEMS, DIM, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", WITNESSES)
@pytest.mark.parametrize(
    ("lengths", "width"),
    [([1, 6, 2, 3, 1, 5, 4], 6), ([1, 2, 1], 2), ([3], 3), ([2, 2], 4), ([7, 7], 7), ([0, 3], 3)],
)
def test_a_batch_gives_what_its_users_give_one_by_one(name: str, lengths: list[int], width: int):
    model = built(name)
    history, mask = batch_of(lengths, width)
    found = model(torch.arange(len(lengths)), item_vectors(), history, mask)
    expected = one_by_one(name, model, item_vectors(), history, mask)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert not found[~mask].any()


@pytest.mark.parametrize("name", WITNESSES)
def test_gradients_are_those_of_the_witness(name: str):
    model = built(name)
    history, mask = batch_of([1, 6, 2, 3], 6)
    vectors = item_vectors().requires_grad_()
    weights = torch.randn(4, 6, DIM, generator=torch.Generator().manual_seed(5)).double()
    wanted = [vectors, *model.parameters()]
    pairs = [
        torch.autograd.grad((output * weights).sum(), wanted)
        for output in (
            model(torch.arange(4), vectors, history, mask),
            one_by_one(name, model, vectors, history, mask),
        )
    ]
    for found, expected in zip(*pairs, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        assert found.any()


@pytest.mark.parametrize("name", WITNESSES)
def test_what_a_padded_place_holds_means_nothing(name: str):
    model = built(name)
    history, mask = batch_of([1, 4, 2], 5)
    other = torch.where(mask, history, (history + 3) % ITEMS)
    users = torch.arange(3)
    assert model(users, item_vectors(), history, mask).equal(
        model(users, item_vectors(), other, mask)
    )


@pytest.mark.parametrize("name", ["GRU4Rec", "NextItNet"])
def test_dropout_acts_in_training_only_and_draws_nothing_from_torch(name: str):
    model = built(name, dropout=0.5)
    history, mask = batch_of([4, 2], 4)
    arguments = (torch.arange(2), item_vectors(), history, mask)
    state = torch.get_rng_state()
    assert model(*arguments).equal(model(*arguments))
    model.train()
    assert not model(*arguments).equal(model(*arguments))
    for layer in model.modules():
        if isinstance(layer, Dropout):
            layer.rate = 0.0
    assert model(*arguments).equal(model(*arguments))
    assert state.equal(torch.get_rng_state())


def test_the_mean_of_a_history_has_no_parameters_of_its_own():
    assert not list(MeanHistory(dim=DIM).parameters())


def test_nextitnet_needs_a_block():
    with pytest.raises(ValueError, match="dilations needs one value for each residual block"):
        NextItNet(dim=DIM, dilations=())


def test_gru_layers_are_torchs_own():
    assert [type(layer) for layer in GRU4Rec(dim=DIM, num_layers=2).layers] == [nn.GRU, nn.GRU]


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
