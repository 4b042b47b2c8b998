"""TF-IDF and truncated SVD: the zero-parameter end of every ladder."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tcf.errors import EncoderError

__all__ = ["TfidfSvd"]

_TOKEN = r"(?u)\w+|[^\w\s]+"  # words of any length, and runs of signs: every text has a token


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
        if dims < 1:
            raise ValueError(f"dims must be at least 1; got {dims}")
        self._texts = sorted(set(texts))
        self._dims, self._seed = dims, seed

    def identity(self) -> dict[str, Any]:
        """Hash of the texts fitted on, and the settings of the fit."""
        digest = hashlib.sha256()
        for text in self._texts:
            digest.update(hashlib.sha256(text.encode("utf-8")).digest())
        settings = {"dims": self._dims, "seed": self._seed, "token": _TOKEN}
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
        vectorizer = TfidfVectorizer(token_pattern=_TOKEN)
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
