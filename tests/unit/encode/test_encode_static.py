"""TF-IDF + SVD: what it is fitted on is what it is. Hashed n-grams: fitted on nothing."""

import numpy as np
import pytest
from sklearn.utils import murmurhash3_32

import tcf
from tcf.encode import HashedNgrams, TfidfSvd
from tcf.encode.backends import static
from tcf.errors import EncoderError
from tests.tiny_models import TITLES

ODD = ["a", "## #", "?!", "\u200b", "\x00", "🎧", "كتاب", "x" * 100_000, "İ", "日本語の本"]


def vectors(texts: list[str], backend: TfidfSvd | HashedNgrams) -> np.ndarray:
    positions, found = zip(*backend.encode(texts, np.arange(len(texts))), strict=True)
    np.testing.assert_array_equal(np.concatenate(positions), np.arange(len(texts)))
    assert all(part.dtype == np.float32 for part in found)
    return np.concatenate(found)


def test_it_is_latent_semantic_analysis_as_numpy_does_it() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = sorted(TITLES)
    weights = TfidfVectorizer(token_pattern=r"(?u)\w+|[^\w\s]+").fit_transform(texts).toarray()
    left, scale, _ = np.linalg.svd(weights)
    expected = left[:, :3] * scale[:3]
    found = vectors(texts, TfidfSvd(texts, dims=3))
    signs = np.sign((expected * found).sum(0))
    np.testing.assert_allclose(found, expected * signs, atol=1e-5)


def test_order_and_repeats_of_the_texts_change_nothing() -> None:
    one, two = TfidfSvd(TITLES), TfidfSvd([*TITLES[::-1], *TITLES[:3]])
    assert one.identity() == two.identity()
    np.testing.assert_array_equal(vectors(TITLES, one), vectors(TITLES, two))


def test_identity_follows_texts_and_settings() -> None:
    base = TfidfSvd(TITLES).identity()
    assert TfidfSvd(TITLES[1:]).identity() != base
    assert TfidfSvd(TITLES, dims=3).identity() != base
    assert TfidfSvd(TITLES, seed=1).identity() != base


def test_signs_and_single_letters_are_words() -> None:
    found = vectors(["# #", "a", 'b "', "##"], TfidfSvd(["# #", "a", 'b "', "##"]))
    assert (np.abs(found).sum(1) > 0).all()


def test_width_is_at_most_one_below_the_texts() -> None:
    assert tcf.encode_items(TITLES[:4], encoder="tfidf-svd").shape == (4, 3)
    assert TfidfSvd(TITLES).parameters() == {"total": 0, "without_embeddings": 0}


def test_one_text_is_too_few() -> None:
    with pytest.raises(EncoderError, match="at least 2 distinct texts to fit on; got 1"):
        tcf.encode_items(["dress", "dress"], encoder="tfidf-svd")


def test_one_word_is_too_few() -> None:
    with pytest.raises(EncoderError, match="at least 2 distinct words"):
        tcf.encode_items(["dress", "dress dress"], encoder="tfidf-svd")


def test_dims_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="dims must be at least 1; got 0"):
        TfidfSvd(TITLES, dims=0)


def test_settings_of_language_models_do_not_apply() -> None:
    with pytest.raises(ValueError, match=r"layer=2 does not apply to encoder 'tfidf-svd'"):
        tcf.encode_items(TITLES, encoder="tfidf-svd", layer=2)


@pytest.mark.parametrize("backend", [TfidfSvd(TITLES), HashedNgrams()], ids=["tfidf", "hashed"])
def test_only_the_wanted_places_get_a_vector(backend: TfidfSvd | HashedNgrams) -> None:
    ((positions, found),) = backend.encode(TITLES, np.array([4, 1]))
    assert positions.tolist() == [4, 1]
    np.testing.assert_allclose(found, vectors(TITLES, backend)[[4, 1]], rtol=1e-6)


def test_an_n_gram_is_counted_in_the_place_its_hash_names() -> None:
    expected = np.zeros(16)
    for gram in ["red", "dress", "red", "red dress", "dress red"]:
        expected[abs(murmurhash3_32(gram, seed=0)) % 16] += 1
    (found,) = vectors(["Red dress  RED"], HashedNgrams(dims=16))
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), rtol=1e-6)


def test_a_hashed_vector_depends_on_its_own_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    together = vectors(TITLES, HashedNgrams())
    monkeypatch.setattr(static, "CHUNK", 3)
    np.testing.assert_array_equal(together, vectors(TITLES, HashedNgrams()))
    alone = [vectors([title], HashedNgrams())[0] for title in TITLES]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("dims", [1, 2, 512])
@pytest.mark.parametrize(
    "settings", [{}, {"ngrams": (1, 1)}, {"analyzer": "char_wb", "ngrams": (3, 5)}], ids=str
)
def test_every_text_has_a_hashed_vector_of_length_one(settings: dict, dims: int) -> None:
    found = vectors(ODD + TITLES, HashedNgrams(dims=dims, **settings))
    assert found.shape == (len(ODD + TITLES), dims)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_characters_see_a_common_stem_and_words_do_not() -> None:
    pair = ["runner", "running"]
    words = vectors(pair, HashedNgrams())
    characters = vectors(pair, HashedNgrams(analyzer="char_wb", ngrams=(3, 4)))
    assert words[0] @ words[1] == 0
    assert characters[0] @ characters[1] > 0.3


def test_the_identity_of_hashed_n_grams_is_their_settings() -> None:
    made = [
        HashedNgrams(),
        HashedNgrams(dims=64),
        HashedNgrams(ngrams=(1, 3)),
        HashedNgrams(analyzer="char_wb"),
    ]
    assert len({str(backend.identity()) for backend in made}) == 4
    assert HashedNgrams().identity() == HashedNgrams(dims=512, ngrams=(1, 2)).identity()
    assert HashedNgrams().parameters() == {"total": 0, "without_embeddings": 0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dims": 0}, "dims must be at least 1; got 0"),
        ({"analyzer": "chars"}, "analyzer must be 'word' or 'char_wb'; got 'chars'"),
        ({"ngrams": (2, 1)}, r"ngrams must be .* 1 <= shortest <= longest; got \(2, 1\)"),
        ({"ngrams": (0, 1), "analyzer": "char_wb"}, r"ngrams must be .*; got \(0, 1\)"),
        ({"ngrams": (2, 3)}, r"must start at 1, .*one word has none; got ngrams=\(2, 3\)"),
    ],
)
def test_settings_of_hashed_n_grams_that_mean_nothing(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HashedNgrams(**settings)


def test_hashed_n_grams_are_an_encoder() -> None:
    texts = [TITLES[0], TITLES[1], TITLES[0]]
    found = tcf.encode_items(texts, encoder=HashedNgrams(dims=32))
    np.testing.assert_array_equal(found, vectors(texts, HashedNgrams(dims=32)))
