"""A model without its weights, and its weights block by block."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tcf.encode.backends.layers import LayerReader
from tcf.encode.backends.loading import (
    find_blocks,
    model_class,
    quiet,
    read_config,
    text_half,
)
from tcf.encode.backends.parameters import count_parameters
from tcf.encode.backends.quantize import check_quantized, quantization_config
from tcf.encode.backends.weights import WeightFiles
from tcf.errors import EncoderError

__all__ = ["BlockWeights", "Outline", "count_unloaded", "outline"]


@dataclass(frozen=True)
class Outline:
    """A model whose parameters have shapes and no values; its buffers have values.

    Attributes:
        whole: What Transformers loads.
        half: The part of it that reads text; mostly all of it.
        prefix: Name of ``half`` in ``whole``, with a dot, or ``""``.
        blocks: The stack of blocks in ``half``.
        blocks_prefix: Name of ``blocks`` in ``whole``, with a dot.
        dtype: Number format of what is not quantised.
        device: Where weights will go.
        quantizer: Transformers' quantizer, or None.
    """

    whole: Any
    half: nn.Module
    prefix: str
    blocks: nn.ModuleList
    blocks_prefix: str
    dtype: torch.dtype
    device: torch.device
    quantizer: Any


def outline(
    folder: Path,
    *,
    dtype: torch.dtype,
    device: torch.device,
    quantization: str | None = None,
    trust_remote_code: bool = False,
) -> Outline:
    """Return the model as `load_model` builds it, before its weights are there.

    Raises:
        EncoderError: If Transformers cannot build it, its weights are stored quantised, or it is no
            stack of blocks.
    """
    whole = _unloaded(folder, dtype=dtype, trust_remote_code=trust_remote_code)
    half, prefix = text_half(whole)
    blocks = find_blocks(half)
    if blocks is None or len({id(block) for block in blocks}) < len(blocks):
        raise EncoderError(
            f"{folder}: streaming and tuning need a stack of blocks, an nn.ModuleList as long as "
            f"the config's num_hidden_layers, each block with weights of its own; "
            f"{type(half).__name__} has none. Use placement='resident', and keep the vectors frozen"
        )
    names = {id(module): name for name, module in whole.named_modules()}
    quantizer = quantization and _prepare(whole, quantization, dtype=dtype, device=device)
    check_quantized(folder, half, device)
    _fill_buffers(whole, device)
    place = names[id(blocks)] + "."
    return Outline(whole.eval(), half, prefix, blocks, place, dtype, device, quantizer)


def count_unloaded(
    folder: Path,
    layer: int,
    *,
    absent: frozenset[str] = frozenset(),
    trust_remote_code: bool = False,
) -> dict[str, int]:
    """Return what `count_parameters` says of a layer, without loading a weight.

    Args:
        folder: From `files.locate`.
        layer: As in `EncoderSpec`.
        absent: Names in the whole model of weights that its files do not hold.
        trust_remote_code: As in `load_model`.

    Raises:
        EncoderError: If the layer does not exist, or needs a weight that is absent.
    """
    whole = _unloaded(folder, dtype=torch.bfloat16, trust_remote_code=trust_remote_code)
    half, prefix = text_half(whole)  # bfloat16: on meta, experts multiply in nothing else
    read = LayerReader(half, [layer])
    missing = {name.removeprefix(prefix) for name in absent}

    def run() -> Tensor:
        """One token through a model without values; some need a mask, and some cannot take it."""
        token = torch.zeros(1, 1, dtype=torch.long, device="meta")
        # To make a mask, a model would look at values; one of four dimensions is ready.
        mask = torch.zeros(1, 1, 1, 1, dtype=torch.bfloat16, device="meta")
        try:
            inputs = {"input_ids": token, "position_ids": token, "attention_mask": mask}
            return read(inputs, [layer])[layer]
        except (RuntimeError, ValueError):
            return read({"input_ids": token}, [layer])[layer]

    return count_parameters(half, run, missing=missing, where=folder)


class BlockWeights:
    """The weight files of an outline, by block.

    Args:
        folder: The model's folder.
        about: Its outline, for the names that its weights have in it.
    """

    def __init__(self, folder: Path, about: Outline) -> None:
        self._folder = folder
        self._files = WeightFiles(folder, about.whole.config)
        names = _names(about, list(self._files.tensors))
        place, near = about.blocks_prefix, _near_names(about)
        self._blocks: list[list[str]] = [[] for _ in about.blocks]
        self._rest: list[str] = []
        for key, (name, *_) in names.items():
            if name.startswith(place):
                self._blocks[int(name[len(place) :].split(".")[0])].append(key)
            if name in near:
                self._rest.append(key)
        held = {name for targets in names.values() for name in targets}
        tied = about.whole.all_tied_weights_keys.items()
        held |= {a for pair in tied for a in pair if held.intersection(pair)}
        self.absent = frozenset(about.whole.state_dict().keys() - held)

    def load_rest(self, about: Outline) -> None:
        """Load what lies around the blocks: embeddings, norms and projections.

        Raises:
            EncoderError: If a weight does not fit.
        """
        missing = self._load(about, self._rest)
        with quiet():
            about.whole.tie_weights(missing_keys=missing, recompute_mapping=False)
        inside = {id(module) for module in about.blocks.modules()}
        for module in about.half.modules():
            if id(module) not in inside:
                _fill(module, about.device)

    def load_block(self, about: Outline, number: int) -> nn.Module:
        """Load one block, take it out of the outline and return it.

        Raises:
            EncoderError: If a weight does not fit, or is not there.
        """
        self._files.prefetch(self._blocks[number])
        self._load(about, self._blocks[number])
        block = about.blocks[number]
        absent = [name for name, p in block.named_parameters() if p.is_meta]
        if absent:
            raise EncoderError(
                f"{self._folder}: {len(absent)} weights of block {number} are not in the files "
                f"({', '.join(absent[:3])}); download the model again"
            )
        about.blocks[number] = nn.Identity()
        self._files.drop_spare()
        return block

    def release(self, block: nn.Module, about: Outline, number: int) -> None:
        """Give a block's memory to the block of a number, which is loaded next."""
        if number >= len(self._blocks) or about.quantizer is not None:
            return
        size = about.dtype.itemsize
        sizes = {self._files.tensors[key].numel * size for key in self._blocks[number]}
        self._files.recycle(block.parameters(), sizes)

    def close(self) -> None:
        """Close the weight files."""
        self._files.close()

    def _load(self, about: Outline, keys: list[str]) -> set[str]:
        """Load some tensors as Transformers would, and return the names that are still missing."""
        from transformers.core_model_loading import convert_and_load_state_dict_in_model
        from transformers.modeling_utils import LoadStateDictConfig

        how = LoadStateDictConfig(
            device_map={"": str(about.device)},
            dtype=about.dtype,
            dtype_plan=about.whole._get_dtype_plan(about.dtype),
            hf_quantizer=about.quantizer,
            weight_mapping=_renamings(about),
        )
        chosen = {key: self._files.tensors[key] for key in keys}
        with quiet(), torch.no_grad():
            report, _ = convert_and_load_state_dict_in_model(about.whole, chosen, how)
        wrong = [*report.mismatched_keys, *report.conversion_errors, *report.error_msgs]
        if wrong:
            raise EncoderError(
                f"{self._folder}: the weights must fit config.json; these do not: {wrong[:3]}"
            )
        return report.missing_keys


def _unloaded(folder: Path, *, dtype: torch.dtype, trust_remote_code: bool) -> Any:
    config = read_config(folder, trust_remote_code=trust_remote_code)
    if getattr(config, "quantization_config", None) is not None:
        raise EncoderError(
            f"{folder}: weights that are stored quantised cannot be streamed or tuned; "
            "use placement='resident', and keep the vectors frozen"
        )
    foreign = not type(config).__module__.startswith("transformers.")
    try:
        with quiet(), torch.device("meta"):
            auto = model_class(config)
            return auto.from_config(config, dtype=dtype, trust_remote_code=foreign).eval()
    except Exception as error:  # whatever a wrong config makes a model's constructor raise
        raise EncoderError(f"{folder}: the model could not be built ({error})") from error


def _prepare(whole: Any, quantization: str, *, dtype: torch.dtype, device: torch.device) -> Any:
    """Put quantised layers in the place of linear ones, and return what fills them."""
    from transformers.quantizers.auto import AutoHfQuantizer

    config = quantization_config(quantization, dtype=dtype)
    quantizer = AutoHfQuantizer.from_config(config, pre_quantized=False)
    everywhere = {"": str(device)}
    with quiet(), torch.device("meta"):
        quantizer.validate_environment(device_map=everywhere)
        quantizer.preprocess_model(
            model=whole, dtype=dtype, device_map=everywhere, checkpoint_files=None
        )
    return quantizer


def _fill_buffers(whole: Any, device: torch.device) -> None:
    """Give buffers their values the way loading does: by the model's own initialisation."""
    for parameter in whole.parameters():
        parameter._is_hf_initialized = True  # which leaves alone what bears this mark
    for module in whole.modules():
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, torch.empty_like(buffer, device=device))
    with torch.no_grad():
        whole.initialize_weights()


def _fill(module: nn.Module, device: torch.device) -> None:
    """Zero the parameters that no file holds; none of them shapes a vector, or it was refused."""
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.is_meta:
            zeros = torch.zeros_like(parameter, device=device)
            setattr(module, name, nn.Parameter(zeros, requires_grad=False))


def _renamings(about: Outline) -> list[Any]:
    from transformers.conversion_mapping import get_model_conversion_mapping

    return get_model_conversion_mapping(about.whole, None, about.quantizer)


def _names(about: Outline, keys: list[str]) -> dict[str, list[str]]:
    """The names in the model that each tensor of the files fills; as Transformers pairs them."""
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    mapping = _renamings(about)
    renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
    converters = [entry for entry in mapping if isinstance(entry, WeightConverter)]
    by_source = {source: c for c in converters for source in c.source_patterns}
    known: dict[str, Tensor] = about.whole.state_dict()
    base = about.whole.base_model_prefix
    result = {}
    for key in keys:
        name, source = rename_source_key(key, renamings, converters, base, known)
        if name not in known and key in known:
            name, source = rename_source_key(key, [], [], base, known)
        if name in known:
            targets = by_source[source].target_patterns if source is not None else []
            result[key] = [name, *(name.replace(targets[0], other) for other in targets[1:])]
    return result


def _near_names(about: Outline) -> set[str]:
    """Names of what lies around the blocks, by any name that a tied weight has.

    With them goes the first block's table of relative positions, from which T5 makes a bias that
    all blocks use.
    """
    inside = {id(p) for p in about.blocks.parameters()}
    tables = [
        module
        for name, module in about.blocks[0].named_modules()
        if name.endswith("relative_attention_bias")
    ]
    inside -= {id(p) for table in tables for p in table.parameters()}
    near = {id(p) for p in about.half.parameters() if id(p) not in inside}
    near |= {id(b) for n, b in about.half.named_buffers() if not _in_blocks(about, n)}
    named = [
        *about.whole.named_parameters(remove_duplicate=False),
        *about.whole.named_buffers(remove_duplicate=False),
    ]
    return {name for name, tensor in named if id(tensor) in near}


def _in_blocks(about: Outline, name: str) -> bool:
    return (about.prefix + name).startswith(about.blocks_prefix)
