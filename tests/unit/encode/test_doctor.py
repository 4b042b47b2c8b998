"""The doctor: each check on what it must find and on what it must leave in peace."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tcf.data import Finding
from tcf.encode import EncoderSpec, diagnose, drift
from tcf.encode import doctor_texts as texts_
from tcf.encode import doctor_vectors as vectors_
from tcf.encode.doctor import BUILT_IN_TEXTS
from tcf.errors import EncoderError
from tests import tiny_models
from tests.tiny_models import TITLES

FACTS = texts_.TokenFacts(
    lengths=np.array([3, 4, 5, 10]),
    num_content=np.array([2, 3, 4, 9]),
    num_unknown=np.array([0, 0, 0, 0]),
    opens=("[CLS]",),
    closes=(),
    unknown_token="[UNK]",
    pad_token="[PAD]",
    pad_id=0,
    num_tokens=40,
    limit=64,
)


def said(finding: Finding) -> tuple[str, str]:
    return finding.verdict, finding.found


def by_check(encoder: Any, texts: Any = TITLES, **settings: Any) -> dict[str, Finding]:
    settings = {"dtype": "float32", **settings} if isinstance(encoder, Path) else settings
    findings = diagnose(encoder, texts, progress=False, **settings)
    assert len({finding.check for finding in findings}) == len(findings)
    return {finding.check: finding for finding in findings}


class TestTexts:
    def test_texts_without_tokens(self):
        assert texts_.tokenless_texts(FACTS).verdict == "ok"
        bare = replace(FACTS, num_content=np.array([0, 3, 0, 9]))
        assert said(texts_.tokenless_texts(bare)) == (
            "warning",
            "of 4 texts, 0 have no token and 2 special tokens alone",
        )
        none = replace(bare, lengths=np.array([0, 4, 1, 10]))
        assert said(texts_.tokenless_texts(none)) == (
            "problem",
            "of 4 texts, 1 have no token and 1 special tokens alone",
        )

    def test_unknown_tokens(self):
        assert said(texts_.unknown_tokens(FACTS)) == (
            "ok",
            "0% of tokens are [UNK], in 0% of texts",
        )
        some = replace(FACTS, num_unknown=np.array([1, 0, 0, 8]))
        assert said(texts_.unknown_tokens(some)) == (
            "warning",
            "50% of tokens are [UNK], in 50% of texts",
        )
        spelled = replace(FACTS, unknown_token=None)
        assert said(texts_.unknown_tokens(spelled)) == ("ok", "the tokenizer has no unknown token")

    def test_truncation_says_what_is_lost_and_what_would_do(self):
        assert texts_.truncation(FACTS, max_tokens=10).verdict == "ok"
        finding = texts_.truncation(FACTS, max_tokens=4)
        assert said(finding) == (
            "warning",
            "max_tokens=4 cuts 50% of texts and loses 31.8% of tokens; the longest text has 10",
        )
        assert finding.fix == "max_tokens=10 leaves 99% of texts whole"
        long = replace(FACTS, lengths=np.arange(1, 201))
        assert texts_.truncation(long, max_tokens=10).fix.startswith("max_tokens=198 leaves 99%")
        assert texts_.truncation(long, max_tokens=198).verdict == "ok"

    @pytest.mark.parametrize(
        ("limit", "positions", "max_tokens", "verdict", "fix"),
        [
            (64, 64, 64, "ok", ""),
            (10**30, 64, 30, "ok", ""),
            (64, None, 30, "ok", ""),
            (10**30, None, 30, "warning", "nothing guards"),
            (10**30, 64, 65, "problem", "max_tokens must be between 2 and 64"),
            (32, 64, 33, "problem", "between 2 and 32"),
            (64, 64, 1, "problem", "between 2 and 64"),
        ],
    )
    def test_length_limit(self, limit: int, positions: Any, max_tokens: int, verdict, fix: str):
        finding = texts_.length_limit(
            replace(FACTS, limit=limit), num_positions=positions, max_tokens=max_tokens
        )
        assert finding.verdict == verdict
        assert fix in finding.fix
        assert ("states no limit" in finding.found) == (limit > 64)

    def test_padding_token_and_vocabulary(self):
        assert said(texts_.padding_token(FACTS)) == ("ok", "[PAD] (number 0)")
        none = texts_.padding_token(replace(FACTS, pad_token=None, pad_id=None))
        assert none.verdict == "warning"
        assert "tokenizer.pad_token" in none.fix
        assert texts_.vocabulary(FACTS, num_embeddings=40).verdict == "ok"
        assert texts_.vocabulary(FACTS, num_embeddings=None).verdict == "ok"
        small = texts_.vocabulary(FACTS, num_embeddings=39)
        assert said(small) == ("problem", "40 tokens for an embedding table of 39 rows")

    @pytest.mark.parametrize(
        ("opens", "closes", "pooling", "causal", "verdict", "fix"),
        [
            ("a", "b", "mean", True, "ok", ""),
            ("", "", None, False, "ok", ""),
            ("a", "", "first_token", True, "problem", "has read nothing"),
            ("", "b", "first_token", False, "warning", r"not a \[CLS\]"),
            ("a", "b", "first_token", False, "ok", ""),
            ("a", "", "last_token", True, "warning", "needs a tokenizer that adds it"),
            ("a", "b", "last_token", True, "ok", ""),
            ("a", "b", "last_token", False, "warning", "rarely trained"),
        ],
    )
    def test_end_tokens(
        self, opens: str, closes: str, pooling: Any, causal: bool, verdict: str, fix: str
    ):
        facts = replace(FACTS, opens=tuple(opens), closes=tuple(closes))
        finding = texts_.end_tokens(facts, pooling=pooling, causal=causal)
        assert finding.verdict == verdict
        assert bool(finding.fix) == bool(fix)
        if fix:
            assert re.search(fix, finding.fix)
        assert f"opens with {opens or 'nothing'} and closes with {closes or 'nothing'}" in (
            finding.found
        )


class TestVectors:
    def test_invariance_is_strict_in_float32_and_allows_rounding_elsewhere(self):
        one = np.eye(3, dtype=np.float32)
        near, off = one + np.float32(1e-3), one + np.float32(0.5)

        def verdict(other: np.ndarray, dtype: str | None) -> str:
            return vectors_.invariance(
                "batch invariance", one, other, dtype=dtype, verdict="problem", fix="look"
            ).verdict

        assert verdict(one + np.float32(1e-6), "float32") == "ok"
        assert verdict(near, "float32") == "problem"
        assert verdict(near, None) == "problem"
        assert verdict(near, "bfloat16") == "ok"
        assert verdict(off, "bfloat16") == "problem"

    def test_constant_and_zero_vectors(self, rng: np.random.Generator):
        different = rng.normal(size=(5, 4)).astype(np.float32)
        assert vectors_.constant_vectors(different).verdict == "ok"
        alike = vectors_.constant_vectors(np.ones((5, 4), np.float32))
        assert alike.verdict == "problem"
        different[2] = 0
        zero = vectors_.constant_vectors(different)
        assert zero.verdict == "warning"
        assert zero.found.endswith("1 are zero")
        assert vectors_.constant_vectors(np.ones((1, 4), np.float32)).verdict == "ok"

    def test_anisotropy_is_the_mean_cosine_of_pairs(self, rng: np.random.Generator):
        vectors = rng.normal(size=(6, 4)) + 1.0
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        expected = (unit @ unit.T)[~np.eye(6, dtype=bool)].mean()
        assert said(vectors_.anisotropy(vectors)) == (
            "ok",
            f"mean cosine of two texts {expected:.3f}",
        )
        assert "all point one way" in vectors_.anisotropy(vectors + 50).found

    @pytest.mark.parametrize(
        ("largest", "dtype", "verdict", "found"),
        [
            ([3.0, 655.04], "float16", "ok", "largest output 655, of block 2: 1% of 65,504"),
            ([70000.0, 1.0], "float16", "problem", "of block 1: 1.1e+02% of 65,504"),
            ([70000.0, 1.0], "bfloat16", "warning", "largest output 7e+04"),
            ([1.0, float("nan")], "float32", "problem", "the output of block 2 is not finite"),
        ],
    )
    def test_float16_range(self, largest: list[float], dtype: str, verdict: str, found: str):
        finding = vectors_.float16_range(largest, dtype=dtype)
        assert finding.verdict == verdict
        assert found in finding.found

    def test_compare_counts_cosines_and_neighbours(self, rng: np.random.Generator):
        vectors = rng.normal(size=(40, 8)).astype(np.float32)
        same = vectors_.compare(vectors, 2 * vectors)
        assert same["num_texts"] == 40
        assert same["neighbours"] == 10
        assert same["neighbours_kept"] == 1.0
        assert same["cosine_worst"] == pytest.approx(1.0)
        turned = vectors.copy()
        turned[0] *= -1
        moved = vectors_.compare(vectors, turned)
        assert moved["cosine_worst"] == pytest.approx(-1.0)
        assert moved["cosine_mean"] == pytest.approx(38 / 40)
        assert 0.9 < moved["neighbours_kept"] < 1.0
        assert vectors_.compare(vectors[:2], vectors[:2])["neighbours_kept"] is None
        json.dumps(moved, allow_nan=False)

    def test_neighbours_of_unrelated_vectors_are_unrelated(self, rng: np.random.Generator):
        one, other = rng.normal(size=(2, 200, 64))
        assert vectors_.compare(one, other)["neighbours_kept"] < 0.1

    @pytest.mark.parametrize(
        ("mean", "kept", "what", "used", "verdict"),
        [
            (0.9999, 0.99, "bfloat16", True, "ok"),
            (0.998, 0.99, "bfloat16", True, "warning"),
            (0.998, None, "int8", True, "ok"),
            (0.98, 0.8, "nf4", True, "ok"),
            (0.98, 0.6, "nf4", True, "warning"),
            (0.98, 0.4, "nf4", True, "problem"),
            (0.8, 0.9, "nf4", True, "problem"),
            (0.8, 0.9, "nf4", False, "warning"),
        ],
    )
    def test_drift_is_judged_by_both_measures(self, mean, kept, what, used, verdict):
        measured = {
            "num_texts": 9,
            "cosine_mean": mean,
            "cosine_worst": 0.5,
            "neighbours": 4,
            "neighbours_kept": kept,
        }
        finding = vectors_.drift_finding(what, measured, against="float32", used=used)
        assert finding.verdict == verdict
        assert "0.50000 at worst of 9 texts" in finding.found


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


class TestDiagnose:
    @pytest.mark.parametrize("kind", ["opt", "bert", "roberta", "t5", "sentence"])
    def test_sound_models_have_no_problem(self, kind: str, folders: dict[str, Path]):
        found = by_check(folders[kind])
        assert {f.check: f for f in found.values() if f.verdict == "problem"} == {}
        assert {
            "readable texts",
            "truncation",
            "length limit",
            "float16 range",
            "vectors",
            "batch invariance",
            "padding side",
            "bfloat16 drift",
            "int8 drift",
            "nf4 drift",
        } <= found.keys()
        assert "8 finite vectors" in found["vectors"].found
        assert found["padding side"].verdict == found["batch invariance"].verdict == "ok"
        assert re.match("cosine to float32 0.99", found["int8 drift"].found)
        assert re.match("cosine to|not available: .*nf4 on this CPU", found["nf4 drift"].found)
        opening = found["opening and closing tokens"].found
        assert ("the model is causal" in opening) == (kind == "opt")

    def test_bfloat16_is_held_to_its_own_bounds(self, opt_folder: Path):
        found = by_check(opt_folder, dtype="bfloat16")
        assert "0.999 is wanted in bfloat16" in found["padding side"].found
        assert found["bfloat16 drift"].verdict == "ok"

    def test_int8_may_lean_on_its_batch_a_little(self, bert_folder: Path):
        found = by_check(bert_folder, quantization="int8")
        assert "0.999 is wanted in int8" in found["batch invariance"].found
        assert found["batch invariance"].verdict != "problem"
        assert found["padding side"].verdict == "ok"

    def test_a_model_that_ignores_given_positions_shows_on_the_left(self, bart_folder: Path):
        found = by_check(bart_folder)
        assert found["batch invariance"].verdict == "ok"
        assert found["padding side"].verdict == "warning"
        assert "tcf pads on the right" in found["padding side"].fix

    def test_without_texts_the_built_in_ones_test_the_encoder_alone(self, opt_folder: Path):
        found = by_check(opt_folder, None)
        assert not {"readable texts", "duplicate texts", "truncation"} & found.keys()
        assert found["unknown tokens"].verdict == "warning"
        assert f"{len(BUILT_IN_TEXTS)} finite vectors" in found["vectors"].found

    def test_the_first_token_of_a_causal_model_says_nothing(self, opt_folder: Path):
        found = by_check(opt_folder, pooling="first_token")
        assert found["opening and closing tokens"].verdict == "problem"
        assert found["constant vectors"].verdict == "problem"

    def test_blank_texts_and_repeats_are_reported_and_the_rest_is_encoded(self, opt_folder: Path):
        found = by_check(opt_folder, {"x": "a red car", "y": " ", "z": "a red car", "w": "dress"})
        assert found["readable texts"].found.endswith("at positions 1")
        assert found["duplicate texts"].verdict == "warning"
        assert "2 finite vectors" in found["vectors"].found

    def test_nothing_to_read_ends_the_checks(self, opt_folder: Path):
        assert by_check(opt_folder, [" ", ""]).keys() == {"readable texts", "duplicate texts"}

    @pytest.mark.parametrize(
        ("given", "kind", "message"),
        [
            ("a red car", TypeError, "not one str"),
            ([], ValueError, "at least one text; got none"),
            (["", None], ValueError, "got NoneType at position 1"),
            ({"x": "", "y": 2}, ValueError, r"got int at position 1 \(item 'y'\)"),
        ],
    )
    def test_bad_texts_are_refused_as_everywhere(self, given: Any, kind: Any, message: str):
        with pytest.raises(kind, match=message):
            diagnose("tfidf-svd", given)

    def test_texts_are_drawn_from_a_seed(self, opt_folder: Path):
        many = [f"{title} {n}" for title in TITLES for n in range(10)]
        found = by_check(opt_folder, many, num_texts=20)
        assert "80 texts" in found["readable texts"].found
        assert "20 finite vectors" in found["vectors"].found
        assert by_check(opt_folder, many, num_texts=20) == found
        assert by_check(opt_folder, many, num_texts=20, seed=1) != found

    def test_a_limit_passed_ends_the_checks(self, opt_folder: Path):
        found = by_check(opt_folder, max_tokens=65)
        assert found["length limit"].fix == "max_tokens must be between 2 and 64"
        assert "vectors" not in found

    def test_a_tokenizer_of_another_model_ends_the_checks(self, tmp_path: Path):
        folder = tiny_models.tiny_opt(tmp_path)
        tokenizer = tiny_models.word_tokenizer(folder, template="</s> $A")
        tokenizer.add_tokens(["boat", "bike"])
        tokenizer.save_pretrained(folder)
        found = by_check(folder, ["a boat", "a bike"])
        assert found["vocabulary"].found == "42 tokens for an embedding table of 40 rows"
        assert "vectors" not in found

    def test_texts_without_tokens_are_reported_and_left_out(self, tmp_path: Path):
        from tokenizers import Tokenizer, models
        from transformers import PreTrainedTokenizerFast

        folder = tiny_models.tiny_opt(tmp_path)
        plain = Tokenizer(models.BPE({letter: n for n, letter in enumerate("acder")}, []))
        fast = PreTrainedTokenizerFast(tokenizer_object=plain, model_max_length=64)
        fast.save_pretrained(folder)
        found = by_check(folder, ["car", "sill", "red", "dace"])
        assert found["texts without tokens"].verdict == "problem"
        assert found["padding token"].verdict == "warning"
        assert found["unknown tokens"].found == "the tokenizer has no unknown token"
        assert "3 finite vectors" in found["vectors"].found
        assert by_check(folder, None)["texts without tokens"].verdict == "warning"
        assert "vectors" not in by_check(folder, ["sill", "mill"])

    @pytest.mark.parametrize(
        ("factor", "verdict", "vectors"), [(1e5, "warning", "ok"), (np.nan, "problem", "problem")]
    )
    def test_huge_and_broken_activations(
        self, tmp_path: Path, factor: float, verdict: str, vectors: str
    ):
        from safetensors.torch import load_file, save_file

        folder = tiny_models.tiny_opt(tmp_path)
        weights = load_file(folder / "model.safetensors")
        (name,) = (n for n in weights if n.endswith("layers.1.fc2.weight"))
        weights[name] *= factor
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        found = by_check(folder)
        assert found["float16 range"].verdict == verdict
        assert found["vectors"].verdict == vectors
        if np.isnan(factor):
            assert "block 2 is not finite" in found["float16 range"].found
            assert "not finite for" in found["vectors"].found
            assert "batch invariance" not in found

    def test_activations_are_watched_up_to_the_layer_taken(self, opt_folder: Path):
        assert "of block 1" in by_check(opt_folder, layer=1)["float16 range"].found
        assert "float16 range" not in by_check(opt_folder, layer=0)

    def test_a_model_larger_than_memory_is_checked_by_encoding_alone(
        self, opt_folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("accelerate.utils.get_max_memory", lambda: {"cpu": 1000})
        found = by_check(opt_folder)
        for check in ("float16 range", "padding side"):
            assert "not made: it needs the whole model in memory" in found[check].found
        assert found["batch invariance"].verdict == "ok"

    def test_the_prompt_counts(self, opt_folder: Path, tmp_path: Path, bert_folder: Path):
        found = by_check(opt_folder, prompt="a red car {text}", max_tokens=6)
        assert "cuts 87.5% of texts" in found["truncation"].found
        folder = tiny_models.sentence_model(tmp_path / "m", bert_folder, prompt="a red car ")
        own = by_check(folder, max_tokens=7)
        assert (
            own["truncation"].found
            == by_check(folder, max_tokens=7, prompt="a red car {text}")["truncation"].found
        )

    def test_what_cannot_be_loaded_is_an_error(self, tmp_path: Path):
        with pytest.raises(EncoderError, match=r"config\.json and weights"):
            diagnose(str(tmp_path))


class Batchy:
    """An encoder whose vectors depend on their neighbours."""

    def __init__(self, share: float) -> None:
        self.share = share

    def identity(self) -> dict[str, Any]:
        return {"backend": "batchy", "share": self.share}

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        own = np.array([[text.count(letter) for letter in "abcde"] for text in texts], float)
        yield np.arange(len(texts)), own + self.share * own.mean(axis=0)

    def parameters(self) -> dict[str, int]:
        return {"total": 0, "without_embeddings": 0}


class TestOtherEncoders:
    @pytest.mark.parametrize(("share", "verdict"), [(0.0, "ok"), (0.5, "problem")])
    def test_an_object_is_checked_by_its_vectors(self, share: float, verdict: str):
        found = by_check(Batchy(share))
        assert found["batch invariance"].verdict == verdict
        assert found.keys() == {
            "readable texts",
            "duplicate texts",
            "vectors",
            "constant vectors",
            "anisotropy",
            "batch invariance",
        }

    def test_an_object_that_breaks_its_promise(self):
        class Broken(Batchy):
            def encode(
                self, texts: Sequence[str], wanted: np.ndarray | None = None
            ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
                yield np.arange(len(texts)), np.full((len(texts), 2), np.nan)

        found = by_check(Broken(0.0))
        assert found["vectors"].verdict == "problem"
        assert "not finite" in found["vectors"].found

    def test_a_static_encoder(self):
        found = by_check("tfidf-svd")
        assert found["batch invariance"].verdict == "ok"
        assert "truncation" not in found
        with pytest.raises(ValueError, match="does not apply to encoder 'tfidf-svd'"):
            diagnose("tfidf-svd", TITLES, pooling="mean")


def test_drift_is_json_and_says_what_was_compared(opt_folder: Path):
    spec = EncoderSpec(name=str(opt_folder), dtype="float32")
    found = drift(spec, [*TITLES, " "], None, num_texts=6)
    assert found == {
        "quantization": None,
        "against": "float32",
        "num_texts": 6,
        "cosine_mean": pytest.approx(1.0),
        "cosine_worst": pytest.approx(1.0),
        "neighbours": 2,
        "neighbours_kept": 1.0,
    }
    with pytest.raises(ValueError, match="at least one text"):
        drift(spec, [" "], None)


def test_drift_of_int8_is_measured_on_the_same_texts(opt_folder: Path):
    found = drift(str(opt_folder), TITLES, "int8", dtype="float32")
    assert (found["quantization"], found["against"], found["num_texts"]) == ("int8", "float32", 8)
    assert 0.98 < found["cosine_worst"] <= found["cosine_mean"] < 1.0
    json.dumps(found, allow_nan=False)


def test_the_drift_of_a_quantisation_is_kept_in_the_manifest(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from tcf.encode import encode_catalog
    from tests.tiny_models import TITLES, tiny_opt

    folder = tiny_opt(tmp_path / "model")
    diagnose(folder, TITLES, dtype="float32", cache=tmp_path / "cache", progress=False)
    catalog: Any = SimpleNamespace(item_ids=("x", "y"), texts=tuple(TITLES[:2]))
    settings: Any = {"encoder": folder, "dtype": "float32", "cache": tmp_path / "cache"}
    kept = encode_catalog(catalog, quantization="int8", **settings).manifest["drift"]
    assert kept["quantization"] == "int8"
    assert 0.9 < kept["cosine_mean"] <= 1
    assert "drift" not in encode_catalog(catalog, **settings).manifest
