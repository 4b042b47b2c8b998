"""Counts the parameters that shape a vector, by following the computation and not by names."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tcf.errors import EncoderError

__all__ = ["count_parameters"]


def count_parameters(
    model: nn.Module, run: Callable[[], Tensor], *, missing: Collection[str], where: Path
) -> dict[str, int]:
    """Return the number of parameters that ``run``'s result depends on, each tensor once.

    Blocks above the layer taken, unused poolers and output heads therefore never count. Embeddings
    are all ``nn.Embedding`` tables outside the blocks: tokens, positions and token types.

    Args:
        model: The loaded model.
        run: One small forward pass.
        missing: Parameter names that the weight files did not hold.
        where: The model's folder, for the message.

    Raises:
        EncoderError: If a parameter that shapes the vectors was not in the weight files.
    """
    used = _reached(model, run)
    names = {name for name, p in model.named_parameters(remove_duplicate=False) if id(p) in used}
    if absent := sorted(names.intersection(missing)):
        raise EncoderError(
            f"{where}: {len(absent)} weights that shape the vectors are not in the files "
            f"({', '.join(absent[:3])}); they would be random. Download the model again"
        )
    in_blocks = {
        id(module)
        for blocks in model.modules()
        if isinstance(blocks, nn.ModuleList)
        for module in blocks.modules()
    }
    tables = {
        id(module.weight)
        for module in model.modules()
        if isinstance(module, nn.Embedding) and id(module) not in in_blocks
    }
    total = sum(p.numel() for p in used.values())
    embeddings = sum(p.numel() for key, p in used.items() if key in tables)
    return {"total": total, "without_embeddings": total - embeddings}


def _reached(model: nn.Module, run: Callable[[], Tensor]) -> dict[int, nn.Parameter]:
    """Parameters from which autograd's graph of one forward pass starts, by identity."""
    flags = [(p, p.requires_grad) for p in model.parameters()]
    for parameter, _ in flags:
        parameter.requires_grad_(parameter.is_floating_point())
    try:
        with torch.enable_grad():
            pending: list[Any] = [run().grad_fn]
        used, seen = {}, set()
        while pending:
            node = pending.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if hasattr(node, "variable"):  # AccumulateGrad: a leaf of the graph
                used[id(node.variable)] = node.variable
            pending += [parent for parent, _ in node.next_functions]
        return used
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
