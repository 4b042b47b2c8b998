"""A model that does more between its blocks than hand states on is found out and refused."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tcf.encode.backends.blocks import Outline
from tcf.encode.backends.skeleton import Skeleton
from tcf.errors import EncoderError

TOKENS = {"input_ids": torch.tensor([[1, 2, 3]])}


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, hidden_states: Tensor, **others: Any) -> Any:
        return self.linear(hidden_states)


class Model(nn.Module):
    """Two blocks, and between them what ``between`` does."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.blocks = nn.ModuleList([Block(), Block()])

    def forward(self, input_ids: Tensor, return_dict: bool = True) -> Any:
        states = self.embed(input_ids)
        for number, block in enumerate(self.blocks):
            states = self.between(states, block, number)
        return SimpleNamespace(last_hidden_state=states)

    def between(self, states: Tensor, block: nn.Module, number: int) -> Tensor:
        return block(states)


def skeleton(model: Model) -> Skeleton:
    torch.manual_seed(0)
    where = (torch.float32, torch.device("cpu"))
    return Skeleton(Outline(model, model, "", model.blocks, "blocks.", *where, None))


def run(model: Model) -> Tensor:
    """Take a batch through the blocks as a pass does."""
    around, real = skeleton(model), [Block(), Block()]
    states, call = around.arguments(TOKENS, 0)
    states = around.states(call(real[0], states), 0, states)
    _, call = around.arguments(TOKENS, 1)
    states = around.states(call(real[1], states), 1, states)
    return around.finish(TOKENS, states)


def test_a_plain_stack_runs():
    assert run(Model()).shape == (1, 3, 4)


def test_a_change_between_blocks_is_found():
    class Scaled(Model):
        def between(self, states: Tensor, block: nn.Module, number: int) -> Tensor:
            return block(states) * 2

    with pytest.raises(EncoderError, match="Scaled changes the states between blocks 0 and 1"):
        run(Scaled())


def test_what_blocks_could_write_into_is_found():
    class Shared(Model):
        def between(self, states: Tensor, block: nn.Module, number: int) -> Tensor:
            return block(states, cache={})

    with pytest.raises(EncoderError, match="Shared hands its blocks a dict"):
        run(Shared())


class Two(Block):
    def forward(self, hidden_states: Tensor, **others: Any) -> Any:
        return super().forward(hidden_states), hidden_states.sum()


def test_a_second_value_is_no_matter_unless_the_next_block_gets_it():
    class Dropping(Model):
        def between(self, states: Tensor, block: nn.Module, number: int) -> Tensor:
            output = block(states)
            return output[0] if isinstance(output, tuple) else output

    class Passing(Model):
        last = None

        def between(self, states: Tensor, block: nn.Module, number: int) -> Tensor:
            output = block(states, other=self.last if number else None)
            states, self.last = output if isinstance(output, tuple) else (output, None)
            return states

    for model, refused in ((Dropping(), False), (Passing(), True)):
        around = skeleton(model)
        states, call = around.arguments(TOKENS, 0)
        around.states(call(Two(), states), 0, states)
        if refused:
            with pytest.raises(EncoderError, match="here one gets more from the one before"):
                around.arguments(TOKENS, 1)
        else:
            around.arguments(TOKENS, 1)


def test_a_block_that_is_passed_over_is_found():
    class Short(Model):
        def between(self, states: Tensor, block: nn.Module, number: int) -> Tensor:
            return block(states) if number == 0 else states

    with pytest.raises(EncoderError, match="Short skipped block 1"):
        run(Short())


def test_states_of_another_shape_are_found():
    around = skeleton(Model())
    states, _ = around.arguments(TOKENS, 0)
    with pytest.raises(EncoderError, match=r"block 0 must return states like those it gets"):
        around.states(states[..., :2], 0, states)
