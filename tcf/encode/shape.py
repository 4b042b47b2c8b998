"""How large a text encoder is, block by block, from its config alone: nothing is downloaded."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

__all__ = ["BITS", "Shape", "build_empty", "read_config"]

BITS = {
    "float32": 32,
    "bfloat16": 16,
    "float16": 16,
    "int8": 8,
    "nf4": 4.127,  # with doubly quantised scales: Dettmers et al. (2023), section 3
}
"""Bits a weight takes."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a text encoder, in parameters and floats.

    Attributes:
        width: Floats in a token's state between blocks.
        inner: Floats in the widest intermediate result of a block, for one token.
        attention_width: Heads times floats a head.
        depth: Blocks that a token goes through.
        total: Parameters that are loaded, poolers included.
        embeddings: Those in tables outside the blocks.
        largest_block: Parameters of the largest block.
        linear: Parameters of all blocks that quantisation shrinks: linear layers, not the stacked
            experts of a mixture, which bitsandbytes leaves alone.
        largest_linear: The same of the largest block.
        active: Block parameters that each token meets; a mixture of experts has more.
    """

    width: int
    inner: int
    attention_width: int
    depth: int
    total: int
    embeddings: int
    largest_block: int
    linear: int
    largest_linear: int
    active: int

    @classmethod
    def of(cls, config: Any) -> "Shape":
        """Measure the model that ``config`` builds; see `read_config`."""
        model = build_empty(config)
        text = config.get_text_config()
        blocks = _blocks(model)
        sizes = [_parameters(block) for block in blocks]
        matrices = [_matrices(block) for block in blocks]
        largest = max(range(len(blocks)), key=sizes.__getitem__)
        depth = getattr(text, "num_hidden_layers", None) or len(blocks)
        experts = _experts_met(text)
        active = sum(_active(m, experts) for found in matrices for m in found)
        return cls(
            width=text.hidden_size,
            inner=max(int(_widest(m, experts)) for m in matrices[largest]),
            attention_width=_attention_width(text),
            depth=depth,
            total=_parameters(model),
            embeddings=_tables(model) - sum(map(_tables, blocks)),
            largest_block=sizes[largest],
            linear=sum(map(_linear, matrices)),
            largest_linear=_linear(matrices[largest]),
            active=active * depth // len(blocks),  # ALBERT runs one block many times
        )

    def weight_bytes(self, dtype: str, quantization: str | None = None) -> int:
        """Bytes of all weights in memory."""
        return _bytes(self.total, self.linear, dtype, quantization)

    def block_bytes(self, dtype: str, quantization: str | None = None) -> int:
        """Bytes of the largest block in memory."""
        return _bytes(self.largest_block, self.largest_linear, dtype, quantization)

    def read_bytes(self, stored: str, num_blocks: int | None = None) -> int:
        """Bytes on disk of all weights, or of what lies around and in the first ``num_blocks``."""
        rest = self.total - self.embeddings
        if num_blocks is not None:
            rest = rest * num_blocks // self.depth
        return int((self.embeddings + rest) * BITS[stored] / 8)

    def flops(self, lengths: Any, *, num_blocks: int) -> float:
        """Return the work of the first ``num_blocks`` blocks over texts of ``lengths`` tokens.

        Two for each weight and token, and ``4 * attention_width`` for each pair of tokens of a
        text; embeddings, norms and element-wise work are left out (Kaplan et al., 2020).
        """
        lengths = lengths.astype(float)
        products = 2.0 * self.active / self.depth * lengths.sum()
        attention = 4.0 * self.attention_width * (lengths**2).sum()
        return num_blocks * (products + attention)


def read_config(source: Path | Mapping[str, Any], *, trust_remote_code: bool = False) -> Any:
    """Return the Transformers config of a folder, or of ``model_type`` and arguments.

    Raises:
        EncoderError: If it cannot be read, or is of a kind that Transformers does not know.
    """
    from transformers import AutoConfig

    from tcf.encode.backends import loading

    if not isinstance(source, Mapping):
        folder = _transformer_folder(source)
        return loading.read_config(folder, trust_remote_code=trust_remote_code)
    with loading.quiet():
        return AutoConfig.for_model(**source)


def build_empty(config: Any) -> nn.Module:
    """Return the text encoder that ``config`` describes, without memory for its weights.

    Of an encoder-decoder model that is the encoder half, as when it is loaded for reading.
    """
    import torch

    from tcf.encode.backends.loading import model_class, quiet, text_half

    foreign = not type(config).__module__.startswith("transformers.")
    with quiet(), torch.device("meta"):
        settings: dict[str, Any] = {"dtype": torch.bfloat16, "trust_remote_code": foreign}
        model = model_class(config).from_config(copy.deepcopy(config), **settings)  # notes dtype
    return text_half(model)[0].eval()


def _transformer_folder(folder: Path) -> Path:
    """The folder itself, or the part of a sentence-transformers pipeline that is a transformer."""
    modules = folder / "modules.json"
    if (folder / "config.json").is_file() or not modules.is_file():
        return folder
    parts = [folder / part["path"] for part in json.loads(modules.read_text(encoding="utf-8"))]
    return next((part for part in parts if (part / "config.json").is_file()), folder)


def _blocks(model: nn.Module) -> list[nn.Module]:
    """The list of modules that holds the most parameters; the model where there is none."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList) and module]
    return list(max(lists, key=_parameters)) if lists else [model]


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _tables(module: nn.Module) -> int:
    """Parameters in embedding tables, each tensor once: T5 ties two to one."""
    found = {id(m.weight): m.weight for m in module.modules() if isinstance(m, nn.Embedding)}
    return sum(weight.numel() for weight in found.values())


def _linear(matrices: list[Tensor]) -> int:
    return sum(matrix.numel() for matrix in matrices if matrix.ndim == 2)


def _matrices(block: nn.Module) -> list[Tensor]:
    """Weights that tokens are multiplied with: matrices, and stacks of them, one an expert."""
    tables = {id(m.weight) for m in block.modules() if isinstance(m, nn.Embedding)}
    return [p for p in block.parameters() if p.ndim in (2, 3) and id(p) not in tables]


def _experts_met(text: Any) -> int | None:
    return getattr(text, "num_experts_per_tok", None)


def _active(matrix: Tensor, experts: int | None) -> int:
    if matrix.ndim == 3 and experts:
        return matrix.numel() // matrix.shape[0] * experts
    return matrix.numel()


def _widest(matrix: Tensor, experts: int | None) -> int:
    return max(matrix.shape[-2:]) * ((experts or 1) if matrix.ndim == 3 else 1)


def _attention_width(text: Any) -> int:
    heads = getattr(text, "num_attention_heads", None)
    each = getattr(text, "head_dim", None) or getattr(text, "d_kv", None)  # d_kv: T5
    return heads * each if heads and each else text.hidden_size


def _bytes(total: int, linear: int, dtype: str, quantization: str | None) -> int:
    bits = (total - linear) * BITS[dtype] + linear * BITS[quantization or dtype]
    return int(bits / 8)
