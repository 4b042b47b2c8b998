"""The top blocks of a language model, to be trained on what the frozen ones below have made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tcf.encode.backends.blocks import BlockWeights, Outline, count_unloaded, outline
from tcf.encode.backends.loading import forward_of, model_inputs, position_offset
from tcf.errors import EncoderError

__all__ = ["TopBlocks", "load_top"]


class TopBlocks(nn.Module):
    """A language model whose first blocks pass on what they get, and whose others are trained.

    The model itself is called, so that masks, positions, rotary tables and the final norm are its
    own; what enters the first trained block is replaced by the states given. Everything but the
    trained blocks is frozen and no parameter: it is neither counted nor saved.

    Args:
        about: An outline with everything loaded but the frozen blocks.
        first: The first trained block, from 0.

    Attributes:
        model: What Transformers calls the model, or the half of it that reads text.
        prefix: Name of ``model`` in what Transformers loads, with a dot, or ``""``.
        first: As given.
        width: Floats in a last hidden state; of OPT-350M not those between its blocks.
    """

    def __init__(self, about: Outline, *, first: int):
        super().__init__()
        self.model: Any = about.half
        self.prefix, self.first = about.prefix, first
        self._place = about.blocks_prefix.removeprefix(about.prefix).removesuffix(".")
        self._offset = position_offset(about.half)
        self._given: Tensor | None = None
        self._replace_frozen()
        self.freeze()
        self.trained[0].register_forward_pre_hook(self._hand_in, with_kwargs=True)
        with torch.no_grad():
            self.width = self._run(_one_token()).last_hidden_state.shape[-1]

    @property
    def trained(self) -> list[nn.Module]:
        """The trained blocks, the lowest first."""
        return list(self.model.get_submodule(self._place))[self.first :]

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the trained weights."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the trained weights lie."""
        return next(self.parameters()).device

    def forward(self, arrays: dict[str, Any], states: Tensor) -> Tensor:
        """Return the ``(B, T, E)`` last hidden states.

        Args:
            arrays: ``(B, T)`` model inputs of `Tokens.padded`.
            states: ``(B, T, E)`` what enters the first trained block.
        """
        self._given = states
        try:
            return self._run(arrays).last_hidden_state
        finally:
            self._given = None

    def train(self, mode: bool = True) -> "TopBlocks":
        """Put the trained blocks into training mode, and nothing around them: it is frozen."""
        super().train(False)
        self.training = mode
        for block in self.trained:
            block.train(mode)
        return self

    def freeze(self) -> None:
        """Make every parameter that needs no gradient a buffer that is not saved."""
        inside = {id(p) for block in self.trained for p in block.parameters() if p.requires_grad}
        for module in self.model.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                if id(parameter) not in inside:
                    delattr(module, name)
                    module.register_buffer(name, parameter.detach(), persistent=False)

    def checkpoint_blocks(self) -> None:
        """Keep what enters each trained block alone, and run it again for its gradient."""
        for block in self.trained:
            block.forward = _checkpointed(block.forward)

    def weights(self) -> dict[str, Tensor]:
        """Return what training has changed, by the names that Transformers' own model gives it.

        LoRA is merged into the weights that it adds to.

        Raises:
            EncoderError: If there are adapters: the model that they stand in has no place for them.
        """
        from tcf.encode.backends.adapter import Bottleneck
        from tcf.encode.backends.lora import merged

        if any(isinstance(module, Bottleneck) for module in self.modules()):
            raise EncoderError(
                f"{type(self.model).__name__} has no place for adapters, so they cannot be handed "
                "back to it; use vectors of the tower, or tune with method='lora' or 'top'"
            )
        blocks = self.model.get_submodule(self._place)
        return {
            f"{self.prefix}{self._place}.{number}.{name}": weight
            for number in range(self.first, len(blocks))
            for name, weight in merged(blocks[number]).items()
        }

    def _run(self, arrays: dict[str, Any]) -> Any:
        inputs = model_inputs(arrays, device=self.device, offset=self._offset)
        return forward_of(self.model)(inputs)

    def _hand_in(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if self._given is None:
            return None
        if args:
            return (self._given, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": self._given}

    def _replace_frozen(self) -> None:
        """Put what passes states on in the place of each frozen block.

        Raises:
            EncoderError: If the model does more between its blocks than hand states on.
        """
        if not self.first:
            return
        blocks: Any = self.model.get_submodule(self._place)
        frozen, lowest = list(blocks)[: self.first], self.trained[0]
        one = _one_token()
        with torch.no_grad():
            args, kwargs = _arguments(frozen[0], lambda: self._run(one))
            output = lowest(*args, **kwargs)
            bias = _bias_table(frozen[0])
            for number, block in enumerate(frozen):
                kept = {} if number or bias is None else {"bias": bias}
                # its other attributes may be asked for: of ModernBERT, what it attends to
                block._modules, block._parameters, block._buffers = kept, {}, {}
                stand_in = _PassOn(
                    output,
                    bias=kept.get("bias"),
                    hands_on_bias=bias is not None and number > 0,
                )
                block.forward = stand_in.forward
            later, named = _arguments(lowest, lambda: self._run(one))
        if not torch.equal(_states(args, kwargs), _states(later, named)):
            raise EncoderError(
                f"{type(self.model).__name__} changes the states between its blocks, so that its "
                "top blocks cannot be run alone; tune all of them"
            )


def load_top(folder: Path, *, first: int, trust_remote_code: bool = False) -> TopBlocks:
    """Return a model in float32 on the CPU, without ever loading the blocks below ``first``.

    Args:
        folder: From `files.locate`.
        first: The first block that is trained, from 0.
        trust_remote_code: As in `load_model`.

    Raises:
        EncoderError: If the model cannot be loaded, lacks a weight, or is no stack of blocks.
    """
    about = outline(
        folder,
        dtype=torch.float32,
        device=torch.device("cpu"),
        trust_remote_code=trust_remote_code,
    )
    weights = BlockWeights(folder, about)
    try:
        weights.load_rest(about)
        loaded = {n: weights.load_block(about, n) for n in range(first, len(about.blocks))}
        count_unloaded(folder, -1, absent=weights.absent, trust_remote_code=trust_remote_code)
    finally:
        weights.close()
    for number, block in loaded.items():
        about.blocks[number] = block
    # Files may be mapped and hold other formats; trained weights are the process's own.
    for parameter in about.half.parameters():
        if not parameter.is_meta:
            parameter.data = parameter.data.clone().float()
    return TopBlocks(about, first=first)


class _PassOn:
    """Stands for a frozen block: returns what it gets, in the form that a block returns.

    Args:
        output: What a block of the model returned.
        bias: Of T5: what makes the bias that its first block hands to the others.
        hands_on_bias: Of T5: whether it comes after that block.
    """

    def __init__(self, output: Any, *, bias: Any, hands_on_bias: bool) -> None:
        self._num_values = len(output) if isinstance(output, tuple) else None
        self._bias, self._hands_on_bias = bias, hands_on_bias

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the states, and nothing else that a frozen block would make but T5's bias."""
        states = _states(args, kwargs)
        if self._num_values is None:
            return states
        rest: list[Any] = [None] * (self._num_values - 1)
        if self._bias is not None:
            rest[0] = self._bias.compute_bias(states.shape[1], states.shape[1])
        elif self._hands_on_bias:
            rest[0] = args[2]  # from the block before
        return (states, *rest)


def _stop(*args: Any, **kwargs: Any) -> Any:
    raise _Reached(args, kwargs)


def _arguments(block: nn.Module, run: Callable[[], object]) -> tuple[tuple[Any, ...], dict]:
    """Return what ``run`` calls a block with; the forward pass ends there."""
    before = block.__dict__.get("forward")
    block.forward = _stop
    try:
        run()
    except _Reached as reached:
        return reached.args_of_block, reached.kwargs_of_block
    finally:
        del block.forward
        if before is not None:
            block.forward = before
    raise EncoderError(f"the model skips one of its blocks, a {type(block).__name__}")


class _Reached(Exception):
    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__()
        self.args_of_block, self.kwargs_of_block = args, kwargs


def _one_token() -> dict[str, Any]:
    ids = np.zeros((1, 1), np.int64)  # any will do
    return {"input_ids": ids, "attention_mask": ids + 1}


def _checkpointed(forward: Any) -> Any:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return run


def _states(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    return args[0] if args else kwargs["hidden_states"]


def _bias_table(block: nn.Module) -> nn.Module | None:
    """Of T5: the first block's attention, cut down to what makes the position bias of all."""
    owner = next((m for m in block.modules() if hasattr(m, "compute_bias")), None)
    if owner is None or not hasattr(owner, "relative_attention_bias"):
        return None
    for name in list(owner._modules):
        if name != "relative_attention_bias":
            delattr(owner, name)
    return owner
