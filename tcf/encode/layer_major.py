"""One pass of a catalogue through a model, block by block."""

import ctypes
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from tcf.encode.backends.blocks import BlockWeights, Outline
from tcf.encode.backends.loading import model_inputs
from tcf.encode.backends.skeleton import Skeleton
from tcf.encode.backends.tokens import Tokens
from tcf.encode.batching import run_with_backoff
from tcf.encode.pooling import POOLINGS
from tcf.encode.progress import LazyBar
from tcf.encode.states import Checkpoint, PackedStates, RowFile

__all__ = ["Layout", "Pass"]

_log = logging.getLogger(__name__)

_GIVE_BACK_EVERY = 4  # batches; see `_give_back`

Asked = tuple[int | None, str]
"""The block whose input is read (None: the model's last hidden state), and the pooling."""


@dataclass(frozen=True)
class Layout:
    """Which rows of the packed states are whose; texts lie in the order of their batches.

    Attributes:
        batches: ``(B,)`` int positions of texts a batch.
        tokens: Of every text of the call.
        spans: ``(num_texts of the call,)`` rows of each text: its tokens, or, where padding is kept
            too, the longest of its batch.
        first: Likewise, its first row.
        order: Likewise, its place in the pass.
        num_rows: Rows in all.
    """

    batches: list[np.ndarray]
    tokens: Tokens
    spans: np.ndarray
    first: np.ndarray
    order: np.ndarray
    num_rows: int

    @classmethod
    def of(cls, batches: list[np.ndarray], tokens: Tokens, *, whole: bool) -> "Layout":
        """Lay out batches; ``whole`` keeps the states of padding too."""
        spans = tokens.lengths.copy()
        for batch in batches if whole else ():
            spans[batch] = spans[batch].max()
        positions = np.concatenate(batches)
        ends = np.cumsum(spans[positions])
        first, order = np.zeros_like(spans), np.zeros_like(spans)
        first[positions] = ends - spans[positions]
        order[positions] = np.arange(len(positions))
        return cls(batches, tokens, spans, first, order, int(ends[-1]))

    def rows(self, part: np.ndarray) -> tuple[int, int]:
        """Return the first row of a batch, or of a run of one, and the row after its last."""
        return int(self.first[part[0]]), int(self.first[part[-1]] + self.spans[part[-1]])

    def padded(
        self, part: np.ndarray, *, side: Literal["left", "right"]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return the model inputs of a batch, and a ``(B, T)`` bool mask of what is kept of it."""
        arrays = self.tokens.padded(part, side=side)
        length, span = arrays["attention_mask"].shape[1], int(self.spans[part].max())
        if span > length:  # half of a batch for which memory ran out: padded as the whole
            wide = (span - length, 0) if side == "left" else (0, span - length)
            fill = {"input_ids": self.tokens.pad_id}
            arrays = {
                name: np.pad(array, ((0, 0), wide), constant_values=fill.get(name, 0))
                for name, array in arrays.items()
            }
        real = arrays["attention_mask"].astype(bool)
        kept = np.ones_like(real) if int(self.spans[part].sum()) == real.size else real
        return arrays, kept


class Pass:
    """Takes the texts of a layout through a model's blocks and pools what is asked for.

    Args:
        skeleton: The model around its blocks.
        layout: The texts.
        checkpoint: Where to say how far the pass has come.
        folder: Where states go that memory does not hold.
        asked: What to read.
        memory_bytes: See `StreamedReader`.
        device: Where blocks compute.
        offset: Number of the first position.
        padding_side: Side of the padding.
        progress: Show a bar of batches times blocks.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        layout: Layout,
        checkpoint: Checkpoint,
        folder: Path,
        *,
        asked: list[Asked],
        memory_bytes: int,
        device: torch.device,
        offset: int,
        padding_side: Literal["left", "right"],
        progress: bool = False,
    ) -> None:
        self._skeleton, self._layout = skeleton, layout
        self._checkpoint, self._folder, self._asked = checkpoint, folder, asked
        self._memory_bytes, self._device, self._offset = memory_bytes, device, offset
        self._side: Literal["left", "right"] = padding_side
        self._progress = progress
        self._states: PackedStates | None = None
        self._pooled: dict[Asked, RowFile] = {}

    def vectors(
        self, weights: BlockWeights, fresh: Callable[[], Outline], facts: dict[str, Any] | None
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Yield ``(positions, vectors)``, one ``(B, E)`` float32 array for each of ``asked``.

        Args:
            weights: Where blocks are loaded from.
            fresh: Makes the outline that they are loaded into.
            facts: From the checkpoint of a pass that was stopped.
        """
        try:
            facts = self._begin(facts)
            self._run_blocks(weights, fresh, facts)
            yield from run_with_backoff(iter(self._layout.batches), self._end)
        finally:
            for file in [*self._pooled.values(), *([self._states] if self._states else [])]:
                file.close()

    def _begin(self, facts: dict[str, Any] | None) -> dict[str, Any]:
        """Open what holds states and harvests; a new pass finds out how wide they are."""
        if facts is None:
            inputs, _, _ = self._inputs(self._layout.batches[-1])
            with torch.inference_mode():
                states, _ = self._skeleton.arguments(inputs, 0)
            facts = {
                "done": 0,
                "current": 0,
                "width": states.shape[-1],
                "dtype": str(states.dtype).removeprefix("torch."),
                "asked": sorted(set(self._asked), key=str),
            }
        else:
            self._skeleton.forms = [tuple(form) for form in facts["forms"]]
        reads = [(place, pooling) for place, pooling in facts["asked"]]
        depth = self._skeleton.num_blocks
        self._top = max(depth if place is None else place for place, _ in reads)
        shape, dtype = (self._layout.num_rows, facts["width"]), getattr(torch, facts["dtype"])
        in_memory = shape[0] * shape[1] * dtype.itemsize <= self._memory_bytes
        if self._top > 0:
            self._states = PackedStates(
                self._folder,
                shape,
                dtype,
                in_memory=in_memory,
                on_disk=self._checkpoint.kept or not in_memory,
                current=facts["current"],
                filled=facts["done"] > 0,
            )
        texts = sum(map(len, self._layout.batches))
        for place, pooling in reads:
            if place is not None and place < self._top:
                path = self._folder / f"pooled-{place}-{pooling}.bin"
                self._pooled[place, pooling] = RowFile(path, (texts, shape[1]), torch.float32)
        return facts

    def _run_blocks(
        self, weights: BlockWeights, fresh: Callable[[], Outline], facts: dict[str, Any]
    ) -> None:
        done = facts["done"]
        if done >= self._top:
            return
        about = fresh()
        steps = len(self._layout.batches) * (self._top - done)
        with (
            ThreadPoolExecutor(1, thread_name_prefix="tcf-weights") as reader,
            LazyBar(steps, "Streaming blocks", shown=self._progress) as bar,
        ):
            coming: Any = reader.submit(weights.load_block, about, done)
            for number in range(done, self._top):
                block, coming = coming.result(), None  # a future would hold its block
                if number + 1 < self._top:
                    coming = reader.submit(weights.load_block, about, number + 1)
                self._run_block(block, number, bar)
                weights.release(block, about, number + 2)
                del block  # before the one after the next is read
                self._keep(number + 1, facts)

    def _run_block(self, block: nn.Module, number: int, bar: LazyBar) -> None:
        steps = run_with_backoff(
            iter(self._layout.batches), lambda part: self._step(block, number, part)
        )
        for step, _ in enumerate(steps):  # the states are kept; there is nothing to collect
            bar.advance(1)
            if step % _GIVE_BACK_EVERY == 0:
                _give_back()

    def _step(self, block: nn.Module, number: int, part: np.ndarray) -> None:
        """Take one batch through one block."""
        assert self._states is not None
        inputs, real, kept = self._inputs(part)
        start, stop = self._layout.rows(part)
        with torch.inference_mode():
            states, call = self._skeleton.arguments(inputs, number)
            if number > 0:
                states = _unpack(self._states.read(start, stop), kept)
            for (place, pooling), file in self._pooled.items():
                if place == number:
                    file.write(
                        int(self._layout.order[part[0]]), POOLINGS[pooling](states, real).cpu()
                    )
            states = self._skeleton.states(call(block, states), number, states)
            self._states.write(start, states[kept].cpu())

    def _keep(self, done: int, facts: dict[str, Any]) -> None:
        """End a block: from here on, a kill costs no more than what follows."""
        assert self._states is not None
        self._states.turn()
        if self._checkpoint.kept:
            for (place, _), file in self._pooled.items():
                if place == done - 1:
                    file.sync()
        facts |= {"done": done, "current": self._states.current, "forms": self._skeleton.forms}
        self._checkpoint.save(facts)
        _log.info("block %d of %d", done, self._top)

    def _end(self, part: np.ndarray) -> list[np.ndarray]:
        """Return what was asked for of one batch, when all its blocks have run."""
        inputs, real, kept = self._inputs(part)
        start, stop = self._layout.rows(part)
        with torch.inference_mode():
            if self._states is None:
                states, _ = self._skeleton.arguments(inputs, 0)
            else:
                states = _unpack(self._states.read(start, stop), kept)
            last = None
            vectors = []
            for place, pooling in self._asked:
                if (place, pooling) in self._pooled:
                    first = int(self._layout.order[part[0]])
                    rows = self._pooled[place, pooling].read(first, first + len(part))
                elif place is None:
                    last = self._skeleton.finish(inputs, states) if last is None else last
                    rows = POOLINGS[pooling](last, real)
                else:
                    rows = POOLINGS[pooling](states, real)
                vectors.append(rows.cpu().numpy())
        return vectors

    def _inputs(self, part: np.ndarray) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return a batch's model inputs, and ``(B, T)`` masks of its tokens and of what is kept."""
        arrays, kept = self._layout.padded(part, side=self._side)
        inputs = model_inputs(arrays, device=self._device, offset=self._offset)
        return inputs, inputs["attention_mask"], torch.from_numpy(kept).to(self._device)


def _give_back() -> None:
    """Hand freed memory back to the system, where the C library can.

    glibc keeps what batches of many shapes left between its blocks: 100 MB of 770 for an OPT-1.3B
    shape and 2,000 titles (benchmarks/README.md).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def _unpack(rows: Tensor, kept: Tensor) -> Tensor:
    """Return ``(B, T, E)`` states with zeros where nothing was kept."""
    states = torch.zeros(*kept.shape, rows.shape[-1], dtype=rows.dtype, device=kept.device)
    states[kept] = rows.to(kept.device)
    return states
