"""Reads a model larger than memory: every batch through one block, then through the next.

Each weight is read once for the whole catalogue (or for a chunk of it, where the states of all of
it would not fit on disk), while the block before it computes. See DESIGN, section 3.
"""

import hashlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from tcf._util import hash_json
from tcf.encode.backends.blocks import BlockWeights, Outline, count_unloaded, outline
from tcf.encode.backends.loading import check_length, load_tokenizer, place_of, position_offset
from tcf.encode.backends.skeleton import Skeleton
from tcf.encode.backends.tokens import Tokens
from tcf.encode.batching import plan_batches
from tcf.encode.layer_major import Layout, Pass
from tcf.encode.states import Checkpoint, working_folder

__all__ = ["StreamedReader"]

_BATCH_TOKENS = {"cpu": 1024, "cuda": 65536}
_MEMORY_BYTES = 2**30
_CHUNK_BYTES = 2**36
_log = logging.getLogger(__name__)


class StreamedReader:
    """A transformer whose blocks are never in memory together. In float32 on a CPU, bit-identical
    to the resident one.

    Args:
        folder: The model's folder, from `files.locate`.
        max_tokens: Texts are cut there, special tokens included.
        device: Where blocks compute.
        dtype: Name of a torch dtype.
        batch_tokens: Padded tokens a batch, or ``"auto"``.
        padding_side: Vectors do not depend on it.
        quantization: None, ``"int8"`` or ``"nf4"``; each block is quantised as it is loaded.
        work: Folder for states between blocks and for checkpoints. Its name must stand for the
            weights, and no other process may use it at the same time. None: a temporary folder, and
            a killed pass begins anew.
        memory_bytes: States up to this size stay in memory; larger ones are on disk alone. Default:
            1 GiB.
        chunk_bytes: Texts whose states take more than this go through the model in several chunks,
            and its weights are read once for each. Default: 64 GiB.
        trust_remote_code: As in `load_model`.

    Raises:
        EncoderError: If the model cannot be streamed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_tokens: int,
        device: str,
        dtype: str,
        batch_tokens: int | Literal["auto"] = "auto",
        padding_side: Literal["left", "right"] = "right",
        quantization: str | None = None,
        work: Path | None = None,
        memory_bytes: int | None = None,
        chunk_bytes: int | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self._folder, self._max_tokens = folder, max_tokens
        self._device, self._dtype = torch.device(device), getattr(torch, dtype)
        auto = _BATCH_TOKENS.get(self._device.type, _BATCH_TOKENS["cpu"])
        self._batch_tokens = auto if batch_tokens == "auto" else batch_tokens
        self._padding_side: Literal["left", "right"] = padding_side
        self._quantization, self._trust = quantization, trust_remote_code
        self._work = work
        self._memory_bytes = _MEMORY_BYTES if memory_bytes is None else memory_bytes
        self._chunk_bytes = _CHUNK_BYTES if chunk_bytes is None else chunk_bytes
        self._counts: dict[int, dict[str, int]] = {}
        self._tokenizer = load_tokenizer(folder, trust_remote_code=trust_remote_code)
        self._outline = self._fresh()
        check_length(folder, self._outline.half, self._tokenizer, max_tokens)
        self._offset = position_offset(self._outline.half)
        self._weights = BlockWeights(folder, self._outline)

    def parameters(self, layer: int) -> dict[str, int]:
        """Count the parameters used up to a layer; loads none of them.

        Raises:
            EncoderError: If the layer does not exist, or needs a weight that the files do not hold.
        """
        if layer not in self._counts:
            self._counts[layer] = count_unloaded(
                self._folder, layer, absent=self._weights.absent, trust_remote_code=self._trust
            )
        return self._counts[layer]

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray, readings: Sequence[Any]
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Yield ``(positions, vectors)``, one array a reading, once all blocks have run.

        Args:
            texts: Every distinct text of the call; batches are cut from all of them.
            wanted: ``(n,)`` int, places in ``texts`` that need a vector.
            readings: What to read; ``layer`` and ``pooling`` of each.

        Raises:
            EncoderError: If the model cannot do what a reading asks, or states find no room.
            TokenlessTextError: If the tokenizer finds nothing in a text.
        """
        for reading in readings:
            self.parameters(reading.layer)  # refuses what cannot be read, before anything is
        places = [place_of(self._outline.half, reading.layer) for reading in readings]
        asked = [(place, r.pooling) for place, r in zip(places, readings, strict=True)]
        tokens = Tokens.of(self._tokenizer, texts, max_tokens=self._max_tokens)
        spill = Path(tempfile.gettempdir()) / f"tcf-stream-{hash_json([str(self._folder)])[:8]}"
        spill = Path(tempfile.mkdtemp(prefix="tcf-stream-")) if self._work is None else spill
        with working_folder(self._work, spill) as folder:
            yield from self._chunks(tokens, np.asarray(wanted), asked, folder)

    def _chunks(
        self,
        tokens: Tokens,
        wanted: np.ndarray,
        asked: list[tuple[int | None, str]],
        folder: Path,
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        checkpoint = Checkpoint(folder if self._work is not None else None, self._key(tokens))
        left = np.zeros(len(tokens.lengths), bool)
        left[wanted] = True
        while left.any():
            batches, facts = self._resume(checkpoint, left, asked)
            if facts is None:
                batches = self._next_chunk(tokens, np.flatnonzero(left))
                checkpoint.begin(batches)
            run = Pass(
                self._skeleton,
                Layout.of(batches, tokens, whole=self._quantization == "int8"),
                checkpoint,
                folder,
                asked=asked,
                memory_bytes=self._memory_bytes,
                device=self._device,
                offset=self._offset,
                padding_side=self._padding_side,
            )
            for positions, vectors in run.vectors(self._weights, self._fresh, facts):
                here = left[positions]
                if here.any():
                    yield positions[here], [v[here] for v in vectors]
            checkpoint.clear()
            left[np.concatenate(batches)] = False

    def _resume(
        self, checkpoint: Checkpoint, left: np.ndarray, asked: list[tuple[int | None, str]]
    ) -> tuple[list[np.ndarray], dict[str, Any] | None]:
        """Return the batches and facts of a stopped pass over texts that are still wanted."""
        found = checkpoint.load()
        if found is None or not left[np.concatenate(found[0])].any():
            return [], None
        batches, facts = found
        known = {tuple(reading) for reading in facts["asked"]}
        if not set(asked) <= known:
            return [], None
        _log.info("going on after block %d, where an earlier pass stopped", facts["done"])
        return batches, facts

    def _next_chunk(self, tokens: Tokens, wanted: np.ndarray) -> list[np.ndarray]:
        """Return whole batches, the longest texts first, whose states fit ``chunk_bytes``."""
        plan = plan_batches(tokens.lengths, wanted, batch_tokens=self._batch_tokens)
        width = self._outline.whole.get_input_embeddings().weight.shape[-1]
        row_bytes = width * self._dtype.itemsize
        size = np.cumsum([tokens.lengths[batch].sum() * row_bytes for batch in plan])
        return plan[: max(1, int(np.searchsorted(size, self._chunk_bytes, side="right")))]

    def _key(self, tokens: Tokens) -> str:
        """Hash of what shapes the states; the name of ``work`` stands for the weights."""
        ids = hashlib.sha256()
        for array in (tokens.offsets, *tokens.columns.values()):
            ids.update(array.tobytes())
        return hash_json(
            {
                "tokens": ids.hexdigest(),
                "dtype": str(self._dtype),
                "device": self._device.type,
                "quantization": self._quantization,
                "batch_tokens": self._batch_tokens,
                "padding_side": self._padding_side,
                "versions": [version("torch"), version("transformers")],
            }
        )

    def _fresh(self) -> Outline:
        return outline(
            self._folder,
            dtype=self._dtype,
            device=self._device,
            quantization=self._quantization,
            trust_remote_code=self._trust,
        )

    @cached_property
    def _skeleton(self) -> Skeleton:
        self._weights.load_rest(self._outline)
        return Skeleton(self._outline)
