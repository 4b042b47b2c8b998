"""What users feed an encoder, from a megabyte of text to a model that overflows."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import tcf
from tcf.encode import EncoderSpec
from tcf.errors import EncoderError
from tests import tiny_models
from tests.tiny_models import TITLES

ODD = {
    "emoji": "👩‍👩‍👧‍👦 🔥 dress",
    "right to left": "فستان أزرق مع سيارة",
    "combining": "e\u0301te\u0301 a\u0300 la carte",
    "control characters": "a\x00 red\x07 car\x1b[31m",
    "quotes and hashes": 'a "quoted" title # funny # comic',
    "one letter": "a",
    "line breaks": "a red car\r\nwith\u2028a dress",
}


@pytest.mark.parametrize("kind", ["opt", "bert", "t5", "sentence"])
def test_odd_texts_have_vectors_of_their_own_row(kind: str, folders: dict[str, Path]) -> None:
    texts = [*ODD.values(), *TITLES]
    vectors = tcf.encode_items(texts, encoder=folders[kind], dtype="float32")
    assert np.isfinite(vectors).all()
    for n in range(len(ODD)):
        alone = tcf.encode_items([texts[n]], encoder=folders[kind], dtype="float32")[0]
        np.testing.assert_allclose(vectors[n], alone, atol=1e-5 * np.abs(vectors).max())


def test_a_megabyte_is_cut_like_any_long_text(opt_folder: Path) -> None:
    long = "red car " * 131_072
    vectors = tcf.encode_items([long, "red car " * 40], encoder=opt_folder, dtype="float32")
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=1e-5, atol=1e-6)


def test_ten_thousand_copies_are_one_text(opt_folder: Path, tmp_path: Path) -> None:
    vectors = tcf.encode_items(["a red car"] * 10_000, encoder=opt_folder, cache=tmp_path)
    assert vectors.shape == (10_000, 32)
    assert (vectors == vectors[0]).all()
    (rows,) = tmp_path.glob("embeddings/*/[!.]*.rows.npy")
    assert np.load(rows).shape == (1, 32)


def test_a_model_that_overflows_is_stopped_and_nothing_of_it_is_kept(
    bert_folder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(bert_folder, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][5:] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match=r"a vector that is not finite for .*dtype='float32'"):
        tcf.encode_items(TITLES, encoder=folder, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.rows.npy"))


def test_a_model_with_code_of_its_own_is_refused_unless_asked(
    bert_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(bert_folder, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "own.OwnModel", "AutoConfig": "own.OwnConfig"}
    config["model_type"] = "own"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(
        "from transformers import BertConfig, BertModel\n"
        "class OwnConfig(BertConfig):\n    model_type = 'own'\n"
        "class OwnModel(BertModel):\n    config_class = OwnConfig\n"
    )
    with pytest.raises(EncoderError, match="trust_remote_code"):
        tcf.encode_items(TITLES, encoder=folder)
    spec = EncoderSpec(name=str(folder), trust_remote_code=True, dtype="float32")
    vectors = tcf.encode_items(TITLES, encoder=spec, cache=tmp_path / "cache")
    plain = tcf.encode_items(TITLES, encoder=bert_folder, dtype="float32")
    np.testing.assert_array_equal(vectors, plain)
    (manifest,) = (tmp_path / "cache" / "embeddings").glob("*/manifest.json")
    assert "own.py" in manifest.read_text()  # the code is part of the key


def test_a_revision_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def missing(*args: object, revision: str, **kwargs: object) -> str:
        raise OSError(f"404: no revision {revision}")  # stands for the hub, which is out of reach

    monkeypatch.setattr(huggingface_hub, "snapshot_download", missing)
    spec = EncoderSpec(name="someone/model", revision="v9")
    with pytest.raises(EncoderError, match=r"'someone/model' at revision 'v9' .*no revision v9"):
        tcf.encode_items(["a"], encoder=spec)


def test_quantisation_of_what_has_no_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="quantization='int8' does not apply to encoder 'tfidf"):
        tcf.encode_items(TITLES, encoder="tfidf-svd", quantization="int8")


@pytest.mark.parametrize("placement", ["sharded", "streamed"])
def test_a_whole_pipeline_is_not_placed(sentence_folder: Path, placement: str) -> None:
    with pytest.raises(EncoderError, match="needs a bare transformer, and the sentence-transfor"):
        tcf.encode_items(TITLES, encoder=sentence_folder, placement=placement)  # type: ignore[arg-type]
    with pytest.raises(EncoderError, match="needs a bare transformer, and encoder 'tfidf-svd'"):
        tcf.encode_items(TITLES, encoder="tfidf-svd", placement=placement)  # type: ignore[arg-type]


def test_a_tokenizer_without_pad_token_is_read_in_batches(tmp_path: Path) -> None:
    folder = tiny_models.tiny_opt(tmp_path / "m", pad=False)
    together = tcf.encode_items(TITLES, encoder=folder, dtype="float32")
    apart = [tcf.encode_items([t], encoder=folder, dtype="float32")[0] for t in TITLES]
    np.testing.assert_allclose(together, apart, atol=1e-5 * np.abs(together).max())
