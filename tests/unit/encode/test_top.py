"""The top blocks of a model that does more than call its blocks one after another are refused."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tcf.encode.backends.blocks import Outline
from tcf.encode.backends.top import TopBlocks
from tcf.errors import EncoderError
from tests.unit.encode.test_skeleton import Model


def top(model: Model) -> TopBlocks:
    where = (torch.float32, torch.device("cpu"))
    return TopBlocks(Outline(model, model, "", model.blocks, "blocks.", *where, None), first=1)


def test_a_plain_stack_takes_the_states_that_it_is_handed():
    model = Model()
    wanted = model.blocks[1](torch.ones(1, 3, 4))
    ids = np.zeros((1, 3), np.int64)
    found = top(model)({"input_ids": ids, "attention_mask": ids + 1}, torch.ones(1, 3, 4))
    assert found.equal(wanted)
    assert [name for name, _ in top(model).named_parameters()] == [
        "model.blocks.1.linear.weight",
        "model.blocks.1.linear.bias",
    ]


def test_a_change_between_blocks_is_found():
    class Scaled(Model):
        def between(self, states: Tensor, block: nn.Module, number: int) -> Tensor:
            return block(states) * 2

    with pytest.raises(EncoderError, match="Scaled changes the states between its blocks, so that"):
        top(Scaled())


def test_a_block_that_is_passed_over_is_found():
    class Short(Model):
        def between(self, states: Tensor, block: nn.Module, number: int) -> Tensor:
            return block(states) if number else states

    with pytest.raises(EncoderError, match="the model skips one of its blocks, a Block"):
        top(Short())
