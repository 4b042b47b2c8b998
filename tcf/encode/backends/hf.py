"""Any Hugging Face encoder, decoder, or encoder half, read from its own files."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tcf.encode.backends.files import fingerprint
from tcf.encode.spec import EncoderSpec

if TYPE_CHECKING:
    from tcf.encode.backends.transformer import TransformerReader

__all__ = ["HfBackend"]


class HfBackend:
    """Pooled states of one layer of a transformer. Identity needs only files; torch loads with use.

    Args:
        folder: The model's folder, from `files.locate`.
        spec: Layer, pooling and length.
        device: Torch device.
        dtype: Resolved number format, never ``"auto"``.
        batch_tokens: Padded tokens a batch, or ``"auto"``.
        memory: Where hashes of large files are remembered.
        padding_side: Vectors do not depend on it; right is right for every model.
    """

    def __init__(
        self,
        folder: Path,
        spec: EncoderSpec,
        *,
        device: str,
        dtype: str,
        batch_tokens: int | Literal["auto"] = "auto",
        memory: Path | None = None,
        padding_side: Literal["left", "right"] = "right",
    ) -> None:
        self._folder, self._spec, self._memory = folder, spec, memory
        self._device, self._dtype = device, dtype
        self._batch_tokens: int | Literal["auto"] = batch_tokens
        self._padding_side: Literal["left", "right"] = padding_side

    def identity(self) -> dict[str, Any]:
        """Hashes of weights, configuration and tokenizer, and how they are read."""
        return {
            "backend": "transformer",
            **fingerprint(self._folder, memory=self._memory),
            "dtype": self._dtype,
            "quantization": self._spec.quantization,
            "max_tokens": self._spec.max_tokens,
            "layer": self._spec.layer,
            "pooling": self._spec.pooling or "mean",
        }

    def encode(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ``(positions, vectors)`` of batches of like length.

        Raises:
            EncoderError: If the model cannot be loaded or cannot do what the spec asks.
            TokenlessTextError: If the tokenizer finds nothing in a text.
        """
        return self._reader.encode(texts)

    def parameters(self) -> dict[str, int]:
        """Count the parameters used up to the layer taken."""
        return self._reader.parameters

    @cached_property
    def _reader(self) -> "TransformerReader":
        from tcf.encode.backends.transformer import TransformerReader

        return TransformerReader(
            self._folder,
            layer=self._spec.layer,
            pooling=self._spec.pooling or "mean",
            max_tokens=self._spec.max_tokens,
            device=self._device,
            dtype=self._dtype,
            batch_tokens=self._batch_tokens,
            padding_side=self._padding_side,
        )
