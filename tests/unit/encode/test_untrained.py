"""Encoders of a known shape that never saw a text."""

from pathlib import Path

import numpy as np
import pytest

from tcf.encode import encode_items, random_weights
from tcf.errors import EncoderError
from tests import tiny_models


def vectors(folder: Path) -> np.ndarray:
    return encode_items(tiny_models.TITLES[:6], encoder=str(folder), dtype="float32", cache=None)


def test_it_has_the_shape_and_tokenizer_of_the_encoder_and_other_weights(tmp_path: Path):
    source = tiny_models.tiny_opt(tmp_path / "opt", seed=5)
    made = random_weights(source, tmp_path / "cache", seed=0)
    plain, drawn = (vectors(folder) for folder in (source, made))
    assert plain.shape == drawn.shape
    assert not np.allclose(plain, drawn)
    assert not list(made.parent.glob(".*tmp*"))


def test_one_seed_gives_the_same_weights_and_finds_them(tmp_path: Path):
    source = tiny_models.tiny_bert(tmp_path / "bert", seed=5)
    first, other = (random_weights(source, tmp_path / x, seed=0) for x in ("a", "b"))
    names = [path.name for path in first.glob("*.safetensors")]
    assert names and all((first / x).read_bytes() == (other / x).read_bytes() for x in names)
    before = (first / names[0]).stat().st_mtime_ns
    assert random_weights(source, tmp_path / "a", seed=0) == first
    assert (first / names[0]).stat().st_mtime_ns == before
    assert random_weights(source, tmp_path / "a", seed=1) != first


def test_no_weight_of_the_encoder_is_needed(tmp_path: Path):
    source = tiny_models.tiny_opt(tmp_path / "opt", seed=5)
    expected = random_weights(source, tmp_path / "with", seed=0)
    for path in source.glob("*.safetensors"):
        path.unlink()
    found = random_weights(source, tmp_path / "without", seed=0)
    assert (found / "model.safetensors").read_bytes() == (
        expected / "model.safetensors"
    ).read_bytes()


def sentence_model(folder: Path, transformer: Path) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    parts = [Transformer(str(transformer)), Pooling(tiny_models.WIDTH, "mean"), Normalize()]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder))
    return folder


def test_a_sentence_model_keeps_its_pipeline(tmp_path: Path):
    transformer = tiny_models.tiny_bert(tmp_path / "bert", seed=5)
    source = sentence_model(tmp_path / "sentence", transformer)
    made = random_weights(source, tmp_path / "cache", seed=0)
    plain, drawn = (vectors(folder) for folder in (source, made))
    assert plain.shape == drawn.shape and not np.allclose(plain, drawn)
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1, rtol=1e-5)


def test_a_pipeline_with_further_weights_is_refused(tmp_path: Path):
    transformer = tiny_models.tiny_bert(tmp_path / "bert", seed=5)
    source = tiny_models.sentence_model(tmp_path / "sentence", transformer)
    message = "the weights of its Transformer alone can be drawn anew; it has Dense, Normalize"
    with pytest.raises(EncoderError, match=message):
        random_weights(source, tmp_path / "cache", seed=0)


def test_the_global_generator_is_left_alone(tmp_path: Path):
    import torch

    source = tiny_models.tiny_opt(tmp_path / "opt", seed=5)
    before = torch.random.get_rng_state()
    random_weights(source, tmp_path / "cache", seed=0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_folder_without_a_config_is_refused(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(EncoderError, match=r"must hold config.json and weights"):
        random_weights(tmp_path / "empty", tmp_path / "cache", seed=0)
