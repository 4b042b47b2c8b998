"""Loads a Hugging Face model and its tokenizer for reading, with errors that say what to do."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tcf.errors import EncoderError

__all__ = [
    "check_length",
    "load_model",
    "load_tokenizer",
    "position_offset",
    "quiet",
    "stop_before",
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


def stop_before(model: nn.Module, layer: int) -> Callable[[dict[str, Tensor]], Tensor]:
    """Return a function from model inputs to the ``(B, T, E)`` states of one layer.

    It passes only what the model's forward takes. Where the blocks can be found, those above the
    layer are freed and never run.

    Raises:
        EncoderError: If the model has no such layer.
    """
    takes = inspect.signature(model.forward).parameters
    fixed = {"use_cache": False} if "use_cache" in takes else {}

    def forward(inputs: dict[str, Tensor], **options: Any) -> Any:
        known = {name: value for name, value in inputs.items() if name in takes}
        return model(**known, **fixed, return_dict=True, **options)

    depth = _depth(model)
    if layer == -1 or layer == depth:
        return lambda inputs: forward(inputs).last_hidden_state
    if depth is None or not -depth - 1 <= layer < depth:
        number = "an unknown number of" if depth is None else depth
        raise EncoderError(
            f"{type(model).__name__} has {number} blocks, so layer must be within 0..{depth}, "
            f"or -1 for the last; got {layer}"
        )
    place = layer % (depth + 1)
    blocks = _blocks(model, depth)
    if blocks is None:  # ALBERT shares one block: keep all states and take one
        return lambda inputs: forward(inputs, output_hidden_states=True).hidden_states[place]
    del blocks[place + 1 :]
    blocks[place].register_forward_pre_hook(_raise_states, with_kwargs=True)

    def read(inputs: dict[str, Tensor]) -> Tensor:
        try:
            forward(inputs)
        except _Reached as reached:
            return reached.states
        raise AssertionError(f"the forward pass of {type(model).__name__} skipped block {place}")

    return read


class _Reached(Exception):
    """Carries the states out of a forward pass that has gone far enough."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.states = states


def _raise_states(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    raise _Reached(args[0] if args else kwargs["hidden_states"])


def _depth(model: Any) -> int | None:
    config = model.config
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    return getattr(config, "num_hidden_layers", None)


def _blocks(model: nn.Module, depth: int) -> nn.ModuleList | None:
    lists = (m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == depth)
    return next(lists, None)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
