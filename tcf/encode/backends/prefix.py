"""Tokens that all texts begin with, run once: a prompt's share of a causal model's work."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from tcf.encode.backends.tokens import Tokens

__all__ = ["SharedPrefix", "is_causal", "keeps_the_past", "split"]

MIN_TOKENS = 8
"""Shorter prefixes are not worth a longer attention."""

Read = Callable[[dict[str, Any]], dict[int, Tensor]]


def split(tokens: Tokens) -> tuple[Tokens, Tokens] | None:
    """Return the tokens that all texts begin with, as one text, and what is left of each text.

    Every text keeps at least one token. None if fewer than `MIN_TOKENS` are shared.
    """
    starts, flat = tokens.offsets[:-1], tokens.columns.values()
    most = int(tokens.lengths.min()) - 1

    def differs(place: int) -> bool:
        return any((column[starts + place] != column[place]).any() for column in flat)

    count = next((place for place in range(most) if differs(place)), most)
    if count < MIN_TOKENS:
        return None
    own = np.ones(int(tokens.offsets[-1]), bool)
    for place in range(count):
        own[starts + place] = False
    shared = {name: column[:count] for name, column in tokens.columns.items()}
    rest = {name: column[own] for name, column in tokens.columns.items()}
    left = tokens.offsets - count * np.arange(len(tokens.offsets))
    return (
        Tokens(shared, np.array([0, count]), tokens.pad_id),
        Tokens(rest, left, tokens.pad_id),
    )


def keeps_the_past(model: nn.Module) -> bool:
    """Whether a model goes on from Transformers' keys and values alone.

    A recurrent model cannot, and code from elsewhere may keep its past in a form of its own.
    """
    takes = inspect.signature(model.forward).parameters
    own = type(model).__module__.startswith("transformers.models.")
    return own and "past_key_values" in takes and not getattr(model, "_is_stateful", False)


def is_causal(run: Callable[[dict[str, np.ndarray]], Tensor], tokens: Tokens) -> bool | None:
    """Whether a change of the last token leaves the states of all tokens before it as they were.

    Args:
        run: From ``(B, T)`` inputs to ``(B, T, E)`` states.
        tokens: Texts, of which the longest is taken.

    Returns:
        None where that text has no two different tokens.
    """
    longest = int(np.argmax(tokens.lengths))
    arrays = tokens.padded(np.array([longest, longest]), side="right")
    row = arrays["input_ids"][0]
    others = row[row != row[-1]]
    if not len(others):
        return None
    arrays["input_ids"][1, -1] = others[0]
    before = run(arrays)[:, :-1].float()
    return bool((before[0] - before[1]).abs().max() <= 1e-6 * before.abs().max())


class SharedPrefix:
    """Keys, values and states of the tokens that all texts of a call begin with.

    A causal model's states of a prefix do not depend on what follows, so a batch runs the rest of
    its texts alone, attending to what was computed once. In float32 the states are those of the
    whole texts to about 1e-6 of the largest value.

    Args:
        read: From model inputs, ``past_key_values`` among them, to the states of each layer.
        prefix: From `split`, as model inputs of one text, positions among them.

    Attributes:
        is_kept: Whether a block was run, and kept keys and values of every token of the prefix.
    """

    def __init__(self, read: Read, prefix: dict[str, Tensor]) -> None:
        self._read = read
        self._num_tokens = prefix["input_ids"].shape[1]
        cache = DynamicCache()
        with torch.inference_mode():
            self._states = read({**prefix, "past_key_values": cache})
        # A block above the highest layer is not run and keeps nothing; a sliding window's mask is
        # the model's affair, so every layer keeps the whole prefix.
        kept = [_Kept(layer) for layer in cache.layers]
        self._cache = Cache(layers=[*kept])
        self.is_kept = bool(kept) and all(k.get_seq_length() == self._num_tokens for k in kept)

    def states(self, inputs: dict[str, Tensor]) -> tuple[dict[int, Tensor], Tensor]:
        """Return ``(B, P + T, E)`` states of each layer and their mask, of whole texts.

        Args:
            inputs: ``(B, T)`` model inputs of what is left of the texts, padded on the right (a
                gap would lengthen distances in a sliding window), positions among them as if
                nothing stood before.
        """
        own, whole = self.rest(inputs)
        return {
            layer: torch.cat([self._states[layer].expand(len(whole), -1, -1), states], dim=1)
            for layer, states in own.items()
        }, whole

    def rest(self, inputs: dict[str, Tensor]) -> tuple[dict[int, Tensor], Tensor]:
        """Return as `states`, but the ``(B, T, E)`` states of what is left of the texts alone."""
        mask = inputs["attention_mask"]
        whole = torch.cat([mask.new_ones(len(mask), self._num_tokens), mask], dim=1)
        own = self._read(
            {
                **inputs,
                "attention_mask": whole,
                "position_ids": inputs["position_ids"] + self._num_tokens,
                "past_key_values": self._cache,
            }
        )
        return own, whole

    def last(self, layer: int) -> Tensor:
        """Return the ``(1, E)`` state of the prefix's last token."""
        return self._states[layer][:, -1]


class _Kept(DynamicLayer):
    """Keys and values of one text that stay as they are, handed to every text of a batch."""

    def __init__(self, filled: Any) -> None:
        super().__init__()
        self.lazy_initialization(filled.keys, filled.values)
        self.keys, self.values = filled.keys, filled.values

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Return the kept keys and values with the new ones behind them, and keep nothing new."""
        return self._before(self.keys, key_states), self._before(self.values, value_states)

    @staticmethod
    def _before(kept: Any, new: Tensor) -> Tensor:
        return torch.cat([kept.expand(len(new), -1, -1, -1), new], dim=-2)
