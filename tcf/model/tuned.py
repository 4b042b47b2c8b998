"""Item vectors from an encoder of which a part is trained."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tcf.data.catalog import Catalog
from tcf.encode.backends.adapter import add_adapters
from tcf.encode.backends.lora import add_lora
from tcf.encode.backends.top import TopBlocks, load_top
from tcf.encode.batching import batches
from tcf.encode.pooling import POOLINGS
from tcf.encode.trunk import TrunkStates
from tcf.model.layers import mlp
from tcf.model.towers import Tower

__all__ = ["EncoderStream", "TunedTextTower"]

BATCH_TOKENS = {"cpu": 1024, "cuda": 16384}
"""Padded tokens that go through the tuned blocks at once, by device type, by default."""


class EncoderStream(nn.Module):
    """Seeds for what an encoder draws: one for each batch of each step.

    Transformers' layers draw from torch's global generator. They run while that generator is set
    aside and another seed stands in its place, so that a batch whose activations were not kept
    draws the same when it is run again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reseed(0)

    def reseed(self, seed: int) -> None:
        """Start the stream of draws anew."""
        self._seed, self._step = seed, 0

    def state(self) -> dict[str, int]:
        """Return where the stream is."""
        return {"seed": self._seed, "step": self._step}

    def restore(self, state: Mapping[str, int]) -> None:
        """Go on from where `state` was taken."""
        self._seed, self._step = state["seed"], state["step"]

    def seeds(self, number: int) -> list[int]:
        """Return a step's seeds, one for each of its batches."""
        sequence = np.random.SeedSequence((self._seed, self._step))
        self._step += 1
        return sequence.generate_state(number, np.uint64).tolist()


class TunedTextTower(Tower):
    """Text through an encoder of which the top blocks are trained, and a projector.

    The blocks below have been run once (`encode_trunk`), and are not loaded. Each distinct text of
    a batch goes through the trained blocks once, among others of like length. Activations are kept
    for ``kept_tokens`` tokens; all further ones are computed again when their gradient is asked
    for, a batch of ``batch_tokens`` at a time, so that the number of items of a step does not
    depend on memory. The gradient is that of one pass over all of them.

    Args:
        states: What enters the first trained block, for each token.
        catalog: Items; the states are joined to its rows by item id.
        dim: Width D of the item vectors.
        num_layers: Layers of the projector from E to D.
        dropout: Between the layers of the projector. The encoder's is its own.
        activation: False leaves the projector's last GELU out.
        lora_rank: Train LoRA of this rank in the linear layers of the blocks, in their place.
        lora_alpha: How much of it is added, over the rank; None: twice the rank.
        adapter_size: Train a bottleneck adapter of this size behind each block, in their place.
        seed: Draws the first weights of LoRA and adapters; nothing else of the encoder is drawn.
        gradient_checkpointing: Keep only what enters each trained block, and run it again.
        batch_tokens: Padded tokens at once; None: by device.
        kept_tokens: Padded tokens whose activations a step keeps.

    Attributes:
        states: As given.
        encoder: The trained blocks, and around them the model.

    Raises:
        EncoderError: If the encoder cannot be loaded, or its blocks cannot be run alone.
        DataError: If an item of the catalogue has no states, or the other way round.
        ValueError: If a number is below 1.
    """

    def __init__(
        self,
        states: TrunkStates,
        catalog: Catalog,
        *,
        dim: int,
        num_layers: int = 2,
        dropout: float = 0.1,
        activation: bool = True,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        adapter_size: int | None = None,
        seed: int = 0,
        gradient_checkpointing: bool = False,
        batch_tokens: int | None = None,
        kept_tokens: int = 32768,
    ):
        super().__init__()
        named = {
            "num_layers": num_layers,
            "lora_rank": lora_rank,
            "adapter_size": adapter_size,
            "batch_tokens": batch_tokens,
            "kept_tokens": kept_tokens,
        }
        for name, value in named.items():
            if value is not None and value < 1:
                raise ValueError(f"a tuned text tower needs {name} of at least 1; got {value}")
        if lora_rank is not None and adapter_size is not None:
            raise ValueError(
                "a tuned text tower trains LoRA or adapters, not both; got "
                f"lora_rank={lora_rank}, adapter_size={adapter_size}"
            )
        self.num_items, self.dim = catalog.num_items, dim
        self._text_of_row = states.text_of_row(catalog)
        self.states, self._lengths = states, states.tokens.lengths
        self._batch_tokens, self._kept_tokens = batch_tokens, kept_tokens
        self._pool = POOLINGS[states.pooling]
        alpha = None if lora_rank is None else lora_alpha or 2.0 * lora_rank
        self._about = {
            "states": states.key[:12],
            "lora_rank": lora_rank,
            "lora_alpha": alpha,
            "adapter_size": adapter_size,
        }
        self.encoder: TopBlocks = load_top(
            states.folder, first=states.first, trust_remote_code=states.trust_remote_code
        )
        if lora_rank is not None and alpha is not None:
            add_lora(self.encoder.trained, rank=lora_rank, alpha=alpha, seed=seed)
            self.encoder.freeze()
        if adapter_size is not None:
            add_adapters(self.encoder.trained, width=states.width, size=adapter_size, seed=seed)
            self.encoder.freeze()
        if gradient_checkpointing:
            self.encoder.checkpoint_blocks()
        self.stream = EncoderStream()
        self.projector = mlp(
            self.encoder.width, dim, num_layers=num_layers, dropout=dropout, activation=activation
        )

    def extra_repr(self) -> str:
        """Return what the weights' shapes do not tell."""
        return ", ".join(f"{name}={value!r}" for name, value in self._about.items())

    def forward(self, rows: Tensor) -> Tensor:
        """Map ``(n,)`` rows to ``(n, D)`` vectors."""
        texts, place = np.unique(self._text_of_row[rows.cpu().numpy()], return_inverse=True)
        padding = int(texts[0] < 0)  # -1 is the padding row: zeros, as in `FrozenTextTower`
        pooled, order = self._encode(texts[padding:])
        where = np.empty(len(texts), np.int64)
        where[padding:][order] = np.arange(len(order))
        if padding:
            where[0] = len(order)
            pooled = torch.cat([pooled, pooled.new_zeros(1, self.encoder.width)])
        chosen = torch.from_numpy(where[place]).to(pooled.device)
        return self.projector(pooled.index_select(0, chosen))

    def all(self) -> Tensor:
        """Return the ``(num_items + 1, D)`` vectors of every row."""
        return self(torch.arange(self.num_items + 1))

    def new_modules(self) -> list[torch.nn.Module]:
        """Return the parts that start from scratch."""
        return [self.projector]

    def _encode(self, texts: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Return the ``(n, E)`` vectors of distinct texts, and the place of each among ``texts``.

        Batches are of like length, the longest texts first.
        """
        parts = self._batches(texts)
        draws = self.encoder.training and torch.is_grad_enabled()
        seeds = self.stream.seeds(len(parts)) if draws else [None] * len(parts)
        left, vectors = self._kept_tokens, []
        for part, seed in zip(parts, seeds, strict=True):
            run = partial(self._pooled, texts[part], seed)
            left -= len(part) * int(self._lengths[texts[part[0]]])
            if left < 0 and torch.is_grad_enabled():
                # its draws start from its seed in either pass, so none is to be stashed
                vectors.append(checkpoint(run, use_reentrant=False, preserve_rng_state=False))
            else:
                vectors.append(run())
        if not parts:  # nothing but padding
            nothing = torch.empty(0, self.encoder.width)
            return nothing.to(self.encoder.device, self.encoder.dtype), np.empty(0, np.int64)
        return torch.cat(vectors), np.concatenate(parts)

    def _batches(self, texts: np.ndarray) -> list[np.ndarray]:
        auto = BATCH_TOKENS.get(self.encoder.device.type, BATCH_TOKENS["cpu"])
        return list(batches(self._lengths[texts], batch_tokens=self._batch_tokens or auto))

    def _pooled(self, texts: np.ndarray, seed: int | None) -> Tensor:
        """Return the ``(B, E)`` vectors of one batch of texts."""
        encoder = self.encoder
        arrays = self.states.tokens.padded(texts, side="right")
        real = torch.from_numpy(arrays["attention_mask"].astype(bool)).to(encoder.device)
        rows = torch.from_numpy(self.states.read(texts)).to(encoder.device, encoder.dtype)
        states = rows.new_zeros(*real.shape, rows.shape[1])
        states[real] = rows
        with _seeded(seed, encoder.device):
            hidden = encoder(arrays, states)
        return self._pool(hidden, real).to(encoder.dtype)


@contextmanager
def _seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """Let torch's global generators draw from a seed, and leave them as they were."""
    if seed is None:
        yield
        return
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for one in devices:
            with torch.cuda.device(one):
                torch.cuda.manual_seed(seed)
        yield
