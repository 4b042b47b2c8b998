"""Several layers, poolings and prompts out of one pass, each as if it had been asked for alone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tcf
from tcf.encode import Reading, encode_catalog
from tcf.encode.backends.transformer import TransformerReader
from tests.tiny_models import TITLES

LAYERS, POOLINGS = (-1, 0, 2), ("mean", "last_token")


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Number of texts of each pass through a model."""
    calls: list[int] = []
    original = TransformerReader.encode

    def spy(self: TransformerReader, texts: list[str], wanted: np.ndarray, readings: Any) -> Any:
        calls.append(len(wanted))
        return original(self, texts, wanted, readings)

    monkeypatch.setattr(TransformerReader, "encode", spy)
    return calls


@pytest.mark.parametrize("kind", ["opt", "bert", "roberta", "t5", "bart"])
def test_each_reading_is_what_it_would_be_alone(
    kind: str, folders: dict[str, Path], passes: list[int]
) -> None:
    made = tcf.encode_items(
        TITLES, encoder=folders[kind], layer=LAYERS, pooling=POOLINGS, dtype="float32"
    )
    assert len(passes) == 1
    assert list(made) == [Reading(layer, pooling) for layer in LAYERS for pooling in POOLINGS]
    for reading, vectors in made.items():
        alone = tcf.encode_items(
            TITLES,
            encoder=folders[kind],
            layer=reading.layer,
            pooling=reading.pooling,
            dtype="float32",
        )
        np.testing.assert_array_equal(vectors, alone)


def test_prompts_share_the_pass_and_repeats_are_encoded_once(
    opt_folder: Path, passes: list[int]
) -> None:
    texts = ["a car", "dress", "a car"]
    prompts = ("{text}", "a {text}")  # "a car" and "a " + "car" differ, "dress" is one of each
    made = tcf.encode_items([*texts, "car"], encoder=opt_folder, prompt=prompts, layer=1)
    assert passes == [5]  # a car, dress, car, a a car, a dress: "a car" comes of both prompts
    for prompt in prompts:
        alone = tcf.encode_items([*texts, "car"], encoder=opt_folder, prompt=prompt, layer=1)
        found = made[Reading(1, None, prompt)]
        np.testing.assert_allclose(found, alone, atol=1e-5 * np.abs(alone).max())


def test_a_harvest_fills_the_stores_of_its_readings(
    opt_folder: Path, tmp_path: Path, passes: list[int]
) -> None:
    one = tcf.encode_items(TITLES[:3], encoder=opt_folder, layer=1, cache=tmp_path)
    made = tcf.encode_items(TITLES, encoder=opt_folder, layer=(1, 2), cache=tmp_path)
    assert passes == [3, len(TITLES)]  # layer 2 needs them all; layer 1 keeps what it had
    np.testing.assert_array_equal(made[Reading(1)][:3], one)
    for layer in (1, 2):
        again = tcf.encode_items(TITLES, encoder=opt_folder, layer=layer, cache=tmp_path)
        np.testing.assert_array_equal(again, made[Reading(layer)])
    assert len(passes) == 2


def test_a_catalog_is_harvested_with_its_ids(opt_folder: Path, sentence_folder: Path) -> None:
    catalog: Any = SimpleNamespace(item_ids=("x", "y"), texts=tuple(TITLES[:2]))
    made = encode_catalog(catalog, encoder=opt_folder, layer=(0, -1))
    assert {e.item_ids for e in made.values()} == {("x", "y")}
    assert len({e.key for e in made.values()}) == 2
    counts = [e.manifest["parameters"]["without_embeddings"] for e in made.values()]
    assert counts[0] < counts[1]
    own, bare = encode_catalog(catalog, encoder=sentence_folder, pooling=(None, "mean")).values()
    assert own.vectors.shape == (2, 16)  # the pipeline ends in a dense layer
    assert bare.vectors.shape == (2, 32)


def test_a_static_encoder_reads_several_prompts() -> None:
    made = tcf.encode_items(TITLES, encoder="tfidf-svd", prompt=("{text}", "a red {text}"))
    alone = tcf.encode_items(TITLES, encoder="tfidf-svd", prompt="a red {text}")
    np.testing.assert_array_equal(made[Reading(prompt="a red {text}")], alone)
