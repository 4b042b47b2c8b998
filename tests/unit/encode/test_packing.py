import weakref

import numpy as np
import pytest
import torch
from torch import nn

from tcf import encode_items
from tcf.encode.backends import packing
from tcf.encode.backends.packing import PackedLinear, pack_linears
from tests import tiny_models
from tests.tiny_models import TITLES

needs_kernels = pytest.mark.skipif(
    not packing._can_pack(), reason="this processor has no bfloat16 kernels for packed weights"
)


def bfloat16_linear(wide, narrow, *, bias=True):
    torch.manual_seed(0)
    return nn.Linear(wide, narrow, bias=bias).bfloat16()


def rounded_once(linear, states):
    """What the layer must give: the product in float32, rounded to bfloat16 at the end."""
    bias = None if linear.bias is None else linear.bias.float()
    return nn.functional.linear(states.float(), linear.weight.float(), bias).bfloat16()


@needs_kernels
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 48), (33, 48), (2, 7, 48)])
def test_a_packed_layer_computes_what_the_plain_one_does(shape, bias):
    linear = bfloat16_linear(48, 80, bias=bias)
    states = torch.randn(shape).bfloat16()
    with torch.inference_mode():
        found = PackedLinear(linear)(states)
        torch.testing.assert_close(found, linear(states))
        torch.testing.assert_close(found, rounded_once(linear, states))


@needs_kernels
def test_a_packed_layer_reads_states_that_are_not_contiguous():
    linear = bfloat16_linear(48, 80)
    states = torch.randn(5, 3, 48).bfloat16().transpose(0, 1)
    with torch.inference_mode():
        # The plain layer adds the bias to a result already rounded here, so it is no witness.
        torch.testing.assert_close(PackedLinear(linear)(states), rounded_once(linear, states))


@needs_kernels
def test_a_packed_layer_tells_the_dtype_and_shape_of_its_weight():
    packed = PackedLinear(bfloat16_linear(48, 80))
    assert packed.weight.dtype == torch.bfloat16
    assert packed.weight.shape == (80, 48)
    assert not list(packed.parameters())  # the plain weight is gone


class TakesOneWeight(nn.Module):
    """Calls one layer, takes another's weight for itself, and leaves a third alone."""

    def __init__(self):
        super().__init__()
        self.called, self.taken, self.idle = (bfloat16_linear(16, 16) for _ in range(3))

    def forward(self, states):
        return nn.functional.linear(self.called(states), self.taken.weight)


@needs_kernels
def test_only_layers_that_are_called_are_packed():
    model = TakesOneWeight()
    states = torch.randn(4, 16).bfloat16()
    with torch.inference_mode():
        before = model(states)
    plain = weakref.ref(model.called.weight)
    assert pack_linears(model, lambda: model(states)) == 1
    assert plain() is None  # memory holds one form of each weight
    assert isinstance(model.called, PackedLinear)
    assert type(model.taken) is type(model.idle) is nn.Linear
    assert not any(m._forward_hooks for m in model.modules())
    with torch.inference_mode():
        torch.testing.assert_close(model(states), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_other_formats_are_left_alone(dtype):
    model = nn.Sequential(nn.Linear(16, 16)).to(dtype)
    assert pack_linears(model, lambda: pytest.fail("there is nothing to run for")) == 0
    assert type(model[0]) is nn.Linear


def test_without_the_kernels_nothing_is_packed(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    model = nn.Sequential(bfloat16_linear(16, 16))
    assert pack_linears(model, lambda: pytest.fail("there is nothing to run for")) == 0


@pytest.mark.parametrize("kind", ["opt", "bert", "roberta", "t5", "bart"])
def test_vectors_of_packed_and_plain_models_agree(kind, tmp_path, monkeypatch):
    folder = getattr(tiny_models, f"tiny_{kind}")(tmp_path)
    settings = {"encoder": folder, "dtype": "bfloat16", "layer": (-1, 1), "progress": False}
    packed = encode_items(TITLES, **settings)
    monkeypatch.setattr(packing, "_can_pack", lambda: False)
    plain = encode_items(TITLES, **settings)
    for reading, vectors in plain.items():
        scale = np.abs(vectors).max()
        np.testing.assert_allclose(packed[reading], vectors, atol=0.01 * scale)
