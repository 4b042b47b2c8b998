"""Loads a Hugging Face model and its tokenizer for reading, with errors that say what to do."""

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tcf.encode.backends.quantize import check_placement, check_quantized, quantization_config
from tcf.errors import EncoderError

__all__ = [
    "check_length",
    "find_blocks",
    "forward_of",
    "load_model",
    "load_tokenizer",
    "model_class",
    "model_inputs",
    "place_of",
    "position_offset",
    "quiet",
    "read_config",
    "text_half",
    "untrained_model",
]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Transformers' loading bars and reports; what matters in them becomes an error."""
    from transformers.utils import logging as reports

    bars, level = reports.is_progress_bar_enabled(), reports.get_verbosity()
    reports.disable_progress_bar()
    reports.set_verbosity_error()
    try:
        yield
    finally:
        reports.set_verbosity(level)
        if bars:
            reports.enable_progress_bar()


def load_tokenizer(folder: Path, *, trust_remote_code: bool = False) -> Any:
    """Return the folder's tokenizer.

    Raises:
        EncoderError: If it has none that can be loaded.
    """
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
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


def read_config(folder: Path, *, trust_remote_code: bool = False) -> Any:
    """Return the model's configuration.

    Raises:
        EncoderError: If it cannot be read, or the model's code is not part of Transformers and
            ``trust_remote_code`` is False.
    """
    from transformers import CONFIG_MAPPING, AutoConfig

    try:
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        foreign = "auto_map" in stored and stored.get("model_type") not in CONFIG_MAPPING
        if not foreign or trust_remote_code:
            with quiet():
                return AutoConfig.from_pretrained(folder, trust_remote_code=foreign)
    except Exception as error:  # a wrong type, invalid JSON, fields that contradict each other
        raise EncoderError(
            f"{folder}: the model could not be loaded ({_first_line(error)})"
        ) from error
    raise EncoderError(
        f"{folder}: a model must be one that Transformers knows, or its code must be trusted; "
        f"{stored.get('model_type')!r} comes with code of its own "
        f"({', '.join(sorted(map(str, stored['auto_map'].values())))}). Read that code, then pass "
        "trust_remote_code=True"
    )


def model_class(config: Any) -> Any:
    """Return the auto class that loads a model for reading: of T5 and its kin, the encoder half."""
    from transformers import AutoModel, AutoModelForTextEncoding

    return AutoModelForTextEncoding if _has_half(config) else AutoModel


def text_half(model: Any) -> tuple[nn.Module, str]:
    """Return the part that reads text, and its name in the model with a dot, ``""`` for all of it.

    It differs from the model where Transformers loads an encoder-decoder only whole.
    """
    config = model.config
    if not getattr(config, "is_encoder_decoder", False) or _has_half(config):
        return model, ""
    half = model.get_encoder()
    return half, next(name for name, module in model.named_modules() if module is half) + "."


def _has_half(config: Any) -> bool:
    """Whether Transformers has a class for the encoder half; its config may say it is the whole."""
    from transformers import MODEL_FOR_TEXT_ENCODING_MAPPING, MODEL_MAPPING

    kind = type(config)
    if kind not in MODEL_FOR_TEXT_ENCODING_MAPPING or kind not in MODEL_MAPPING:
        return False
    return MODEL_FOR_TEXT_ENCODING_MAPPING[kind] is not MODEL_MAPPING[kind]


def load_model(
    folder: Path,
    *,
    dtype: torch.dtype,
    device: torch.device,
    quantization: str | None = None,
    device_map: dict[str, Any] | str | None = None,
    offload_folder: Path | None = None,
    trust_remote_code: bool = False,
) -> tuple[nn.Module, set[str]]:
    """Return the text encoder in evaluation mode, and the names of weights its files did not hold.

    Of an encoder-decoder model that is the encoder half; T5's decoder is not even loaded.

    Args:
        folder: From `files.locate`.
        dtype: Number format of what is not quantised.
        device: Where the model goes; without effect where ``device_map`` is given.
        quantization: None, ``"int8"`` or ``"nf4"``; see `quantize`.
        device_map: Module name -> device, ``"cpu"`` or ``"disk"``, or ``"auto"``: accelerate
            spreads the model over devices, CPU memory and disk. None: all of it on ``device``.
        offload_folder: Where accelerate writes weights that it cannot leave in safetensors files.
        trust_remote_code: Run model code that comes with the folder and not with Transformers.

    Raises:
        EncoderError: If Transformers cannot load it, or the pair of placement and precision is none
            that can run.
    """
    options: dict[str, Any] = {}
    if device_map is not None:
        check_placement(device_map, quantization)
        options = {"device_map": device_map, "offload_folder": offload_folder}
    if quantization is not None:
        options.setdefault("device_map", {"": str(device)})
        options["quantization_config"] = quantization_config(quantization, dtype=dtype)
    config = read_config(folder, trust_remote_code=trust_remote_code)
    foreign = not type(config).__module__.startswith("transformers.")
    try:
        with quiet():
            model, report = model_class(config).from_pretrained(
                folder,
                config=config,
                dtype=dtype,
                output_loading_info=True,
                trust_remote_code=foreign,
                **options,
            )
    except Exception as error:  # from a wrong config to a truncated weight file
        raise EncoderError(
            f"{folder}: the model could not be loaded ({_first_line(error)})"
        ) from error
    half, prefix = text_half(model)
    missing = {name.removeprefix(prefix) for name in report["missing_keys"]}
    check_quantized(folder, half, device)
    return (half.eval() if options else half.eval().to(device)), missing


def untrained_model(folder: Path, *, seed: int, trust_remote_code: bool = False) -> Any:
    """Return the text encoder in float32 on the CPU as its architecture starts it; reads no weight.

    Args:
        folder: With a config.json.
        seed: Of the architecture's own initialisation (``_init_weights`` in Transformers), which
            may change with the version of Transformers.
        trust_remote_code: As in `load_model`.

    Raises:
        EncoderError: If Transformers cannot build a model of this config.
    """
    config = read_config(folder, trust_remote_code=trust_remote_code)
    foreign = not type(config).__module__.startswith("transformers.")
    options: dict[str, Any] = {"trust_remote_code": True} if foreign else {}
    try:
        with quiet(), torch.random.fork_rng(devices=[]):  # weights come from the global generator
            torch.default_generator.manual_seed(seed)  # of the CPU alone, unlike torch.manual_seed
            return model_class(config).from_config(config, dtype=torch.float32, **options)
    except Exception as error:  # fields that contradict each other, an unknown activation
        raise EncoderError(
            f"{folder}: no model of this config could be built ({_first_line(error)})"
        ) from error


def model_inputs(arrays: dict[str, Any], *, device: torch.device, offset: int) -> dict[str, Tensor]:
    """Return a batch's model inputs: those of `Tokens.padded`, and ``position_ids``."""
    inputs = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
    # Positions count real tokens only, so the padding side cannot move them.
    inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0) + offset
    return inputs


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


def forward_of(model: nn.Module) -> Callable[..., Any]:
    """Return the model's forward pass over a dict of inputs, of which it passes what it takes."""
    takes = inspect.signature(model.forward).parameters
    fixed = {"use_cache": False} if "use_cache" in takes else {}

    def forward(inputs: dict[str, Tensor], **options: Any) -> Any:
        known = {name: value for name, value in inputs.items() if name in takes}
        return model(**known, **fixed, return_dict=True, **options)

    return forward


def place_of(model: nn.Module, layer: int) -> int | None:
    """Return the block whose input is the layer, or None for the last: ``last_hidden_state``.

    Raises:
        EncoderError: If the model has no such layer.
    """
    depth = _depth(model)
    if layer == -1 or layer == depth:
        return None
    if depth is None or not -depth - 1 <= layer < depth:
        number = "an unknown number of" if depth is None else depth
        raise EncoderError(
            f"{type(model).__name__} has {number} blocks, so layer must be within 0..{depth}, "
            f"or -1 for the last; got {layer}"
        )
    return layer % (depth + 1)


def find_blocks(model: nn.Module) -> nn.ModuleList | None:
    """Return the stack of blocks, or None where there is none, as in ALBERT, which shares one."""
    depth = _depth(model)
    lists = (m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == depth)
    return next(lists, None)


def _depth(model: Any) -> int | None:
    config = model.config
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    return getattr(config, "num_hidden_layers", None)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
