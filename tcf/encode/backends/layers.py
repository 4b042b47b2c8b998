"""Reads the states of several layers out of one forward pass, running no block above them."""

import inspect
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from tcf.errors import EncoderError

__all__ = ["LayerReader", "depth_of", "find_blocks", "resolve_layer"]


class LayerReader:
    """Call it with model inputs; it returns the states of each layer.

    The states of layer k are the input of block k + 1, so the forward pass stops there; the last
    layer is ``last_hidden_state``, final norm included, as in Hugging Face's ``hidden_states``.
    It passes only what the model's forward takes. Where the blocks can be found, those above the
    highest layer are freed.

    Args:
        model: A loaded transformer.
        layers: All layers that will be asked for.

    Raises:
        EncoderError: If the model has no such layer.
    """

    def __init__(self, model: nn.Module, layers: Sequence[int]) -> None:
        self._model = model
        self._takes = inspect.signature(model.forward).parameters
        self._fixed = {"use_cache": False} if "use_cache" in self._takes else {}
        self._places = {layer: resolve_layer(model, layer) for layer in layers}
        depth = depth_of(model)
        # ALBERT shares one block: its states are kept by the model itself and taken from there.
        self._blocks = None if depth is None else find_blocks(model, depth)
        top = max(-1 if place is None else place for place in self._places.values())
        if self._blocks is not None and None not in self._places.values():
            del self._blocks[top + 1 :]

    def __call__(self, inputs: dict[str, Tensor], layers: Sequence[int]) -> dict[int, Tensor]:
        """Return the ``(B, T, E)`` states of each layer."""
        wanted = {layer: self._places[layer] for layer in layers}
        inner = {place for place in wanted.values() if place is not None}
        if not inner:
            last: Tensor = self._forward(inputs).last_hidden_state
            return dict.fromkeys(layers, last)
        if self._blocks is None:
            states = self._forward(inputs, output_hidden_states=True)
            return {
                layer: states.last_hidden_state if place is None else states.hidden_states[place]
                for layer, place in wanted.items()
            }
        found: dict[int | None, Tensor] = {}
        stop = max(inner) if None not in wanted.values() else None
        hooks = [
            self._blocks[place].register_forward_pre_hook(
                _catcher(found, place, stop=place == stop), with_kwargs=True
            )
            for place in inner
        ]
        try:
            found[None] = self._forward(inputs).last_hidden_state
        except _Reached:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        return {layer: found[place] for layer, place in wanted.items()}

    def _forward(self, inputs: dict[str, Tensor], **options: Any) -> Any:
        known = {name: value for name, value in inputs.items() if name in self._takes}
        return self._model(**known, **self._fixed, return_dict=True, **options)


class _Reached(Exception):
    """Ends a forward pass that has gone far enough."""


def _catcher(found: dict[int | None, Tensor], place: int, *, stop: bool) -> Any:
    def catch(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found[place] = args[0] if args else kwargs["hidden_states"]
        if stop:
            raise _Reached

    return catch


def resolve_layer(model: nn.Module, layer: int) -> int | None:
    """Return the block that takes a layer's states as input; None for the last layer.

    Raises:
        EncoderError: If the model has no such layer.
    """
    depth = depth_of(model)
    if layer == -1 or layer == depth:
        return None
    if depth is None or not -depth - 1 <= layer < depth:
        number = "an unknown number of" if depth is None else depth
        raise EncoderError(
            f"{type(model).__name__} has {number} blocks, so layer must be within 0..{depth}, "
            f"or -1 for the last; got {layer}"
        )
    return layer % (depth + 1)


def depth_of(model: Any) -> int | None:
    """Return the number of blocks that a model's config states."""
    config = model.config
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    return getattr(config, "num_hidden_layers", None)


def find_blocks(model: nn.Module, depth: int) -> nn.ModuleList | None:
    """Return the model's stack of blocks, the first list of as many modules."""
    lists = (m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == depth)
    return next(lists, None)
