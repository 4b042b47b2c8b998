"""Reads pooled states out of layers of a Hugging Face transformer that is loaded whole."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from tcf.encode.backends.blocks import count_unloaded
from tcf.encode.backends.layers import LayerReader
from tcf.encode.backends.loading import (
    check_length,
    load_model,
    load_tokenizer,
    model_inputs,
    position_offset,
)
from tcf.encode.backends.packing import pack_linears
from tcf.encode.backends.parameters import count_parameters
from tcf.encode.backends.prefix import SharedPrefix, is_causal, keeps_the_past, split
from tcf.encode.backends.protocol import Reading
from tcf.encode.backends.tokens import Tokens
from tcf.encode.batching import plan_batches, run_with_backoff
from tcf.encode.pooling import POOLINGS

__all__ = ["BATCH_TOKENS", "TransformerReader"]

BATCH_TOKENS = {"cpu": 1024, "cuda": 65536}
"""Padded tokens a batch, by device type, by default; on a CPU, small ones stay in cache."""

_SHARING_TEXTS = 8  # fewer would not win back the passes that sharing a prefix takes


class TransformerReader:
    """A loaded model with its tokenizer: a `Reader`. Arguments as in `Transformer`."""

    def __init__(
        self,
        folder: Path,
        *,
        layers: Sequence[int],
        max_tokens: int,
        device: str,
        dtype: str,
        quantization: str | None,
        device_map: dict[str, Any] | str | None = None,
        offload_folder: Path | None = None,
        batch_tokens: int | Literal["auto"],
        trust_remote_code: bool,
        padding_side: Literal["left", "right"],
    ) -> None:
        self._folder = folder
        self._device = torch.device(device)
        self._max_tokens = max_tokens
        self._padding_side: Literal["left", "right"] = padding_side
        auto = BATCH_TOKENS.get(self._device.type, BATCH_TOKENS["cpu"])
        self._batch_tokens = auto if batch_tokens == "auto" else batch_tokens
        self._tokenizer = load_tokenizer(folder, trust_remote_code=trust_remote_code)
        self._model, self._missing = load_model(
            folder,
            dtype=getattr(torch, dtype),
            device=self._device,
            quantization=quantization,
            device_map=device_map,
            offload_folder=offload_folder,
            trust_remote_code=trust_remote_code,
        )
        check_length(folder, self._model, self._tokenizer, max_tokens)
        self._read, self._layers = LayerReader(self._model, layers), tuple(layers)
        self._offset = position_offset(self._model)
        self._tokenised: tuple[Sequence[str], Tokens] | None = None
        # Now, not when asked: a weight that the files lack must stop the run before it starts.
        # Quantised, parameters are packed, and sharded, they lie elsewhere: a copy without values
        # is counted then.
        whole = quantization is None and device_map is None
        self._parameters = {
            layer: self._count(layer)
            if whole
            else count_unloaded(
                folder,
                layer,
                absent=frozenset(self._missing),
                trust_remote_code=trust_remote_code,
            )
            for layer in layers
        }
        if device_map is None:  # accelerate moves the weights of a sharded model
            pack_linears(self._model, lambda: self._probe(layers))

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray, readings: Sequence[Reading]
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Yield ``(positions, vectors)``; see `Reader.encode`."""
        layers = sorted({reading.layer for reading in readings})
        tokens, prefix = self._without_prefix(self._tokens(texts), layers)
        pools = [(reading.layer, POOLINGS[reading.pooling or "mean"]) for reading in readings]

        def run(positions: np.ndarray) -> list[np.ndarray]:
            with torch.inference_mode():
                inputs = self._inputs(tokens, positions)
                states, mask = self._states(inputs, layers, prefix)
                return [pool(states[layer], mask).cpu().numpy() for layer, pool in pools]

        plan = plan_batches(tokens.lengths, wanted, batch_tokens=self._batch_tokens)
        yield from run_with_backoff(plan, run)

    def token_states(
        self, tokens: Tokens, wanted: np.ndarray, *, layer: int
    ) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yield ``(positions, states)``: the states of each token of a batch of texts, packed.

        Args:
            tokens: Of all texts.
            wanted: ``(n,)`` int, the texts whose states are asked for.
            layer: One of those that the reader was made for.

        Yields:
            ``(B,)`` positions, and the ``(tokens of those texts, E)`` states, text by text.
        """

        def run(positions: np.ndarray) -> Tensor:
            with torch.inference_mode():
                states, mask = self._states(self._inputs(tokens, positions), [layer])
                return states[layer][mask.bool()].cpu()

        plan = plan_batches(tokens.lengths, wanted, batch_tokens=self._batch_tokens)
        yield from run_with_backoff(plan, run)

    def parameters(self, layer: int) -> dict[str, int]:
        """Count the parameters used up to one of the layers."""
        return self._parameters[layer]

    def _count(self, layer: int) -> dict[str, int]:
        return count_parameters(
            self._model,
            lambda: self._probe([layer])[layer],
            missing=self._missing,
            where=self._folder,
        )

    def _probe(self, layers: Sequence[int]) -> dict[int, Tensor]:
        """Return the states of each layer for a text of one token; any token will do."""
        one = np.zeros(1, np.int64)
        tokens = Tokens({"input_ids": one}, offsets=np.arange(2), pad_id=0)
        return self._states(self._inputs(tokens, one), layers)[0]

    def _tokens(self, texts: Sequence[str]) -> Tokens:
        """Token ids of a call's texts, kept for its next share of them."""
        if self._tokenised is None or self._tokenised[0] is not texts:
            tokens = Tokens.of(self._tokenizer, texts, max_tokens=self._max_tokens)
            self._tokenised = (texts, tokens)
        return self._tokenised[1]

    def _without_prefix(
        self, tokens: Tokens, layers: Sequence[int]
    ) -> tuple[Tokens, SharedPrefix | None]:
        """Return what is left of the texts, and what they all begin with if it is run once."""
        parts = split(tokens) if len(tokens.lengths) >= _SHARING_TEXTS and self._may_share else None
        if parts is None:
            return tokens, None
        shared, rest = parts
        prefix = SharedPrefix(
            lambda inputs: self._read(inputs, layers), self._inputs(shared, np.zeros(1, np.int64))
        )
        return (rest, prefix) if prefix.is_kept else (tokens, None)

    @cached_property
    def _may_share(self) -> bool:
        """Whether a prefix may be run once; in float32 vectors stay those of a streamed pass."""
        if self._model.dtype == torch.float32 or self._padding_side == "left":
            return False
        few = np.arange(4)  # any tokens will do
        probe = Tokens({"input_ids": few}, offsets=np.array([0, len(few)]), pad_id=0)

        def last(arrays: dict[str, np.ndarray]) -> Tensor:
            return self._states(self._placed(arrays), self._layers[-1:])[0][self._layers[-1]]

        with torch.inference_mode():
            return keeps_the_past(self._model) and bool(is_causal(last, probe))

    def _inputs(self, tokens: Tokens, positions: np.ndarray) -> dict[str, Tensor]:
        """Return the ``(B, T)`` model inputs of a batch, on the device."""
        return self._placed(tokens.padded(positions, side=self._padding_side))

    def _placed(self, arrays: dict[str, Any]) -> dict[str, Tensor]:
        return model_inputs(arrays, device=self._device, offset=self._offset)

    def _states(
        self, inputs: dict[str, Tensor], layers: Sequence[int], prefix: SharedPrefix | None = None
    ) -> tuple[dict[int, Tensor], Tensor]:
        """Return the ``(B, T, E)`` states of each layer, and their ``(B, T)`` mask."""
        if prefix is not None:
            return prefix.states(inputs)
        return self._read(inputs, layers), inputs["attention_mask"]
