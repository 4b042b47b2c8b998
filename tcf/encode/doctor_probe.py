"""Looks inside a transformer for the doctor: its tokenizer, its limits, its activations."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tcf.encode.backends.layers import LayerReader
from tcf.encode.backends.loading import (
    find_blocks,
    load_model,
    load_tokenizer,
    position_offset,
    quiet,
)
from tcf.encode.backends.prefix import is_causal
from tcf.encode.backends.tokens import Tokens
from tcf.encode.batching import batches
from tcf.encode.doctor_texts import TokenFacts

__all__ = ["Probe", "token_facts"]

_BATCH_TOKENS = 1024


def token_facts(folder: Path, texts: Sequence[str], *, trust_remote_code: bool) -> TokenFacts:
    """Return what the tokenizer in ``folder`` makes of the texts.

    Raises:
        EncoderError: If there is none that can be loaded.
    """
    tokenizer = load_tokenizer(folder, trust_remote_code=trust_remote_code)
    with quiet():  # it would warn of texts beyond its limit, which are cut later
        rows = tokenizer(list(texts), return_special_tokens_mask=True, return_attention_mask=False)
    masks = [np.asarray(mask, bool) for mask in rows["special_tokens_mask"]]
    ids = [np.asarray(row, np.int64) for row in rows["input_ids"]]
    unknown = tokenizer.unk_token_id
    opens, closes = _ends(tokenizer, ids, masks)
    return TokenFacts(
        lengths=np.array([len(row) for row in ids]),
        num_content=np.array([int((~mask).sum()) for mask in masks]),
        num_unknown=np.array(
            [int((row[~mask] == unknown).sum()) for row, mask in zip(ids, masks, strict=True)]
        ),
        opens=opens,
        closes=closes,
        unknown_token=tokenizer.unk_token,
        pad_token=tokenizer.pad_token,
        pad_id=tokenizer.pad_token_id,
        num_tokens=len(tokenizer),
        limit=int(tokenizer.model_max_length),
    )


def _ends(
    tokenizer: Any, ids: list[np.ndarray], masks: list[np.ndarray]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Special tokens before and after the content of the first text that has some."""
    for row, mask in zip(ids, masks, strict=True):
        content = np.flatnonzero(~mask)
        if len(content):
            before, after = row[: content[0]], row[content[-1] + 1 :]
            names = tokenizer.convert_ids_to_tokens
            return tuple(names(before.tolist())), tuple(names(after.tolist()))
    return (), ()


class Probe:
    """A transformer, loaded once to watch its blocks up to the layer taken.

    Args:
        folder: The transformer's folder.
        layer: As in `EncoderSpec`.
        max_tokens: Texts are cut there.
        device: Torch device.
        dtype: Number format; float16 would hide what is looked for.
        trust_remote_code: As in `EncoderSpec`.

    Raises:
        EncoderError: If it cannot be loaded, or has no such layer.
    """

    def __init__(
        self,
        folder: Path,
        *,
        layer: int,
        max_tokens: int,
        device: str,
        dtype: str,
        trust_remote_code: bool,
    ) -> None:
        self._device, self._max_tokens = torch.device(device), max_tokens
        self._tokenizer = load_tokenizer(folder, trust_remote_code=trust_remote_code)
        self._model, _ = load_model(
            folder,
            dtype=getattr(torch, dtype),
            device=self._device,
            trust_remote_code=trust_remote_code,
        )
        self._blocks = find_blocks(self._model)
        self._read, self._layer = LayerReader(self._model, [layer]), layer

    @property
    def num_positions(self) -> int | None:
        """Tokens for which the model states that it has positions."""
        positions = getattr(self._model.config, "max_position_embeddings", None)
        if not isinstance(positions, int) or positions <= 0:
            return None
        return positions - position_offset(self._model)

    @property
    def num_embeddings(self) -> int | None:
        """Rows of the token table."""
        table: Any = self._model.get_input_embeddings()  # type: ignore[operator]
        return getattr(table, "num_embeddings", None)

    def largest_outputs(self, texts: Sequence[str]) -> list[float] | None:
        """Return the largest absolute output of each block on the texts' real tokens.

        None where the model's blocks cannot be told apart, or none is run.
        """
        if not self._blocks:
            return None
        tokens = Tokens.of(self._tokenizer, texts, max_tokens=self._max_tokens)
        largest: dict[int, float] = {}
        mask = torch.empty(0)

        def keep(block: int) -> Callable[[nn.Module, Any, Any], None]:
            def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
                states = output[0] if isinstance(output, tuple) else output
                size = float(states[mask.to(states.device)].abs().max())
                largest[block] = max(size, largest.get(block, size)) if size == size else size

            return hook

        handles = [b.register_forward_hook(keep(n)) for n, b in enumerate(self._blocks)]
        for positions in batches(tokens.lengths, batch_tokens=_BATCH_TOKENS):
            arrays = tokens.padded(positions, side="right")
            mask = torch.from_numpy(arrays["attention_mask"]).bool()
            self._states(arrays)
        for handle in handles:
            handle.remove()
        return [largest[n] for n in sorted(largest)] or None

    def is_causal(self, texts: Sequence[str]) -> bool | None:
        """Whether a change of the last token leaves all tokens before it as they were.

        None where no text has two different tokens.
        """
        tokens = Tokens.of(self._tokenizer, texts, max_tokens=self._max_tokens)
        return is_causal(self._states, tokens)

    def _states(self, arrays: dict[str, np.ndarray]) -> Tensor:
        """``(B, T, E)`` states of right-padded inputs, whose positions every model counts right."""
        inputs = {name: torch.from_numpy(a).to(self._device) for name, a in arrays.items()}
        with torch.inference_mode():
            return self._read(inputs, [self._layer])[self._layer]
