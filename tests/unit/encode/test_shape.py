"""Sizes from a config alone, against loaded models and counted operations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tcf.encode.encoders import ENCODERS
from tcf.encode.shape import Shape, build_empty, read_config
from tcf.errors import EncoderError

MIXTURE = {
    "model_type": "mixtral",
    "vocab_size": 10,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
}


@pytest.mark.parametrize("kind", ["opt", "bert", "roberta", "t5", "bart", "sentence"])
def test_sizes_are_those_of_the_loaded_model(kind: str, folders: dict[str, Path]) -> None:
    from tcf.encode.backends.loading import load_model

    shape = Shape.of(read_config(folders[kind]))
    model, _ = load_model(folders[kind], dtype=torch.float32, device=torch.device("cpu"))
    assert shape.total == sum(p.numel() for p in model.parameters())
    lists = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == 3]
    blocks = [sum(p.numel() for p in block.parameters()) for block in lists[0]]
    assert shape.largest_block == max(blocks)
    assert (shape.width, shape.inner, shape.attention_width, shape.depth) == (32, 64, 32, 3)
    inside = {id(p) for block in lists[0] for p in block.parameters()}
    tables = {
        id(m.weight): m.weight.numel()
        for m in model.modules()
        if isinstance(m, torch.nn.Embedding) and id(m.weight) not in inside
    }
    assert shape.embeddings == sum(tables.values())
    assert shape.active == shape.linear == 3 * (4 * 32 * 32 + 2 * 32 * 64)
    assert shape.largest_linear == shape.linear // 3


def test_bytes_by_number_format_and_quantisation() -> None:
    shape = Shape.of(read_config(ENCODERS["opt-1.3b"].config or {}))
    rest = shape.total - shape.linear
    assert shape.weight_bytes("float32") == 4 * shape.total
    assert shape.weight_bytes("bfloat16") == 2 * shape.total
    assert shape.weight_bytes("bfloat16", "int8") == 2 * rest + shape.linear
    four_bits = 2 * rest + shape.linear * (4 + 8 / 64 + 32 / (64 * 256)) / 8
    assert shape.weight_bytes("bfloat16", "nf4") == pytest.approx(four_bits, rel=1e-4)
    assert shape.block_bytes("float32") == 4 * shape.largest_block
    assert shape.read_bytes("float16") == 2 * shape.total
    half = shape.embeddings + (shape.total - shape.embeddings) // 2
    assert shape.read_bytes("float16", num_blocks=12) == 2 * half


def test_a_mixture_of_experts_meets_few_and_is_not_quantised() -> None:
    shape = Shape.of(read_config(MIXTURE))
    attention, expert, router = 2 * 8 * 8 + 2 * 8 * 4, 3 * 8 * 16, 4 * 8
    assert shape.active == 2 * (attention + 2 * expert + router)
    assert shape.linear == 2 * (attention + router)
    assert shape.total > shape.active + 2 * 2 * expert


@pytest.mark.parametrize("kind", ["opt", "bert", "t5"])
@pytest.mark.parametrize("num_blocks", [3, 1])
def test_flops_are_what_torch_counts(kind: str, num_blocks: int, folders: dict[str, Path]) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    config = read_config(folders[kind])
    config._attn_implementation = "eager"  # whose products torch counts on a CPU
    config.num_hidden_layers = num_blocks
    model: Any = build_empty(config)
    if kind == "bert":
        model.pooler = None
    texts, tokens = 2, 5
    ids = torch.zeros(texts, tokens, dtype=torch.long, device="meta")
    mask = torch.zeros(texts, 1, tokens, tokens, dtype=torch.bfloat16, device="meta")
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, attention_mask=None if kind == "opt" else mask)
    shape = Shape.of(read_config(folders[kind]))
    lengths = np.full(texts, tokens)
    assert shape.flops(lengths, num_blocks=num_blocks) == counter.get_total_flops()


def test_measuring_leaves_the_config_alone(opt_folder: Path) -> None:
    config = read_config(opt_folder)
    before = config.to_dict()
    Shape.of(config)
    assert config.to_dict() == before
    assert str(config.dtype) == "torch.float32"


def test_weights_take_no_memory() -> None:
    model = build_empty(read_config(ENCODERS["opt-175b"].config or {}))
    assert all(parameter.is_meta for parameter in model.parameters())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "the model could not be loaded"),
        (json.dumps({"model_type": "hearsay"}), r"could not be loaded \(.*hearsay"),
        (json.dumps({"width": 3}), r"could not be loaded \(.*model_type"),
    ],
)
def test_a_config_that_cannot_be_used(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(EncoderError, match=message):
        read_config(tmp_path)


def test_a_pipeline_whose_transformer_lies_in_a_part_of_its_own(
    bert_folder: Path, tmp_path: Path
) -> None:
    modules = [{"path": "0_Transformer"}, {"path": "1_Pooling"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "0_Transformer").mkdir()
    (tmp_path / "0_Transformer/config.json").write_text((bert_folder / "config.json").read_text())
    assert Shape.of(read_config(tmp_path)) == Shape.of(read_config(bert_folder))
