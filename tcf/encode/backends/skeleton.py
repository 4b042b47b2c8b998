"""The model around its blocks: it says what each block is called with, and ends a pass."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tcf.encode.backends.blocks import Outline
from tcf.encode.backends.loading import forward_of
from tcf.errors import EncoderError

__all__ = ["Form", "Skeleton"]

Form = tuple[int, int]
"""A block's output: how many values it is (0: bare states), and which is T5's bias (0: none)."""

_PLAIN = (type(None), bool, int, float, str, torch.dtype, torch.device, Tensor)


class Skeleton:
    """Runs a model whose blocks hand on what they get, up to the block that is asked for.

    Masks, positions and rotary tables are made by the model itself, for each block anew, so nothing
    of a batch is kept between blocks but its states.

    Args:
        about: An outline of which all but the blocks is loaded.
    """

    def __init__(self, about: Outline) -> None:
        self._name = type(about.half).__name__
        self._forward = forward_of(about.half)
        self._stop: int | None = None
        self._given: Tensor | None = None  # what went into the last block
        self._result: Tensor | None = None
        self._bias = _position_bias(about.blocks[0])
        self.num_blocks = len(about.blocks)
        self._checked: set[int] = set()
        self.forms: list[Form] = []
        for number, block in enumerate(about.blocks):
            block.forward = self._recorder(number)

    def arguments(
        self, inputs: dict[str, Tensor], number: int
    ) -> tuple[Tensor, Callable[[nn.Module, Tensor], Any]]:
        """Return what enters a block if no block before it changes anything, and how to call it.

        Args:
            inputs: Of a batch.
            number: The block, from 0; for 0, what enters it are its true states.

        Returns:
            ``(B, T, E)`` states, and a function of the loaded block and its true states.

        Raises:
            EncoderError: If the model does more between its blocks than hand states on.
        """
        self._stop, self._given, self._result = number, None, None
        try:
            self._forward(inputs)
        except _Reached as reached:
            args, kwargs = reached.args_of_block, reached.kwargs_of_block
        else:
            raise EncoderError(f"{self._name} skipped block {number}; {_RESIDENT}")
        self._refuse_mutable([*args, *kwargs.values()])

        def call(block: nn.Module, states: Tensor) -> Any:
            if args:
                return block(states, *args[1:], **kwargs)
            return block(**{**kwargs, "hidden_states": states})

        return _states(args, kwargs), call

    def states(self, output: Any, number: int, given: Tensor) -> Tensor:
        """Return the states in a block's output, and remember the form it has.

        Raises:
            EncoderError: If the block hands on more than states to the next.
        """
        values = output if isinstance(output, tuple) else (output,)
        states = values[0]
        if number == len(self.forms):
            self.forms.append(self._form(output, given))
        if states.shape != given.shape or states.dtype != given.dtype:
            raise EncoderError(
                f"{self._name}: block {number} must return states like those it gets, "
                f"{tuple(given.shape)} {given.dtype}; it returns {tuple(states.shape)} "
                f"{states.dtype}. {_RESIDENT}"
            )
        return states

    def finish(self, inputs: dict[str, Tensor], states: Tensor) -> Tensor:
        """Return ``last_hidden_state`` for the states that left the last block."""
        self._stop, self._given, self._result = None, None, states
        return self._forward(inputs).last_hidden_state

    def _recorder(self, number: int) -> Callable[..., Any]:
        def hand_on(*args: Any, **kwargs: Any) -> Any:
            states = _states(args, kwargs)
            self._check_between(number, states)
            if number == self._stop:
                raise _Reached(args, kwargs)
            if self._result is not None and number == self.num_blocks - 1:
                states = self._result
            self._given = states
            return self._returned(states, self.forms[number])

        return hand_on

    def _returned(self, states: Tensor, form: Form) -> Any:
        count, bias = form
        if count == 0:
            return states
        values: list[Any] = [states, *[None] * (count - 1)]
        if bias:
            assert self._bias is not None
            values[bias] = self._bias(states.shape[1])
        return tuple(values)

    def _form(self, output: Any, given: Tensor) -> Form:
        if not isinstance(output, tuple):
            return 0, 0
        others = [n for n, value in enumerate(output) if n > 0 and value is not None]
        if not others:
            return len(output), 0
        if len(others) == 1 and self._bias is not None:
            bias = self._bias(given.shape[1])
            if torch.equal(bias, output[others[0]]):
                return len(output), others[0]
        raise EncoderError(
            f"{self._name}: a block must hand on its states alone to be streamed; this one returns "
            f"{len(others)} values more. {_RESIDENT}"
        )

    def _check_between(self, number: int, states: Tensor) -> None:
        """Once a block: what enters it is what left the one before."""
        if number in self._checked or self._given is None:
            return
        if not torch.equal(states, self._given):
            raise EncoderError(
                f"{self._name} changes the states between blocks {number - 1} and {number}; "
                f"{_RESIDENT}"
            )
        self._checked.add(number)

    def _refuse_mutable(self, values: list[Any]) -> None:
        for value in values:
            parts = value if isinstance(value, tuple) else (value,)
            if not all(isinstance(part, _PLAIN) for part in parts):
                raise EncoderError(
                    f"{self._name} hands its blocks a {type(value).__name__}, in which one block "
                    f"may leave something for another; {_RESIDENT}"
                )


_RESIDENT = "use placement='resident' or 'sharded'"


class _Reached(Exception):
    """Carries a block's arguments out of a forward pass that has gone far enough."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__()
        self.args_of_block, self.kwargs_of_block = args, kwargs


def _states(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    return args[0] if args else kwargs["hidden_states"]


def _position_bias(block: nn.Module) -> Callable[[int], Tensor] | None:
    """Of T5: the bias that its first block makes for a length, and hands to the others."""
    owner: Any = next((m for m in block.modules() if hasattr(m, "compute_bias")), None)
    if owner is None or not hasattr(owner, "relative_attention_bias"):
        return None
    known: dict[int, Tensor] = {}

    def bias(length: int) -> Tensor:
        if length not in known:
            known.clear()  # batches are sorted by length, so the last one is enough
            known[length] = owner.compute_bias(length, length)
        return known[length]

    return bias
