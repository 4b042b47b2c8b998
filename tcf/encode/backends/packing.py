"""Linear layers whose bfloat16 weights lie as the CPU's kernels read them, so none is rearranged.

oneDNN multiplies by a weight in blocks of its own. Given a plain weight it copies it into that form
in every call, which for batches of titles takes a tenth of the time; here that is done once.
Figures: docs/decisions/0007-encoding-speed.md.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["PackedLinear", "pack_linears"]


class PackedLinear(nn.Module):
    """Computes what a bfloat16 `torch.nn.Linear` on a CPU does, for inference only.

    Args:
        linear: What it stands for; its weight is copied, not kept.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        with torch.no_grad():
            # Opaque, but with dtype and shape, which some models ask of a layer's weight.
            self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
            self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, states: Tensor) -> Tensor:
        """Return ``(..., out_features)`` for ``(..., in_features)``."""
        return torch.ops.mkldnn._linear_pointwise(states, self.weight, self.bias, "none", [], "")


def pack_linears(model: nn.Module, run: Callable[[], object]) -> int:
    """Pack the linear layers that ``run`` goes through, one after the other; return how many.

    A layer whose weight the model takes for itself, without calling the layer, stays as it is.

    Args:
        model: Changed in place, where it is bfloat16 on a CPU; it cannot be trained or saved then.
        run: A forward pass of the model.
    """
    packable = {name: m for name, m in model.named_modules() if _is_packable(m)}
    if not packable or not _can_pack():
        return 0
    called: set[str] = set()
    hooks = [
        module.register_forward_hook(lambda *_, name=name: called.add(name))
        for name, module in packable.items()
    ]
    try:
        with torch.inference_mode():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    packable.clear()  # so that each plain weight is freed before the next is packed
    for name in called:
        parent, _, attribute = name.rpartition(".")
        owner = model.get_submodule(parent)
        setattr(owner, attribute, PackedLinear(getattr(owner, attribute)))
    return len(called)


def _is_packable(module: nn.Module) -> bool:
    if type(module) is not nn.Linear:  # a subclass may do more than multiply
        return False
    return module.weight.device.type == "cpu" and module.weight.dtype == torch.bfloat16


def _can_pack() -> bool:
    """Whether this torch has oneDNN with these operators, and the processor what they need."""
    names = ("_is_mkldnn_bf16_supported", "_reorder_linear_weight", "_linear_pointwise")
    if not torch.backends.mkldnn.is_available():
        return False
    if not all(hasattr(torch.ops.mkldnn, name) for name in names):
        return False
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()
