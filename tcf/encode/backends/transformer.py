"""Reads pooled states out of layers of a Hugging Face transformer that is loaded whole."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from tcf.encode.backends.layers import LayerReader
from tcf.encode.backends.loading import check_length, load_model, load_tokenizer, position_offset
from tcf.encode.backends.packing import pack_linears
from tcf.encode.backends.parameters import count_parameters
from tcf.encode.backends.protocol import Reading
from tcf.encode.backends.tokens import Tokens
from tcf.encode.batching import plan_batches, run_with_backoff
from tcf.encode.pooling import POOLINGS

__all__ = ["BATCH_TOKENS", "TransformerReader"]

BATCH_TOKENS = {"cpu": 1024, "cuda": 65536}
"""Padded tokens a batch, by device type, by default; on a CPU, small ones stay in cache."""


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
        sharded: bool,
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
        self._tokenizer = load_tokenizer(folder)
        self._model, self._missing = load_model(
            folder, dtype=getattr(torch, dtype), device=self._device
        )
        check_length(folder, self._model, self._tokenizer, max_tokens)
        self._read = LayerReader(self._model, layers)
        self._offset = position_offset(self._model)
        self._tokenised: tuple[Sequence[str], Tokens] | None = None
        # Now, not when asked: a weight that the files lack must stop the run before it starts.
        self._parameters = {layer: self._count(layer) for layer in layers}
        if not sharded:  # accelerate moves the weights of a sharded model
            pack_linears(self._model, lambda: self._probe(layers))

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray, readings: Sequence[Reading]
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Yield ``(positions, vectors)``; see `Reader.encode`."""
        tokens = self._tokens(texts)
        layers = sorted({reading.layer for reading in readings})
        pools = [(reading.layer, POOLINGS[reading.pooling or "mean"]) for reading in readings]

        def run(positions: np.ndarray) -> list[np.ndarray]:
            with torch.inference_mode():
                states, mask = self._states(tokens, positions, layers)
                return [pool(states[layer], mask).cpu().numpy() for layer, pool in pools]

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
        return self._states(tokens, one, layers)[0]

    def _tokens(self, texts: Sequence[str]) -> Tokens:
        """Token ids of a call's texts, kept for its next share of them."""
        if self._tokenised is None or self._tokenised[0] is not texts:
            tokens = Tokens.of(self._tokenizer, texts, max_tokens=self._max_tokens)
            self._tokenised = (texts, tokens)
        return self._tokenised[1]

    def _states(
        self, tokens: Tokens, positions: np.ndarray, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """Return the ``(B, T, E)`` states of each layer, and their ``(B, T)`` mask."""
        arrays: dict[str, Any] = tokens.padded(positions, side=self._padding_side)
        inputs = {name: torch.from_numpy(a).to(self._device) for name, a in arrays.items()}
        mask = inputs["attention_mask"]
        # Positions count real tokens only, so the padding side cannot move them.
        inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0) + self._offset
        return self._read(inputs, layers), mask
