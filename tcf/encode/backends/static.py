"""Vectors of words counted, not read: TF-IDF + SVD, and hashed n-grams. No trained parameters."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np

from tcf.errors import EncoderError

__all__ = ["CHUNK", "TOKEN", "HashedNgrams", "TfidfSvd"]

TOKEN = r"(?u)\w+|[^\w\s]+"
"""Words of any length, and runs of signs: every text that is not blank has a token."""

CHUNK = 8192
"""Texts a yield: what is finished survives a crash, and memory does not grow with the texts."""


class TfidfSvd:
    """Latent semantic analysis fitted on given texts, which are its weights' identity.

    It reads whole texts; ``max_tokens`` does not apply. Fitting depends on the set of distinct
    texts alone, not on their order or number.

    Args:
        texts: What to fit on, normally the catalogue's own.
        dims: Width of the vectors; at most one below the number of distinct texts or of words.
        seed: Of the randomised SVD.

    Raises:
        ValueError: If ``dims`` is below 1.

    Source: Deerwester et al. (1990), as ``TfidfVectorizer`` + ``TruncatedSVD`` in scikit-learn.
    """

    def __init__(self, texts: Sequence[str], *, dims: int = 64, seed: int = 0) -> None:
        _check_dims(dims)
        self._texts = sorted(set(texts))
        self._dims, self._seed = dims, seed

    def identity(self) -> dict[str, Any]:
        """Hash of the texts fitted on, and the settings of the fit."""
        digest = hashlib.sha256()
        for text in self._texts:
            digest.update(hashlib.sha256(text.encode("utf-8")).digest())
        settings = {"dims": self._dims, "seed": self._seed, "token": TOKEN}
        return {"backend": "tfidf-svd", "weights": {"texts": digest.hexdigest()}, **settings}

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield one ``(positions, vectors)`` pair.

        Raises:
            EncoderError: If there were too few texts or words to fit on.
        """
        vectorizer, svd = self._fitted
        counts = vectorizer.transform([texts[p] for p in wanted])
        yield wanted, svd.transform(counts).astype(np.float32)

    def parameters(self) -> dict[str, int]:
        """Nothing here was pre-trained: 0."""
        return {"total": 0, "without_embeddings": 0}

    @cached_property
    def _fitted(self) -> tuple[Any, Any]:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        if len(self._texts) < 2:
            raise EncoderError(
                f"tfidf-svd needs at least 2 distinct texts to fit on; got {len(self._texts)}"
            )
        vectorizer = TfidfVectorizer(token_pattern=TOKEN)
        counts = vectorizer.fit_transform(self._texts)
        dims = min(self._dims, counts.shape[0] - 1, counts.shape[1] - 1)
        if dims < 1:
            raise EncoderError("tfidf-svd needs at least 2 distinct words to fit on; got 1")
        # 7 iterations: the gap to the exact decomposition is far below float32's precision.
        svd = TruncatedSVD(dims, n_iter=7, random_state=self._seed).fit(counts)
        components = np.asarray(svd.components_)
        # A component and its negative fit equally well: make each one's largest weight positive.
        signs = np.sign(components[np.arange(dims), np.abs(components).argmax(axis=1)])
        svd.components_ = components * signs[:, None]
        return vectorizer, svd


class HashedNgrams:
    """Counts of a text's n-grams, each put in a place that its hash names; vectors of length 1.

    Nothing is fitted: a vector depends on its own text alone, unlike TF-IDF's. Counts are added
    without the random signs that would make inner products unbiased, because with signs the n-grams
    of a short text can cancel out; here every text has a vector that is not zero. Whole texts are
    read, in lower case.

    Args:
        dims: Width of the vectors. More means fewer n-grams that share a place.
        ngrams: Shortest and longest n-gram, in units of ``analyzer``.
        analyzer: ``"word"`` words and runs of signs; ``"char_wb"`` characters within words, with a
            space at each end, which sees that two words have a stem in common (try ``(3, 5)``).

    Raises:
        ValueError: If ``dims`` is below 1, ``ngrams`` is no range, or n-grams of words do not start
            at 1, so that a text of one word would have none.

    Source: Weinberger et al., Feature Hashing for Large Scale Multitask Learning (2009), as
    ``HashingVectorizer`` in scikit-learn.
    """

    def __init__(
        self,
        *,
        dims: int = 512,
        ngrams: tuple[int, int] = (1, 2),
        analyzer: Literal["word", "char_wb"] = "word",
    ) -> None:
        _check_dims(dims)
        if analyzer not in ("word", "char_wb"):
            raise ValueError(f"analyzer must be 'word' or 'char_wb'; got {analyzer!r}")
        shortest, longest = ngrams
        if not 1 <= shortest <= longest:
            raise ValueError(
                f"ngrams must be (shortest, longest) with 1 <= shortest <= longest; got {ngrams}"
            )
        if analyzer == "word" and shortest != 1:
            raise ValueError(
                "n-grams of words must start at 1, or a text of one word has none; "
                f"got ngrams={ngrams}"
            )
        self._dims, self._ngrams, self._analyzer = dims, (shortest, longest), analyzer

    def identity(self) -> dict[str, Any]:
        """Return the settings: there is nothing else."""
        return {
            "backend": "hashed-ngrams",
            "dims": self._dims,
            "ngrams": list(self._ngrams),
            "analyzer": self._analyzer,
            "token": TOKEN if self._analyzer == "word" else None,
        }

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ``(positions, vectors)`` of the ``wanted`` places in ``texts``, in chunks."""
        from sklearn.feature_extraction.text import HashingVectorizer

        vectorizer: Any = HashingVectorizer(
            n_features=self._dims,
            ngram_range=self._ngrams,
            analyzer=self._analyzer,
            token_pattern=TOKEN,
            alternate_sign=False,
            norm="l2",
        )
        for start in range(0, len(wanted), CHUNK):
            positions = wanted[start : start + CHUNK]
            counts = vectorizer.transform([texts[p] for p in positions])
            yield positions, counts.toarray().astype(np.float32)

    def parameters(self) -> dict[str, int]:
        """Nothing here was trained: 0."""
        return {"total": 0, "without_embeddings": 0}


def _check_dims(dims: int) -> None:
    if dims < 1:
        raise ValueError(f"dims must be at least 1; got {dims}")
