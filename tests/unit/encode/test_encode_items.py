"""encode_items: what goes in, what comes out, and what it says to bad input."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tcf
from tcf.data.location import cache_folder
from tcf.encode import EncoderSpec, encode_catalog
from tcf.errors import EncoderError
from tests import tiny_models
from tests.tiny_models import TITLES


class Letters:
    """A backend of one's own: counts of letters."""

    name = "letters"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def identity(self) -> dict[str, Any]:
        return {"backend": "letters"}

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for position in reversed(wanted):  # any order
            self.seen.append(texts[position])
            counts = [[texts[position].count(letter) for letter in "abcde"]]
            yield np.array([position]), np.array(counts, float)

    def parameters(self) -> dict[str, int]:
        return {"total": 5, "without_embeddings": 5}


class Items:
    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)
        self.item_ids = tuple(f"item{n}" for n in range(len(texts)))


@pytest.mark.parametrize("kind", ["opt", "bert", "roberta", "t5", "bart", "sentence"])
def test_every_kind_of_folder_gives_finite_different_vectors(
    kind: str, folders: dict[str, Path]
) -> None:
    vectors = tcf.encode_items(["a blue dress", "a red car"], encoder=str(folders[kind]))
    assert vectors.dtype == np.float32
    assert vectors.shape == (2, 16 if kind == "sentence" else 32)
    assert np.isfinite(vectors).all()
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


@pytest.mark.parametrize(
    "texts",
    [
        ("dress", "a car", "dress"),
        {"x": "dress", "y": "a car", "z": "dress"},
        pl.Series(["dress", "a car", "dress"]),
        np.array(["dress", "a car", "dress"]),
        iter(["dress", "a car", "dress"]),
    ],
)
def test_texts_come_in_many_forms_and_repeats_are_encoded_once(texts: Any) -> None:
    backend = Letters()
    vectors = tcf.encode_items(texts, encoder=backend)
    assert vectors.tolist() == [[0, 0, 0, 1, 1], [2, 0, 1, 0, 0], [0, 0, 0, 1, 1]]
    assert sorted(backend.seen) == ["a car", "dress"]


@pytest.mark.parametrize(
    ("texts", "kind", "message"),
    [
        ([], ValueError, "at least one text; got none"),
        ("a dress", TypeError, "a sequence of str, not one str"),
        (3, TypeError, "a sequence of str; got int"),
        (["a", None], ValueError, "must be a str; got NoneType at position 1"),
        ({"x": "a", "y": 2.5}, ValueError, r"got float at position 1 \(item 'y'\)"),
        (["a", " ", "b", ""], ValueError, "2 blank at positions 1, 3. Drop these items"),
        (["a", "b\ud800"], ValueError, "must be valid Unicode"),
    ],
)
def test_bad_texts_are_named(texts: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        tcf.encode_items(texts, encoder=Letters())


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        (
            {"layer": ()},
            ValueError,
            r"layer must hold one value or several different ones; got \(\)",
        ),
        ({"pooling": ("mean", "mean")}, ValueError, "pooling must hold one value or several diff"),
        (
            {"layer": (0, 1), "out": "v.npy"},
            ValueError,
            "out takes the vectors of one reading; got 2",
        ),
        ({"placement": "moved"}, ValueError, "placement must be one of auto, resident,"),
        ({"batch_tokens": 0}, ValueError, "batch_tokens must be 'auto' or an int of at least 1"),
        ({"dtype": "float16", "device": "cpu"}, EncoderError, "ten times slower than float32"),
        (
            {"layer": 4},
            EncoderError,
            r"OPTModel has 3 blocks, so layer must be within 0\.\.3.*got 4",
        ),
        ({"layer": -5}, EncoderError, "got -5"),
        ({"max_tokens": 65}, EncoderError, "reads at most 64 tokens; got max_tokens=65"),
        ({"max_tokens": 1}, EncoderError, "room for text beside the 1 special tokens"),
        ({"out": "vectors.txt"}, ValueError, r"ends in \.npy; got 'vectors.txt'"),
    ],
)
def test_what_cannot_be_done_is_refused(
    opt_folder: Path, settings: dict, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        tcf.encode_items(["a car"], encoder=opt_folder, **settings)


def test_an_own_encoder_takes_prompt_and_normalize_alone() -> None:
    vectors = tcf.encode_items(["a"], encoder=Letters(), prompt="bb {text} {}", normalize=True)
    np.testing.assert_allclose(vectors, [np.array([1, 2, 0, 0, 0]) / np.sqrt(5)], rtol=1e-6)
    with pytest.raises(ValueError, match="pooling='mean' does not apply to the Letters passed"):
        tcf.encode_items(["a"], encoder=Letters(), pooling="mean")


def test_what_is_no_encoder_is_refused() -> None:
    with pytest.raises(TypeError, match=r"methods identity, encode and parameters; got int"):
        tcf.encode_items(["a"], encoder=3)  # type: ignore[arg-type]


class Broken(Letters):
    def __init__(self, yields: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self.yields = yields

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from self.yields


@pytest.mark.parametrize(
    ("yields", "message"),
    [
        ([(np.array([0]), np.ones((1, 2)))], "1 of 2 have none, the first of them 'b'"),
        ([(np.arange(2), np.array([[1.0], [np.nan]]))], "not finite for 'b'"),
        ([(np.arange(2), np.ones(2))], r"one vector for each of 2 positions; got shape \(2,\)"),
        ([(np.array([n]), np.ones((1, n + 1))) for n in range(2)], "one width; got 1 and 2"),
    ],
)
def test_an_encoder_that_breaks_its_promise_is_named(yields: list, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        tcf.encode_items(["a", "b"], encoder=Broken(yields))


def test_a_text_without_token_is_named_by_its_place(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    folder = tiny_models.tiny_opt(tmp_path)
    letters = {letter: n for n, letter in enumerate("acder")}
    plain = Tokenizer(models.BPE(letters, []))  # no unknown token: other letters vanish
    fast = PreTrainedTokenizerFast(tokenizer_object=plain, model_max_length=64)
    fast.save_pretrained(folder)
    with pytest.raises(ValueError, match=r"none in 1 texts, the first at positions \[2\]"):
        tcf.encode_items(["car", "car", "sill", "red"], encoder=folder)


def test_out_is_a_read_only_map_of_the_file(opt_folder: Path, tmp_path: Path) -> None:
    texts = [*TITLES, *TITLES[:3]]
    mapped = tcf.encode_items(texts, encoder=opt_folder, out=tmp_path / "v.npy")
    assert isinstance(mapped, np.memmap)
    assert not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, tcf.encode_items(texts, encoder=opt_folder))
    np.testing.assert_array_equal(mapped, np.load(tmp_path / "v.npy"))
    assert [p.name for p in tmp_path.iterdir()] == ["v.npy"]


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    broken = Broken([(np.array([0]), np.ones((1, 2)))])
    with pytest.raises(EncoderError, match="have none"):
        tcf.encode_items(["a", "b"], encoder=broken, out=tmp_path / "v.npy")
    assert list(tmp_path.iterdir()) == []


def test_long_texts_are_cut_special_tokens_included(bert_folder: Path) -> None:
    long = "red " * 100 + "car"
    spec = EncoderSpec(name=str(bert_folder), max_tokens=6)
    cut = tcf.encode_items([long, "red red red red"], encoder=spec)  # [CLS] + 4 words + [SEP]
    np.testing.assert_allclose(cut[0], cut[1], rtol=1e-6)


def test_a_model_without_padding_token_reads_the_same(opt_folder: Path, tmp_path: Path) -> None:
    unpadded = tiny_models.tiny_opt(tmp_path / "m", pad=False)
    expected = tcf.encode_items(TITLES, encoder=opt_folder, dtype="float32")
    found = tcf.encode_items(TITLES, encoder=unpadded, dtype="float32")
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_a_catalog_keeps_its_ids_and_says_how_it_was_made(opt_folder: Path) -> None:
    catalog: Any = Items(TITLES)
    embeddings = encode_catalog(catalog, encoder=opt_folder, layer=2)
    assert embeddings.item_ids == catalog.item_ids
    np.testing.assert_array_equal(
        embeddings.vectors, tcf.encode_items(TITLES, encoder=opt_folder, layer=2)
    )
    assert embeddings.manifest["name"] == "tiny-opt (layer 2)"
    assert embeddings.manifest["encoder"]["layer"] == 2
    assert str(opt_folder) not in repr(embeddings.manifest)
    assert len(embeddings.key) == 64


def test_encode_catalog_takes_no_other_keywords(opt_folder: Path) -> None:
    catalog: Any = Items(TITLES)
    with pytest.raises(TypeError, match="takes the keywords of encode_items; got 'poling'"):
        encode_catalog(catalog, encoder=opt_folder, poling="mean")


def test_auto_cache_is_the_variable_then_the_checkout_then_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCF_CACHE", str(tmp_path / "chosen"))
    assert cache_folder("auto") == tmp_path / "chosen"
    monkeypatch.delenv("TCF_CACHE")
    (tmp_path / "checkout" / "deep").mkdir(parents=True)
    (tmp_path / "checkout" / "pyproject.toml").write_text('[project]\nname = "tcf"\n')
    monkeypatch.chdir(tmp_path / "checkout" / "deep")
    assert cache_folder("auto") == tmp_path / "checkout" / "cache"
    (tmp_path / "checkout" / "pyproject.toml").write_text('[project]\nname = "other"\n')
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("auto") == tmp_path / "xdg" / "tcf"
    assert cache_folder(None) is None
    assert cache_folder(tmp_path) == tmp_path
