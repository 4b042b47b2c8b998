"""TF-IDF + SVD: what it is fitted on is what it is."""

import numpy as np
import pytest

import tcf
from tcf.encode import TfidfSvd
from tcf.errors import EncoderError
from tests.tiny_models import TITLES


def vectors(texts: list[str], backend: TfidfSvd) -> np.ndarray:
    return next(iter(backend.encode(texts)))[1]


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
