"""The law of banding: a pair is looked at as often as its similarity promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcf.data.minhash import BAND_ROWS, NUM_BANDS, candidates, jaccard, near_duplicates, signatures

LETTERS = np.array([chr(97 + n) for n in range(26)])


def pairs_of(similarity: float, *, count: int, rng: np.random.Generator) -> list[str]:
    """Texts in pairs that share their beginning: about this part of all their shingles."""
    length = 60
    same = round(2 * similarity * length / (1 + similarity))
    texts = []
    for _ in range(count):
        text = rng.choice(LETTERS, length)
        other = np.concatenate((text[:same], rng.choice(LETTERS, length - same)))
        texts += ["".join(text), "".join(other)]
    return texts


@pytest.mark.parametrize("similarity", [0.4, 0.6, 0.7, 0.85])
def test_a_pair_agrees_in_a_band_as_often_as_promised(similarity: float):
    rng = np.random.default_rng(7)
    found, promised = [], []
    for seed in range(5):
        texts = pairs_of(similarity, count=400, rng=rng)
        keys, _ = signatures(texts, seed=seed)
        pairs = np.arange(len(texts)).reshape(-1, 2)
        seen = {tuple(pair) for part in candidates(keys) for pair in part.tolist()}
        found += [tuple(pair) in seen for pair in pairs.tolist()]
        promised += [*(1 - (1 - jaccard(texts, pairs) ** BAND_ROWS) ** NUM_BANDS)]
    wanted = np.array(promised)
    error = np.sqrt((wanted * (1 - wanted)).sum()) / len(wanted)
    assert abs(np.mean(found) - wanted.mean()) < 4 * error


TEXTS = st.lists(st.text("abc d", max_size=12), min_size=1, max_size=12)


def triples(text: str) -> set[str]:
    plain = f" {' '.join(text.split())} "
    return {plain[n : n + 3] for n in range(len(plain) - 2)} if text.strip() else set()


@settings(derandomize=True, deadline=None, max_examples=150)
@given(TEXTS, st.integers(0, 3))
def test_what_is_found_is_similar_and_equal_texts_are_always_found(texts: list[str], seed: int):
    found = near_duplicates(texts, seed=seed, threshold=0.6)
    for (a, b), similarity in zip(found.links, found.similarity, strict=True):
        one, other = triples(texts[a]), triples(texts[b])
        assert similarity == pytest.approx(len(one & other) / len(one | other))
        assert similarity >= 0.6 and found.group[a] == found.group[b]
    for a, text in enumerate(texts):
        assert found.group[a] <= a and found.group[found.group[a]] == found.group[a]
        for b in range(a):
            if text.split() == texts[b].split():
                assert (found.group[a] == found.group[b]) == bool(text.strip())
