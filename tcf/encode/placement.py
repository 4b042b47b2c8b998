"""Where an encoder's weights go: on one device, over several, or through memory block by block.

Needs no weights: sizes follow from the config, and free memory is asked of the system.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tcf.encode.machine import Memory, free_memory
from tcf.encode.shape import BITS, Shape, read_config

__all__ = [
    "Choice",
    "Needs",
    "choose",
    "choose_placement",
    "device_memory",
    "show_bytes",
    "tokens_a_batch",
]

Placed = Literal["resident", "sharded", "streamed"]

_FREE_SHARE = 0.9
"""Of free memory, what a plan may use: allocators keep some, and other processes breathe."""
_LOADS = 3
"""A streamed pass holds a block, the next one, and what the latter is read through."""
STATES_IN_MEMORY_BYTES = 2**30
"""A streamed pass keeps states up to this size in memory, larger ones on disk alone."""
STATES_OF_CHUNK_BYTES = 2**36
"""Texts whose states take more go through a streamed pass in several chunks."""


class Choice(NamedTuple):
    """A placement, and why."""

    placement: Placed
    reason: str


@dataclass(frozen=True)
class Needs:
    """What an encoder takes, in bytes.

    Attributes:
        weights: All that is loaded.
        block: The largest block.
        embeddings: The tables outside the blocks.
        activations: Of one batch, inside one block.
        states: Of all tokens of the call, between two blocks; only a streamed pass keeps them.
    """

    weights: int
    block: int
    embeddings: int
    activations: int
    states: int = 0

    @classmethod
    def of(
        cls,
        shape: Shape,
        *,
        dtype: str,
        quantization: str | None,
        batch_tokens: int,
        num_tokens: int = 0,
    ) -> "Needs":
        """Estimate from a model's shape.

        Activations are taken as eight states and three intermediate results a token: what an
        unfused block has alive at its widest, attention scores left out.
        """
        number = BITS[dtype] / 8
        return cls(
            weights=shape.weight_bytes(dtype, quantization),
            block=shape.block_bytes(dtype, quantization),
            embeddings=int(shape.embeddings * number),
            activations=int(batch_tokens * (8 * shape.width + 3 * shape.inner) * number),
            states=int(num_tokens * shape.width * number),
        )

    def peak(self, placement: Placed) -> int:
        """Bytes at the fullest moment, over all devices together."""
        if placement != "streamed":
            return self.weights + self.activations
        loads = min(self.weights, _LOADS * max(self.block, self.embeddings))
        return loads + self.activations + min(self.states, STATES_IN_MEMORY_BYTES)

    @property
    def num_chunks(self) -> int:
        """How often a streamed pass reads the weights."""
        return max(1, math.ceil(self.states / STATES_OF_CHUNK_BYTES))


def choose_placement(
    source: Path | Mapping[str, Any],
    *,
    device: str,
    dtype: str,
    quantization: str | None = None,
    batch_tokens: int | Literal["auto"] = "auto",
    trust_remote_code: bool = False,
) -> Choice:
    """Return where a model goes and why. Reads its config and asks for free memory, no more.

    Args:
        source: The model's folder, or ``model_type`` and config arguments.
        device: Resolved device; ``"cuda"`` allows every CUDA device, ``"cuda:1"`` that one.
        dtype: Resolved number format.
        quantization: None, ``"int8"`` or ``"nf4"``.
        batch_tokens: Padded tokens a batch.
        trust_remote_code: As in `load_model`.

    Raises:
        EncoderError: If the config cannot be used.
    """
    needs = Needs.of(
        Shape.of(read_config(source, trust_remote_code=trust_remote_code)),
        dtype=dtype,
        quantization=quantization,
        batch_tokens=tokens_a_batch(batch_tokens, device),
    )
    return choose(needs, free_memory(), device=device, quantization=quantization)


def tokens_a_batch(batch_tokens: int | Literal["auto"], device: str) -> int:
    """Return what ``"auto"`` means on a device."""
    from tcf.encode.backends.transformer import BATCH_TOKENS

    if batch_tokens != "auto":
        return batch_tokens
    return BATCH_TOKENS.get(device.partition(":")[0], BATCH_TOKENS["cpu"])


def choose(needs: Needs, free: Memory, *, device: str, quantization: str | None = None) -> Choice:
    """Return the first of resident, sharded and streamed that fits what is free.

    Quantised weights are never sharded into CPU memory, where bitsandbytes leaves them as they are.
    """
    whole = needs.weights + needs.activations
    what = f"{show_bytes(needs.weights)} of weights and {show_bytes(needs.activations)} a batch"
    room = device_memory(free, device)
    if whole <= _FREE_SHARE * room:
        return Choice("resident", f"{what} fit in {show_bytes(room)} free on {device}")
    cards = _cards(free, device)
    over = sum(max(0, int(_FREE_SHARE * card) - needs.activations - needs.block) for card in cards)
    if len(cards) > 1 and needs.weights <= over:
        total = show_bytes(sum(cards))
        return Choice("sharded", f"{what} fit in {total} free on {len(cards)} CUDA devices")
    beside = over + int(_FREE_SHARE * free.host)
    if cards and quantization is None and needs.weights <= beside:
        total = f"{show_bytes(sum(cards))} free on CUDA and {show_bytes(free.host)} beside it"
        return Choice("sharded", f"{what} fit in {total}")
    return _streamed(needs, what, room, device)


def device_memory(free: Memory, device: str) -> int:
    """Return the bytes free on the one device that a resident model would lie on."""
    cards = _cards(free, device)
    return cards[0] if cards else free.host


def _cards(free: Memory, device: str) -> tuple[int, ...]:
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return ()
    return free.cuda if not number else (free.cuda[int(number)],)


def _streamed(needs: Needs, what: str, room: int, device: str) -> Choice:
    peak = needs.peak("streamed")
    reason = f"{what} do not fit in {show_bytes(room)} free on {device}; block by block they take "
    reason += show_bytes(peak)
    if peak > _FREE_SHARE * room:
        reason += ", which does not fit either: free memory, or take fewer tokens a batch"
    return Choice("streamed", reason)


def show_bytes(number: float) -> str:
    """1536 -> "1.5 KiB"; three digits."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} TiB"
