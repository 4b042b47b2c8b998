"""Texts that are almost the same, among millions: MinHash, banding, and a check of each pair.

A text is its set of shingles: every three characters in a row, case and spacing apart. The share
of shingles that two texts have in common, of all that either has, is their Jaccard similarity
(Broder, 1997). Of each text a few minima of random permutations of shingles are taken, which agree
between two texts with just that probability; bands of them are compared, and what agrees in a band
is compared exactly (Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, chapter 3).
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from tcf.data.hashing import code_points, distinct, hash_sequences, in_chunks, mix
from tcf.data.spans import span_places

__all__ = ["NearDuplicates", "candidates", "jaccard", "near_duplicates", "signatures"]

NUM_BANDS, BAND_ROWS = 16, 5
_SIZE = 3  # characters of a shingle; the code points of three fill 63 bits
_CELLS = 1 << 16  # shingles hashed at a time: what stays in cache
_WINDOW = 32  # texts of one band that each is compared with
_PAIRS = 1 << 15  # compared exactly at a time
_PENDING = 1 << 17  # pairs that wait for it: of what is of one group already, none has to


@dataclass(frozen=True)
class NearDuplicates:
    """What was found among ``n`` texts.

    Attributes:
        group: ``(n,)`` int64, the position of the first text of each text's group: its own where
            it is like no earlier one. Groups are closed: if a is like b, and b like c, all three
            are of one.
        links: ``(m, 2)`` int64 pairs of positions that reach the threshold; together with equal
            texts they make the groups. Other pairs of a group may reach it too.
        similarity: ``(m,)`` float, the Jaccard similarity of each link.
    """

    group: np.ndarray
    links: np.ndarray
    similarity: np.ndarray

    @property
    def num_surplus(self) -> int:
        """Texts that would be gone if one of each group stayed."""
        return len(self.group) - len(distinct(self.group))

    @property
    def num_groups(self) -> int:
        """Groups of two texts and more."""
        return int((np.bincount(self.group) > 1).sum())


def near_duplicates(
    texts: Sequence[str],
    *,
    seed: int,
    threshold: float = 0.8,
    advance: Callable[[int], None] | None = None,
) -> NearDuplicates:
    """Return which texts are equal but for case and spacing, or share most of their characters.

    A pair of similarity s is looked at with probability ``1 - (1 - s**5)**16``: 0.998 at 0.8, 0.9
    at 0.67. What is found reaches the threshold: no pair is taken on trust. Where more than 33
    texts agree in a band, each is compared with the 32 next ones only, which is enough to find that
    they are of one group where neighbours are alike. Blank texts are like none.

    A million titles take some 15 seconds on one core, and 0.5 GB beside the texts.

    Args:
        texts: Any; read twice, in order and then by position.
        seed: Of the permutations.
        threshold: Least Jaccard similarity of near duplicates, above 0 and up to 1.
        advance: Hears how many texts were read, as they are.

    Raises:
        ValueError: If ``threshold`` is out of range.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1; got {threshold}")
    keys, content = signatures(texts, seed=seed, advance=advance)
    _, first, same = np.unique(content, return_index=True, return_inverse=True)
    first = np.where(content[first] == 0, -1, first)[same]  # of the blank ones: none
    own = np.arange(len(texts))
    group = np.where(first < 0, own, first)
    distinct = np.flatnonzero(first == own)
    links, similarity = [np.empty((0, 2), np.int64)], [np.empty(0)]
    for pairs in _gathered(candidates(keys[distinct]), num_texts=len(distinct)):
        pairs = distinct[pairs]
        pairs = pairs[group[pairs[:, 0]] != group[pairs[:, 1]]]
        if not len(pairs):
            continue
        found = jaccard(texts, pairs)
        links.append(pairs[found >= threshold])
        similarity.append(found[found >= threshold])
        group = _merged(group, links[-1])
    return NearDuplicates(group, np.concatenate(links), np.concatenate(similarity))


def signatures(
    texts: Sequence[str], *, seed: int, advance: Callable[[int], None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what stands for each text.

    Returns:
        ``(n, 16)`` uint32, a number for each band: equal where its five minima are. And ``(n,)``
        uint64, equal where texts are, case and spacing apart; 0 for blank ones.
    """
    rng = np.random.default_rng(seed)
    shape = (2, NUM_BANDS * BAND_ROWS)
    factors, terms = rng.integers(0, 1 << 32, shape, dtype=np.uint64).astype(np.uint32)
    keys = np.empty((len(texts), NUM_BANDS), np.uint32)
    content = np.empty(len(texts), np.uint64)
    start = 0
    for chunk in in_chunks(texts):
        shingles, offsets, content[start : start + len(chunk)] = _shingles(chunk)
        hashes = (mix(shingles) >> np.uint64(32)).astype(np.uint32)
        minima = _minima(hashes, offsets, factors | np.uint32(1), terms)
        keys[start : start + len(chunk)] = _band_keys(minima)
        start += len(chunk)
        if advance is not None:
            advance(len(chunk))
    return keys, content


def candidates(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Yield ``(m, 2)`` int64 pairs of texts that agree in a band, the first one before the second.

    A pair comes once for each band it agrees in; see `near_duplicates` for bands of many texts.

    Args:
        keys: ``(n, bands)`` from `signatures`, of texts that are not blank.
    """
    for band in keys.T:
        order = np.argsort(band, kind="stable")
        key = band[order]
        at = np.arange(len(key))
        for step in range(1, _WINDOW + 1):
            at = at[at + step < len(key)]
            at = at[key[at] == key[at + step]]
            if not len(at):
                break
            yield np.stack([order[at], order[at + step]], axis=1)


def jaccard(texts: Sequence[str], pairs: np.ndarray) -> np.ndarray:
    """Return the ``(m,)`` exact similarity of the shingles of ``(m, 2)`` pairs of texts."""
    result = np.empty(len(pairs))
    for start in range(0, len(pairs), _PAIRS):
        rows, local = np.unique(pairs[start : start + _PAIRS], return_inverse=True)
        shingles, offsets, _ = _shingles([str(texts[row]) for row in rows])
        columns, column = np.unique(shingles, return_inverse=True)
        ones = np.ones(len(column), np.int32)
        sets = csr_array((ones, column, offsets), shape=(len(rows), len(columns)))
        sets.sum_duplicates()
        sets.data[:] = 1
        one, other = local.reshape(-1, 2).T
        common = sets[one].multiply(sets[other]).sum(axis=1)
        sizes = np.diff(sets.indptr)
        result[start : start + _PAIRS] = common / (sizes[one] + sizes[other] - common)
    return result


def _shingles(texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all texts' shingles (uint64, repeated ones too), offsets, and each text's content."""
    plain = [" ".join(text.casefold().split()) for text in texts]
    values, offsets = code_points(plain)
    content = hash_sequences(values, offsets)
    flat, offsets = code_points([f" {text} " if text else "" for text in plain])
    wide = flat.astype(np.uint64)
    packed = wide[:-2] << np.uint64(42) | wide[1:-1] << np.uint64(21) | wide[2:]
    lengths = np.maximum(np.diff(offsets) - _SIZE + 1, 0)
    ends = np.cumsum(lengths)
    places = span_places(offsets[:-1], offsets[:-1] + lengths)
    return packed[places], np.concatenate(([0], ends)), content


def _minima(
    hashes: np.ndarray, offsets: np.ndarray, factors: np.ndarray, terms: np.ndarray
) -> np.ndarray:
    """Return ``(n, permutations)`` uint32: the least of each text's hashes under each of them.

    A permutation is ``x -> factor * x + term`` modulo 2**32, of hashes that are random already.
    Texts of like length are put side by side, so that minima run along rows; a shorter one repeats
    its last hash, which changes no minimum.
    """
    lengths = np.diff(offsets)
    minima = np.full((len(lengths), len(factors)), np.iinfo(np.uint32).max, np.uint32)
    order = np.argsort(-lengths, kind="stable")
    order = order[: np.count_nonzero(lengths)]
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        block = order[start : start + max(1, _CELLS // longest)]
        place = np.minimum(np.arange(longest)[:, None], lengths[block] - 1)
        cells = hashes[offsets[block] + place]  # (longest, block)
        moved = np.empty_like(cells)
        least = np.empty((len(factors), len(block)), np.uint32)
        for n, (factor, term) in enumerate(zip(factors, terms, strict=True)):
            np.multiply(cells, factor, out=moved)
            moved += term
            moved.min(axis=0, out=least[n])
        minima[block] = least.T
        start += len(block)
    return minima


def _band_keys(minima: np.ndarray) -> np.ndarray:
    """Return ``(n, bands)`` uint32 that are equal where all minima of a band are.

    Two that differ are equal once in four thousand million: the exact comparison sorts them out.
    """
    bands = minima.reshape(len(minima), NUM_BANDS, BAND_ROWS)
    key = np.zeros(bands.shape[:2], np.uint64)
    for row in range(BAND_ROWS):
        key = mix(key + bands[:, :, row])
    return (key >> np.uint64(32)).astype(np.uint32)


def _gathered(parts: Iterator[np.ndarray], *, num_texts: int) -> Iterator[np.ndarray]:
    """Yield different pairs, sorted, a bounded number at a time."""
    waiting: list[np.ndarray] = []
    for part in itertools.chain(parts, [np.empty((0, 2), np.int64)]):
        waiting.append(part[:, 0] * num_texts + part[:, 1])
        if not len(part) or sum(map(len, waiting)) >= _PENDING:
            yield np.stack(np.divmod(distinct(np.concatenate(waiting)), num_texts), axis=1)
            waiting = []


def _merged(group: np.ndarray, links: np.ndarray) -> np.ndarray:
    """Return the groups when linked texts are of one; a group is named by its first text."""
    ones = np.ones(len(links) + len(group), np.int8)
    rows = np.concatenate([links[:, 0], np.arange(len(group))])
    columns = np.concatenate([links[:, 1], group])
    graph = csr_array((ones, (rows, columns)), shape=(len(group), len(group)))
    _, label = connected_components(graph, directed=False)
    _, first = np.unique(label, return_index=True)
    return first[label]
