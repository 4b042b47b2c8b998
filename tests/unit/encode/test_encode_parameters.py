"""Parameters are counted where they shape a vector, against counts by name."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tcf.encode import encode_catalog

ITEMS: Any = SimpleNamespace(item_ids=("a",), texts=("a car",))


@pytest.mark.parametrize("layer", [0, 1, 3, -1])
def test_a_decoder_counts_its_embeddings_and_the_blocks_below(layer: int, opt_folder: Path) -> None:
    from transformers import AutoModel

    model = AutoModel.from_pretrained(opt_folder)
    decoder = model.decoder
    embeddings = decoder.embed_tokens.weight.numel() + decoder.embed_positions.weight.numel()
    depth = len(decoder.layers)
    blocks = list(decoder.layers)[: depth if layer == -1 else layer]
    rest = sum(p.numel() for block in blocks for p in block.parameters())
    if layer in (-1, depth):
        rest += sum(p.numel() for p in decoder.final_layer_norm.parameters())
    found = encode_catalog(ITEMS, encoder=opt_folder, layer=layer).manifest["parameters"]
    assert found == {"total": embeddings + rest, "without_embeddings": rest}


def test_an_encoder_leaves_its_pooler_out(bert_folder: Path) -> None:
    from transformers import BertModel

    model = BertModel.from_pretrained(bert_folder, add_pooling_layer=False)
    total = sum(p.numel() for p in model.parameters())
    assert encode_catalog(ITEMS, encoder=bert_folder).manifest["parameters"]["total"] == total


def test_an_encoder_half_leaves_the_decoder_out(t5_folder: Path) -> None:
    from transformers import T5EncoderModel

    model = T5EncoderModel.from_pretrained(t5_folder)
    total = sum(p.numel() for p in model.parameters())
    assert encode_catalog(ITEMS, encoder=t5_folder).manifest["parameters"]["total"] == total


def test_a_pipeline_counts_its_dense_layer(sentence_folder: Path, bert_folder: Path) -> None:
    pipeline = encode_catalog(ITEMS, encoder=sentence_folder).manifest["parameters"]
    bare = encode_catalog(ITEMS, encoder=bert_folder).manifest["parameters"]
    assert pipeline["total"] - bare["total"] == 32 * 16 + 16
