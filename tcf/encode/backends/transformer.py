"""Reads pooled states out of one layer of a Hugging Face transformer, running no block above it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tcf.encode.backends.loading import (
    check_length,
    load_model,
    load_tokenizer,
    position_offset,
    stop_before,
)
from tcf.encode.backends.parameters import count_parameters
from tcf.encode.backends.tokens import Tokens
from tcf.encode.batching import batches, run_with_backoff
from tcf.encode.pooling import POOLINGS

__all__ = ["BATCH_TOKENS", "TransformerReader"]

BATCH_TOKENS = {"cpu": 1024, "cuda": 65536}
"""Padded tokens a batch, by device type, by default; on a CPU, small ones stay in cache."""


class TransformerReader:
    """A loaded model with its tokenizer. Arguments as in `HfBackend`.

    The states of layer k are the input of block k + 1, so the forward pass stops there; the last
    layer is ``last_hidden_state``, final norm included, as in Hugging Face's ``hidden_states``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        layer: int,
        pooling: str,
        max_tokens: int,
        device: str,
        dtype: str,
        batch_tokens: int | Literal["auto"],
        padding_side: Literal["left", "right"],
    ) -> None:
        self._device = torch.device(device)
        self._pool = POOLINGS[pooling]
        self._max_tokens = max_tokens
        self._padding_side: Literal["left", "right"] = padding_side
        auto = BATCH_TOKENS.get(self._device.type, BATCH_TOKENS["cpu"])
        self._batch_tokens = auto if batch_tokens == "auto" else batch_tokens
        self._tokenizer = load_tokenizer(folder)
        self._model, missing = load_model(folder, dtype=getattr(torch, dtype), device=self._device)
        check_length(folder, self._model, self._tokenizer, max_tokens)
        self._read = stop_before(self._model, layer)
        self._offset = position_offset(self._model)
        one = np.zeros(1, np.int64)
        probe = Tokens({"input_ids": one}, offsets=np.arange(2), pad_id=0)  # any token will do
        self.parameters = count_parameters(
            self._model, lambda: self._states(probe, one)[0], missing=missing, where=folder
        )

    def encode(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ``(positions, vectors)``; see `HfBackend.encode`."""
        tokens = Tokens.of(self._tokenizer, texts, max_tokens=self._max_tokens)

        def run(positions: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return self._pool(*self._states(tokens, positions)).cpu().numpy()

        plan = batches(tokens.lengths, batch_tokens=self._batch_tokens)
        yield from run_with_backoff(plan, run)

    def _states(self, tokens: Tokens, positions: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return ``(B, T, E)`` states and their ``(B, T)`` mask."""
        arrays = tokens.padded(positions, side=self._padding_side)
        inputs = {name: torch.from_numpy(a).to(self._device) for name, a in arrays.items()}
        mask = inputs["attention_mask"]
        # Positions count real tokens only, so the padding side cannot move them.
        inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0) + self._offset
        return self._read(inputs), mask
