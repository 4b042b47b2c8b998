"""int8 and nf4 through bitsandbytes: how they are set, and what they cannot do."""

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tcf.errors import EncoderError

__all__ = ["check_placement", "check_quantized", "quantization_config"]


def quantization_config(quantization: str, *, dtype: torch.dtype) -> Any:
    """Return what Transformers hands to bitsandbytes.

    ``int8`` is LLM.int8: columns with an activation above 6 stay unquantised. Because that is
    decided over a batch, int8 vectors depend a little on the batch. ``nf4`` multiplies in ``dtype``
    and quantises its own scales too (double quantisation: 0.4 bits a weight less).

    Source: Dettmers et al. (2022), LLM.int8(); Dettmers et al. (2023), QLoRA.
    """
    from transformers import BitsAndBytesConfig

    if quantization == "int8":
        # It says on every product that int8 multiplies in float16.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        return BitsAndBytesConfig(load_in_8bit=True)
    if quantization == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    raise ValueError(f"quantization must be None, 'int8' or 'nf4'; got {quantization!r}")


def check_quantized(folder: Path, model: nn.Module, device: torch.device) -> None:
    """Refuse nf4 where bitsandbytes' CPU kernel has no form for a layer's shape.

    Raises:
        EncoderError: Naming the layer.
    """
    for name, module in model.named_modules():
        if device.type != "cpu" or not getattr(module, "support_avx512bf16_for_cpu", False):
            continue
        layer: Any = module
        shape = (layer.in_features, layer.out_features)
        if shape[0] % 64 or shape[1] % 32:
            raise EncoderError(
                f"{folder}: nf4 on this CPU needs layers whose inputs are a multiple of 64 and "
                f"outputs a multiple of 32; {name} has {shape[0]} and {shape[1]}. Use int8, no "
                "quantization, or a GPU"
            )


def check_placement(device_map: dict[str, Any] | str, quantization: str | None) -> None:
    """Refuse a quantised model of which a part would lie in CPU memory or on disk.

    Raises:
        EncoderError: Saying what runs instead.
    """
    places = set(map(str, device_map.values())) if isinstance(device_map, dict) else set()
    offloaded = places & {"cpu", "disk"}
    if quantization is not None and offloaded and places != {"cpu"}:
        raise EncoderError(
            f"quantization={quantization!r} needs a model that lies on one device or on GPUs "
            f"alone; this device_map also names {' and '.join(sorted(offloaded))}, whose weights "
            "bitsandbytes leaves unquantised. Use placement='streamed', which quantises each "
            "block as it is loaded, or quantization=None"
        )
