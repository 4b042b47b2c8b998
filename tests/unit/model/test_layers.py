"""Dropout with its own stream, layers of zeros, Xavier's normal."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from tcf.model.layers import Dropout, embedding, gru, linear, mlp, xavier_normal_


def test_dropout_sets_its_share_to_zero_and_keeps_the_mean():
    drop = Dropout(0.3)
    x = torch.ones(200, 1001)
    y = drop(x)
    dropped = float((y == 0).float().mean())
    assert dropped == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / x.numel()) ** 0.5)
    torch.testing.assert_close(y[y != 0].unique(), torch.tensor([1 / 0.7]))
    assert float(y.mean()) == pytest.approx(1, abs=0.01)


def test_dropout_drops_places_independently():
    y = (Dropout(0.5)(torch.ones(400, 400)) == 0).double()
    for other in (y.roll(1, 0), y.roll(1, 1), y.roll(4, 1)):
        assert abs(float(torch.corrcoef(torch.stack((y.ravel(), other.ravel())))[0, 1])) < 0.01


def test_dropout_is_the_identity_in_evaluation_and_at_rate_0():
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0)(x) is x


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5])
def test_dropout_fits_every_size(size: int):
    assert Dropout(0.5)(torch.ones(size)).shape == (size,)


def test_dropout_draws_from_its_own_stream():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, two, other = Dropout(0.5), Dropout(0.5), Dropout(0.5)
    for drop, seed in ((one, 7), (two, 7), (other, 8)):
        drop.reseed(seed)
    x = torch.ones(64)
    first = one(x)
    assert first.equal(two(x))
    assert not first.equal(other(x))
    assert not first.equal(one(x))  # the next draws are others
    one.reseed(7)
    assert first.equal(one(x))
    assert before[0].equal(torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_dropout_hands_back_the_gradient_of_what_it_kept():
    x = torch.ones(50, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    assert x.grad.equal(y.detach())


def test_new_layers_are_zeros_and_draw_nothing():
    state = torch.get_rng_state()
    layers = [linear(3, 4), linear(3, 4, bias=False), embedding(5, 4), embedding(5, 4, sparse=True)]
    layers.append(gru(3, 4))
    assert state.equal(torch.get_rng_state())
    assert not any(parameter.any() for layer in layers for parameter in layer.parameters())
    assert layers[1].bias is None
    assert layers[3].sparse and not layers[2].sparse


def test_xavier_normal_has_its_deviation_and_zero_bias():
    layers = nn.ModuleList([linear(300, 100), embedding(300, 100)])
    xavier_normal_(layers, generator=torch.Generator().manual_seed(0))
    for layer in layers:
        assert float(layer.weight.detach().std()) == pytest.approx((2 / 400) ** 0.5, rel=0.02)
        assert abs(float(layer.weight.detach().mean())) < 0.002
    assert not layers[0].bias.any()


def test_each_gate_of_a_gru_is_drawn_as_a_layer_by_itself():
    layer = gru(300, 100)
    xavier_normal_(layer, generator=torch.Generator().manual_seed(0))
    for weight, deviation in (
        (layer.weight_ih_l0, (2 / 400) ** 0.5),
        (layer.weight_hh_l0, (2 / 200) ** 0.5),
    ):
        for gate in weight.detach().chunk(3):
            assert float(gate.std()) == pytest.approx(deviation, rel=0.02)
    assert not layer.bias_ih_l0.any() and not layer.bias_hh_l0.any()


def test_what_is_drawn_for_other_layers_does_not_depend_on_new_kinds():
    drawn = nn.ModuleList([linear(2, 2), embedding(2, 2)])
    xavier_normal_(drawn, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    for layer in drawn:
        expected = torch.empty(2, 2).normal_(0, 0.5**0.5, generator=generator)
        assert layer.weight.equal(expected)


def test_the_projector_is_linear_gelu_dropout_linear_gelu():
    layers = mlp(7, 4, num_layers=2, dropout=0.1)
    assert [type(layer) for layer in layers] == [nn.Linear, nn.GELU, Dropout, nn.Linear, nn.GELU]
    assert (layers[0].in_features, layers[3].in_features, layers[3].out_features) == (7, 4, 4)
    assert [type(layer) for layer in mlp(7, 4, num_layers=1, dropout=0.1, activation=False)] == [
        nn.Linear
    ]
    between = mlp(7, 4, num_layers=2, dropout=0.1, activation=False)
    assert [type(layer) for layer in between] == [nn.Linear, nn.GELU, Dropout, nn.Linear]
    assert len(mlp(7, 4, num_layers=0, dropout=0.1)) == 0


def test_dropout_goes_on_from_where_it_stood():
    drop, again = Dropout(0.5), Dropout(0.5)
    drop.reseed(7)
    x = torch.ones(3, 5)
    drop(x)
    state = json.loads(json.dumps(drop.state()))
    again.restore(state)
    assert again.state() == state
    for _ in range(3):
        assert drop(x).equal(again(x))


def test_the_state_of_a_dropout_that_has_not_drawn_on_its_device_yet_is_kept():
    """An accelerator's generator is made at the first draw there."""
    drop = Dropout(0.5)
    drop.restore({**drop.state(), "torch": [1, 2, 3]})
    assert drop.state()["torch"] == [1, 2, 3]
    drop.reseed(7)
    assert drop.state()["torch"] is None
