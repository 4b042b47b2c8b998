"""LoRA in the linear layers of blocks, through peft."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tcf.errors import EncoderError

__all__ = ["add_lora", "merged"]


def add_lora(blocks: Sequence[nn.Module], *, rank: int, alpha: float, seed: int) -> None:
    """Freeze blocks and add ``alpha / rank * B A`` to each of their linear layers.

    ``B`` starts at 0, so that a model is what it was until it is trained.

    Args:
        blocks: Changed in place.
        rank: Rows of ``A``, columns of ``B``.
        alpha: How much of the product is added.
        seed: Draws ``A``. The global generator is left as it was.

    Raises:
        EncoderError: If peft is not installed, or a block has no linear layer.

    Source: Hu et al. (LoRA), ICLR 2022.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise EncoderError("LoRA needs peft: pip install 'tcf[peft]'") from error
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)
        for block in blocks:
            names = [name for name, m in block.named_modules() if type(m) is nn.Linear]
            if not names:
                raise EncoderError(
                    f"LoRA needs linear layers; {type(block).__name__} has none: tune its blocks "
                    "whole, method='top'"
                )
            config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=names)  # type: ignore[call-arg]
            inject_adapter_in_model(config, block)


def merged(block: nn.Module) -> dict[str, Tensor]:
    """Return a block's weights by their names without LoRA, what it adds being added."""
    layers = {name: module for name, module in block.named_modules() if hasattr(module, "lora_A")}
    if not layers:
        return {name: p.detach() for name, p in block.named_parameters()}
    from peft.tuners.lora import LoraLayer

    result = {}
    for name, layer in layers.items():
        assert isinstance(layer, LoraLayer)
        base = layer.get_base_layer()
        delta = layer.get_delta_weight("default")  # type: ignore[operator]
        result[f"{name}.weight"] = (base.weight + delta).detach()
    return result
