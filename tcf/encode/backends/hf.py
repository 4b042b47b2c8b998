"""Any Hugging Face encoder, decoder, or encoder half, read from its own files."""

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tcf._util import hash_json
from tcf.encode.backends.files import fingerprint, weight_files
from tcf.encode.backends.protocol import Reader, Reading

__all__ = ["HfBackend", "Transformer"]

_ARITHMETIC = 2
"""Raised by every change that moves half-precision vectors by rounding; float32 keeps its bits."""
_MARGIN = 4  # float16 files loaded as float32 take twice their size, and batches need room too
_log = logging.getLogger(__name__)


class Transformer:
    """A model's files and where they run; shared by all readings of a harvest.

    Identity needs only files; torch loads with the first use of ``reader``.

    Args:
        folder: The model's folder, from `files.locate`.
        layers: All that will be read; blocks above the highest are never kept.
        max_tokens: Texts are cut there.
        device: Torch device.
        dtype: Resolved number format, never ``"auto"``.
        quantization: Of the blocks' weights.
        placement: ``"auto"``, ``"resident"``, ``"sharded"`` or ``"streamed"``.
        batch_tokens: Padded tokens a batch, or ``"auto"``.
        memory: Where hashes of large files are remembered.
        work: Where a streamed pass keeps its states; None is a temporary folder.
        trust_remote_code: Run code that came with the model.
        progress: Let a streamed pass show a bar of its blocks.
        padding_side: Vectors do not depend on it; right is right for every model.

    Attributes:
        layers: As given.
    """

    def __init__(
        self,
        folder: Path,
        *,
        layers: Sequence[int] = (-1,),
        max_tokens: int = 30,
        device: str,
        dtype: str,
        quantization: str | None = None,
        placement: str = "resident",
        batch_tokens: int | Literal["auto"] = "auto",
        memory: Path | None = None,
        work: Path | None = None,
        trust_remote_code: bool = False,
        progress: bool = True,
        padding_side: Literal["left", "right"] = "right",
    ) -> None:
        self._folder, self._memory, self._work, self.layers = folder, memory, work, layers
        self._placement, self._progress = placement, progress
        self._settings: dict[str, Any] = {
            "max_tokens": max_tokens,
            "device": device,
            "dtype": dtype,
            "quantization": quantization,
            "batch_tokens": batch_tokens,
            "trust_remote_code": trust_remote_code,
            "padding_side": padding_side,
        }

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Hashes of weights, configuration and tokenizer, and in what precision they run."""
        settings = ("dtype", "quantization", "max_tokens")
        code = self._settings["trust_remote_code"]
        exact = self._settings["dtype"] == "float32"
        return {
            "backend": "transformer",
            **fingerprint(self._folder, memory=self._memory, code=code),
            **{name: self._settings[name] for name in settings},
            **({} if exact else {"arithmetic": _ARITHMETIC}),
        }

    @cached_property
    def reader(self) -> Reader:
        """The loaded model, or what streams it."""
        if self.placement == "streamed":
            from tcf.encode.stream import StreamedReader

            work = self._work and self._work / hash_json(self.identity)[:16]
            return StreamedReader(
                self._folder, work=work, progress=self._progress, **self._settings
            )
        from tcf.encode.backends.transformer import TransformerReader

        return TransformerReader(
            self._folder,
            layers=self.layers,
            device_map="auto" if self.placement == "sharded" else None,
            offload_folder=self._work and self._work / "offload",
            **self._settings,
        )

    @cached_property
    def placement(self) -> str:
        """What ``"auto"`` comes to; a model that fits many times over is not looked at closely."""
        if self._placement != "auto":
            return self._placement
        from tcf.encode.machine import free_memory
        from tcf.encode.placement import choose_placement, device_memory

        stored = sum(path.stat().st_size for path in weight_files(self._folder))
        if _MARGIN * stored < device_memory(free_memory(), self._settings["device"]):
            return "resident"
        names = ("device", "dtype", "quantization", "batch_tokens", "trust_remote_code")
        settings = {name: self._settings[name] for name in names}
        choice = choose_placement(self._folder, **settings)
        _log.info("placement %s: %s", *choice)
        return choice.placement


class HfBackend:
    """Pooled states of one layer of a transformer.

    Args:
        model: Its files, and where they run.
        reading: Layer and pooling; pooling None is the mean.
    """

    def __init__(self, model: Transformer, reading: Reading) -> None:
        self.model = model
        self.reading = reading._replace(pooling=reading.pooling or "mean")

    def identity(self) -> dict[str, Any]:
        """Hashes of weights, configuration and tokenizer, and how they are read."""
        return {
            **self.model.identity,
            "layer": self.reading.layer,
            "pooling": self.reading.pooling,
        }

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ``(positions, vectors)`` of batches of like length.

        Raises:
            EncoderError: If the model cannot be loaded or cannot do what the reading asks.
            TokenlessTextError: If the tokenizer finds nothing in a text.
        """
        for positions, (vectors,) in self.model.reader.encode(texts, wanted, [self.reading]):
            yield positions, vectors

    def parameters(self) -> dict[str, int]:
        """Count the parameters used up to the layer taken."""
        return self.model.reader.parameters(self.reading.layer)
