"""Reads the states of several layers out of one forward pass, running no block above them."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from tcf.encode.backends.loading import find_blocks, forward_of, place_of

__all__ = ["LayerReader"]


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
        self._forward = forward_of(model)
        self._places = {layer: place_of(model, layer) for layer in layers}
        # ALBERT shares one block: its states are kept by the model itself and taken from there.
        self._blocks = find_blocks(model)
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


class _Reached(Exception):
    """Ends a forward pass that has gone far enough."""


def _catcher(found: dict[int | None, Tensor], place: int, *, stop: bool) -> Any:
    def catch(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found[place] = args[0] if args else kwargs["hidden_states"]
        if stop:
            raise _Reached

    return catch
