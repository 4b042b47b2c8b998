"""A sentence-transformers model as its makers meant it: its own pooling, norm and prompt."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tcf.encode.backends.files import fingerprint
from tcf.encode.spec import EncoderSpec
from tcf.errors import EncoderError

__all__ = ["SentenceBackend"]


class SentenceBackend:
    """The whole pipeline of a sentence-transformers folder, batched by tokens.

    In float32 the vectors are those of ``SentenceTransformer.encode`` with the same
    ``max_seq_length``. The model's default prompt, where it has one, is put before each text unless
    the spec brings its own. Arguments as in `HfBackend`.
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
    ) -> None:
        self._folder, self._spec, self._memory = folder, spec, memory
        self._device, self._dtype = device, dtype
        self._batch_tokens: int | Literal["auto"] = batch_tokens
        self._own_prompt = spec.prompt == "{text}"

    def identity(self) -> dict[str, Any]:
        """Hashes of all the pipeline's files, and how they are read."""
        return {
            "backend": "sentence-transformers",
            **fingerprint(self._folder, memory=self._memory, code=self._spec.trust_remote_code),
            "dtype": self._dtype,
            "quantization": self._spec.quantization,
            "max_tokens": self._spec.max_tokens,
            "own_prompt": self._own_prompt,
        }

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ``(positions, vectors)`` of batches of like length.

        Raises:
            EncoderError: If the model cannot be loaded.
        """
        import torch

        from tcf.encode.backends.transformer import BATCH_TOKENS
        from tcf.encode.batching import plan_batches, run_with_backoff

        def run(positions: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                chosen = [str(texts[p]) for p in positions]
                return self._vectors(chosen).float().cpu().numpy()

        budget = self._batch_tokens
        if budget == "auto":
            budget = BATCH_TOKENS.get(torch.device(self._device).type, BATCH_TOKENS["cpu"])
        plan = plan_batches(self._lengths(texts), wanted, batch_tokens=budget)
        yield from run_with_backoff(plan, run)

    def parameters(self) -> dict[str, int]:
        """Count the parameters of the transformer and of dense layers after it."""
        from tcf.encode.backends.parameters import count_parameters

        # A missing weight cannot be told apart here: sentence-transformers keeps no loading report.
        return count_parameters(
            self._model, lambda: self._vectors(["a"]), missing=(), where=self._folder
        )

    def _vectors(self, texts: list[str]) -> Any:
        from sentence_transformers.util import batch_to_device

        prompt = None
        if self._own_prompt and self._model.default_prompt_name is not None:
            prompt = self._model.prompts.get(self._model.default_prompt_name)
        features = self._model.preprocess(texts, prompt=prompt)
        return self._model(batch_to_device(features, self._model.device))["sentence_embedding"]

    def _lengths(self, texts: Sequence[str]) -> np.ndarray:
        """Tokens of each text; characters where the model is not built on a tokenizer."""
        limit = self._spec.max_tokens
        lengths = np.empty(len(texts), np.int64)
        for start in range(0, len(texts), 8192):  # in parts: lists of ids outweigh their texts
            part: Sequence[Any] = texts[start : start + 8192]
            with contextlib.suppress(AttributeError, TypeError):
                rows = self._model.tokenizer(list(part), truncation=True, max_length=limit)
                part = rows["input_ids"]
            lengths[start : start + 8192] = np.fromiter(map(len, part), np.int64, len(part))
        return lengths

    @cached_property
    def _model(self) -> Any:
        import torch
        from sentence_transformers import SentenceTransformer

        from tcf.encode.backends.loading import check_length, quiet

        dtype = getattr(torch, self._dtype)
        loading: dict[str, Any] = {"dtype": dtype}
        if self._spec.quantization is not None:
            from tcf.encode.backends.quantize import quantization_config

            how = quantization_config(self._spec.quantization, dtype=dtype)
            loading |= {"quantization_config": how, "device_map": {"": self._device}}
        try:
            with quiet():
                model = SentenceTransformer(
                    str(self._folder),
                    device=self._device,
                    local_files_only=True,
                    model_kwargs=loading,
                    trust_remote_code=self._spec.trust_remote_code,
                )
        except Exception as error:  # wrong modules, missing files, truncated weights
            raise EncoderError(
                f"{self._folder}: not a sentence-transformers model that can be loaded ({error})"
            ) from error
        if self._spec.quantization is not None:
            from tcf.encode.backends.quantize import check_quantized

            check_quantized(self._folder, model, torch.device(self._device))
        if model.transformers_model is not None:
            check_length(
                self._folder, model.transformers_model, model.tokenizer, self._spec.max_tokens
            )
        model.max_seq_length = self._spec.max_tokens
        return model.eval()
