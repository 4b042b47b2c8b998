"""Loads a Hugging Face model and its tokenizer for reading, with errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tcf.errors import EncoderError

__all__ = [
    "check_length",
    "load_model",
    "load_tokenizer",
    "position_offset",
    "quiet",
]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Transformers' loading bars and reports; what matters in them becomes an error."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load_tokenizer(folder: Path) -> Any:
    """Return the folder's tokenizer.

    Raises:
        EncoderError: If it has none that can be loaded.
    """
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # missing files surface as many kinds of error
        raise EncoderError(
            f"{folder}: no tokenizer could be loaded ({_first_line(error)})"
        ) from error
    # Without its files some kinds load empty instead of failing.
    if not tokenizer.get_vocab().keys() - set(tokenizer.all_special_tokens):
        raise EncoderError(
            f"{folder}: no tokenizer could be loaded (it knows no word); save it beside the model"
        )
    return tokenizer


def load_model(
    folder: Path, *, dtype: torch.dtype, device: torch.device
) -> tuple[nn.Module, set[str]]:
    """Return the text encoder in evaluation mode, and the names of weights its files did not hold.

    Of an encoder-decoder model that is the encoder half; T5's decoder is not even loaded.

    Raises:
        EncoderError: If Transformers cannot load it.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding
    from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING

    try:
        with quiet():
            config = AutoConfig.from_pretrained(folder)
            halved = getattr(config, "is_encoder_decoder", False)
            has_half = halved and type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING
            auto = AutoModelForTextEncoding if has_half else AutoModel
            model, report = auto.from_pretrained(
                folder, config=config, dtype=dtype, output_loading_info=True
            )
    except Exception as error:  # from a wrong config to a truncated weight file
        raise EncoderError(
            f"{folder}: the model could not be loaded ({_first_line(error)})"
        ) from error
    missing = set(report["missing_keys"])
    if halved and not has_half:
        whole = model
        model = whole.get_encoder()
        prefix = next(name for name, module in whole.named_modules() if module is model) + "."
        missing = {name.removeprefix(prefix) for name in missing}
    return model.eval().to(device), missing


def check_length(folder: Path, model: nn.Module, tokenizer: Any, max_tokens: int) -> None:
    """Refuse a ``max_tokens`` that the model has no positions for, or that leaves no room for text.

    Raises:
        EncoderError: Naming the bound.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    limits = [tokenizer.model_max_length]
    if isinstance(positions, int) and positions > 0:
        limits.append(positions - position_offset(model))
    if max_tokens > min(limits):
        raise EncoderError(
            f"{folder} reads at most {min(limits)} tokens; got max_tokens={max_tokens}"
        )
    special = tokenizer.num_special_tokens_to_add()
    if max_tokens <= special:
        raise EncoderError(
            f"max_tokens must leave room for text beside the {special} special tokens of {folder}; "
            f"got {max_tokens}"
        )


def position_offset(model: nn.Module) -> int:
    """Number of the first position: ``padding_idx + 1`` for RoBERTa and its kin, 0 for others."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
