"""A tuned encoder as a sentence-transformers folder: its `encode` gives the tower's vectors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tcf.data.catalog import Catalog
from tcf.encode.items import encode_items
from tcf.encode.trunk import encode_trunk
from tcf.errors import EncoderError
from tcf.export import export_encoder, export_tower
from tcf.model.layers import mlp, xavier_normal_
from tcf.model.tuned import TunedTextTower
from tests import tiny_models

TEXTS = tiny_models.TITLES


def load(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    return AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def encoded(folder: Path) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").encode(TEXTS, show_progress_bar=False)


def projector(**settings) -> nn.Sequential:
    layers = mlp(32, 8, **{"num_layers": 2, "dropout": 0.1, **settings}).eval()
    xavier_normal_(layers, generator=torch.Generator().manual_seed(0))
    return layers


@pytest.mark.parametrize("through", [False, True], ids=["states", "projector"])
@pytest.mark.parametrize("pooling", ["mean", "last_token", "first_token"])
@pytest.mark.parametrize("kind", ["opt", "bert"])
def test_encode_gives_the_same_vectors(
    kind: str, pooling: str, through: bool, folders: dict[str, Path], tmp_path: Path
):
    settings = {"max_tokens": 9, "prompt": "car {text}"}
    layers = projector() if through else None
    model, tokenizer = load(folders[kind])
    out = tmp_path / "out"
    export_encoder(model, tokenizer, out, pooling=pooling, projector=layers, **settings)
    expected = encode_items(
        TEXTS, encoder=folders[kind], pooling=pooling, dtype="float32", **settings
    )
    if layers is not None:
        expected = layers(torch.from_numpy(expected)).detach().numpy()
    found = encoded(out)
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((found * expected).sum(1) / norms).min() > 0.9999
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_weights_that_were_tuned_are_those_that_are_written(opt_folder: Path, tmp_path: Path):
    model, tokenizer = load(opt_folder)
    before = encode_items(TEXTS, encoder=opt_folder, pooling="mean", dtype="float32")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    export_encoder(model, tokenizer, tmp_path / "out", pooling="mean", max_tokens=30)
    assert not np.allclose(encoded(tmp_path / "out"), before, rtol=1e-2)


@pytest.mark.parametrize("settings", [{}, {"lora_rank": 2}], ids=["whole", "LoRA"])
@pytest.mark.parametrize("kind", ["opt", "bert", "t5"])
def test_a_tuned_tower_encodes_as_it_does(
    kind: str, settings: dict, folders: dict[str, Path], tmp_path: Path
):
    ids = tuple(f"i{n}" for n in range(len(TEXTS)))
    states = encode_trunk(
        Catalog(ids, tuple(TEXTS)),
        encoder=folders[kind],
        num_tuned_layers=1,
        dtype="float32",
        states="float32",
        max_tokens=9,
        prompt="car {text}",
        progress=False,
    )
    tower = TunedTextTower(states, Catalog(ids, tuple(TEXTS)), dim=8, **settings).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in tower.parameters():  # as if it had been trained
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
        expected = tower.all()[1:].numpy()
    export_tower(tower, tmp_path / "out")
    found = encoded(tmp_path / "out")
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((found * expected).sum(1) / norms).min() > 0.9999
    with pytest.raises(ValueError, match="the encoder is written to a new folder; this one is"):
        export_tower(tower, tmp_path / "out")


def test_a_tokenizer_without_padding_and_a_model_with_a_head(tmp_path: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_models.tiny_opt(tmp_path / "opt", pad=False)
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    export_encoder(model, tokenizer, tmp_path / "out", pooling="mean", max_tokens=30)
    expected = encode_items(TEXTS, encoder=folder, pooling="mean", dtype="float32")
    np.testing.assert_allclose(encoded(tmp_path / "out"), expected, atol=1e-5)


def test_a_linear_projector(opt_folder: Path, tmp_path: Path):
    model, tokenizer = load(opt_folder)
    layers = projector(num_layers=1, activation=False)
    out = tmp_path / "out"
    export_encoder(model, tokenizer, out, pooling="mean", max_tokens=30, projector=layers)
    states = encode_items(TEXTS, encoder=opt_folder, pooling="mean", dtype="float32")
    expected = layers(torch.from_numpy(states)).detach().numpy()
    np.testing.assert_allclose(encoded(out), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"pooling": "max"}, ValueError, "pooling must be one of first_token, last_token, mean"),
        ({"prompt": "a {text} b"}, EncoderError, r"must end with \{text\}, got 'a \{text\} b'"),
        ({"prompt": "a"}, EncoderError, r"must end with \{text\}, got 'a'"),
        (
            {"projector": nn.Sequential(nn.Linear(32, 8), nn.LayerNorm(8))},
            EncoderError,
            r"the projector holds LayerNorm\(.*\) where it cannot have it",
        ),
        (
            {"projector": nn.Sequential(nn.Linear(32, 8), nn.GELU(approximate="tanh"))},
            EncoderError,
            r"the projector holds GELU\(approximate='tanh'\) where",
        ),
        ({"projector": nn.Sequential(nn.GELU())}, EncoderError, "the projector holds GELU"),
    ],
)
def test_what_cannot_be_the_same_is_refused(
    settings: dict, error: type, message: str, opt_folder: Path, tmp_path: Path
):
    model, tokenizer = load(opt_folder)
    given = {"pooling": "mean", "max_tokens": 30, **settings}
    with pytest.raises(error, match=message):
        export_encoder(model, tokenizer, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_written_over(opt_folder: Path, tmp_path: Path):
    model, tokenizer = load(opt_folder)
    with pytest.raises(ValueError, match="is written to a new folder; this one is there"):
        export_encoder(model, tokenizer, tmp_path, pooling="mean", max_tokens=30)
