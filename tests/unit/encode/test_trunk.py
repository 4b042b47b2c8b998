"""States of the frozen blocks: made once, kept, found again, refused where there are none."""

import copy
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from tcf.data.catalog import Catalog
from tcf.encode import EncoderSpec, HashedNgrams, encode_trunk
from tcf.encode.stores import list_stores, prune_store, verify_store
from tcf.errors import DataError, EncoderError
from tests import tiny_models, worlds

TITLES = [*tiny_models.TITLES, tiny_models.TITLES[2]]
CATALOG = Catalog(tuple(f"i{n}" for n in range(len(TITLES))), tuple(TITLES))
EXACT = {"dtype": "float32", "progress": False}


def trunk(folder: Path, catalog: Catalog = CATALOG, **settings):
    return encode_trunk(catalog, encoder=folder, **{"num_tuned_layers": 2, **EXACT, **settings})


def shards(cache: Path) -> set[str]:
    return {path.name for path in cache.glob("embeddings/*/*.npy")}


def test_they_are_the_models_own_hidden_states(bert_folder: Path):
    states = trunk(bert_folder, states="float32")
    model = AutoModel.from_pretrained(bert_folder).eval()
    for text in range(len(tiny_models.TITLES)):
        ids = torch.from_numpy(states.tokens.padded(np.array([text]), side="right")["input_ids"])
        with torch.no_grad():
            wanted = model(ids, output_hidden_states=True).hidden_states[1][0].numpy()
        np.testing.assert_allclose(states.read(np.array([text])), wanted, atol=1e-5)
    assert states.first == 1 and states.width == tiny_models.WIDTH


def test_half_precision_is_the_default_and_rounds_to_eleven_bits(bert_folder: Path):
    texts = np.array([3, 1, 6])
    exact, half = (trunk(bert_folder, states=s) for s in ("float32", "float16"))
    assert half.read(texts).dtype == trunk(bert_folder).read(texts).dtype == np.float16
    np.testing.assert_array_equal(half.read(texts), exact.read(texts).astype(np.float16))


def test_identical_texts_are_one_and_padding_has_none(bert_folder: Path):
    states = trunk(bert_folder)
    assert len(states.tokens.lengths) == len(tiny_models.TITLES)
    rows = states.text_of_row(CATALOG)
    assert rows[0] == -1 and rows[3] == rows[len(TITLES)]


def test_rows_are_joined_by_item_id(bert_folder: Path):
    states = trunk(bert_folder)
    turned = Catalog(CATALOG.item_ids[::-1], CATALOG.texts[::-1])
    assert states.text_of_row(turned)[1:].tolist() == states.text_of_row(CATALOG)[:0:-1].tolist()
    with pytest.raises(DataError, match="6 vectors belong to no item of the catalogue"):
        states.text_of_row(worlds.catalog(3))


def test_kept_states_are_found_again_mapped_and_only_new_texts_are_run(
    bert_folder: Path, tmp_path: Path
):
    few = Catalog(CATALOG.item_ids[:4], CATALOG.texts[:4])
    first = trunk(bert_folder, few, cache=tmp_path)
    made = shards(tmp_path)
    whole = trunk(bert_folder, cache=tmp_path)
    assert made < shards(tmp_path)
    kept = shards(tmp_path)
    again = trunk(bert_folder, cache=tmp_path)
    assert shards(tmp_path) == kept
    assert all(isinstance(part, np.memmap) for part in again._maps)
    plain = trunk(bert_folder)
    texts = np.array([7, 0, 5, 2])
    np.testing.assert_array_equal(again.read(texts), whole.read(texts))
    np.testing.assert_allclose(again.read(texts), plain.read(texts), atol=2e-2)
    np.testing.assert_array_equal(again.read(texts[1:2]), first.read(texts[1:2]))
    assert again.key == plain.key


def test_a_copy_for_another_process_holds_paths_and_no_states(bert_folder: Path, tmp_path: Path):
    states = trunk(bert_folder, cache=tmp_path)
    texts = np.arange(3)
    wanted = states.read(texts)
    sent = copy.deepcopy(states)
    assert "_maps" not in sent.__dict__ and all(isinstance(p, Path) for p in sent.parts)
    np.testing.assert_array_equal(sent.read(texts), wanted)


def test_the_key_holds_all_that_shapes_states(bert_folder: Path, opt_folder: Path):
    changes = [
        {"num_tuned_layers": 1},
        {"num_tuned_layers": None},
        {"states": "float32"},
        {"dtype": "bfloat16"},
        {"max_tokens": 5},
        {"prompt": "an item: {text}"},
        {"pooling": "first_token"},
    ]
    keys = [trunk(bert_folder, **change).key for change in [{}, *changes]]
    keys.append(trunk(opt_folder).key)
    assert len(set(keys)) == len(keys)
    assert (
        trunk(bert_folder, num_tuned_layers=3).key == trunk(bert_folder, num_tuned_layers=None).key
    )


def test_the_store_command_knows_them(bert_folder: Path, tmp_path: Path):
    states = trunk(bert_folder, cache=tmp_path)
    (listed,) = list_stores(tmp_path)
    assert listed.name == bert_folder.name
    assert listed.reading == "layer 1, token states, float32"
    assert listed.num_vectors == states.tokens.lengths.sum()
    assert not list(verify_store(tmp_path, listed.key))
    assert prune_store(tmp_path, listed.key) > 0
    assert not list_stores(tmp_path)


def test_damaged_states_are_made_again(
    bert_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    wanted = trunk(bert_folder, cache=tmp_path).read(np.arange(4))
    (path,) = (p for p in tmp_path.glob("embeddings/*/*.npy") if ".rows." not in p.name)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        again = trunk(bert_folder, cache=tmp_path)
    assert "does not match its checksum" in caplog.text
    np.testing.assert_array_equal(again.read(np.arange(4)), wanted)


def test_the_manifest_counts_the_whole_encoder(bert_folder: Path, tmp_path: Path):
    for cache in (None, tmp_path, tmp_path):
        found = trunk(bert_folder, cache=cache).manifest
        assert found["name"] == bert_folder.name
        assert found["parameters"]["total"] > found["parameters"]["without_embeddings"] > 25_000


@pytest.mark.parametrize("number", [0, 4])
def test_more_blocks_than_there_are_is_an_error(bert_folder: Path, number: int):
    message = rf"tiny-bert has 3 blocks, so num_tuned_layers must be within 1\.\.3; got {number}"
    with pytest.raises(EncoderError, match=message):
        trunk(bert_folder, num_tuned_layers=number)


@pytest.mark.parametrize("name", ["tfidf-svd", "hashed-ngrams", "vectors.npy", "glove.txt"])
def test_what_has_no_blocks_is_refused(name: str):
    with pytest.raises(EncoderError, match=r"tuning, LoRA included, needs the blocks .* has none"):
        encode_trunk(CATALOG, encoder=name, num_tuned_layers=1)


def test_an_object_is_refused():
    with pytest.raises(EncoderError, match="an object of type HashedNgrams has none"):
        encode_trunk(CATALOG, encoder=HashedNgrams(), num_tuned_layers=1)  # type: ignore[arg-type]


def test_a_quantised_encoder_is_refused(bert_folder: Path):
    spec = EncoderSpec(name=str(bert_folder), quantization="nf4")
    with pytest.raises(EncoderError, match="tuned in full precision; got quantization='nf4'"):
        encode_trunk(CATALOG, encoder=spec, num_tuned_layers=1)


@pytest.mark.parametrize("change", [{"layer": 2}, {"normalize": True}])
def test_a_layer_or_normalising_is_refused(bert_folder: Path, change: dict):
    spec = EncoderSpec(name=str(bert_folder), **change)
    with pytest.raises(ValueError, match="read at its last layer and not normalised"):
        encode_trunk(CATALOG, encoder=spec, num_tuned_layers=1)


def test_a_whole_pipeline_is_refused_unless_a_pooling_is_named(sentence_folder: Path):
    with pytest.raises(EncoderError, match="name pooling= to read it so"):
        trunk(sentence_folder)
    assert trunk(sentence_folder, pooling="mean").first == 1


def test_a_model_that_shares_its_block_is_refused(tmp_path: Path):
    folder = tiny_models.tiny_albert(tmp_path / "albert")
    with pytest.raises(EncoderError, match="streaming and tuning need a stack of blocks"):
        trunk(folder)


def test_a_text_without_a_token_names_its_item(tmp_path: Path):
    folder = tiny_models._decoder(tmp_path / "m", "Llama", template="$A", num_key_value_heads=2)
    path = folder / "tokenizer.json"
    about = json.loads(path.read_text(encoding="utf-8"))
    about["normalizer"] = {"type": "Replace", "pattern": {"String": "x"}, "content": ""}
    path.write_text(json.dumps(about), encoding="utf-8")
    odd = Catalog(("a", "b"), ("a blue dress", "xx"))
    with pytest.raises(ValueError, match=r"none in those of the items \['b'\]"):
        trunk(folder, odd)


def with_norm_of(value: float, folder: Path, out: Path) -> None:
    """Copy a model whose first block's last norm multiplies by a number of our own."""
    model = AutoModel.from_pretrained(folder)
    with torch.no_grad():
        model.encoder.layer[0].output.LayerNorm.weight.fill_(value)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (out / name).write_bytes((folder / name).read_bytes())
    model.save_pretrained(out)


def test_states_that_are_no_numbers_are_refused(bert_folder: Path, tmp_path: Path):
    with_norm_of(float("nan"), bert_folder, tmp_path)
    with pytest.raises(EncoderError, match=r"states of block 1 must be finite; some are not"):
        trunk(tmp_path)


def test_states_that_do_not_fit_are_refused(bert_folder: Path, tmp_path: Path):
    with_norm_of(1e6, bert_folder, tmp_path)
    with pytest.raises(EncoderError, match=r"must fit into float16.*use states='float32'"):
        trunk(tmp_path)
    assert np.isfinite(trunk(tmp_path, states="float32").read(np.arange(3))).all()


def test_states_may_be_given_another_name(bert_folder: Path):
    states = trunk(bert_folder)
    renamed = replace(states, manifest={**states.manifest, "name": "mine"})
    assert renamed.read(np.arange(2)).tolist() == states.read(np.arange(2)).tolist()
