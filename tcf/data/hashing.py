"""Numbers that stand for texts and sequences, many at a time, and the different ones among them.

64 bits: among a million different things two share a number once in 37 million tries.
"""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

__all__ = ["code_points", "distinct", "hash_sequences", "in_chunks", "mix"]

_CHUNK = 1 << 14  # texts


def in_chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield the texts in lists of up to 16,384: what is made of a list stays small."""
    left = iter(texts)
    while chunk := list(itertools.islice(left, _CHUNK)):
        yield chunk


def code_points(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the uint32 code points of all texts, one after the other, and ``(n + 1,)`` offsets."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    flat = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
    return flat, np.concatenate(([0], np.cumsum(lengths)))


def distinct(numbers: np.ndarray) -> np.ndarray:
    """Return the different ones, rising: `np.unique` by sorting.

    NumPy 2.4's goes through a hash table where nothing but the values is asked for: 400 times the
    time for 350,000 keys of user and item.
    """
    ordered = np.sort(numbers, axis=None)
    new = np.ones(len(ordered), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]


def mix(numbers: np.ndarray) -> np.ndarray:
    """Return uint64 in which every bit depends on every bit of the number: one to one.

    Source: Steele, Lea & Flood, OOPSLA 2014 (the finaliser of SplitMix64).
    """
    x = numbers.astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def hash_sequences(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return a uint64 for each sequence: the same for equal ones, of empty ones 0.

    Args:
        values: ``(m,)`` int, below 2**32, sequence after sequence.
        offsets: ``(n + 1,)`` int64; sequence ``i`` owns ``values[offsets[i]:offsets[i + 1]]``.
    """
    lengths = np.diff(offsets)
    place = np.arange(len(values)) - np.repeat(offsets[:-1], lengths)
    terms = mix(mix(place.astype(np.uint64) + np.uint64(1)) + values.astype(np.uint64))
    result = np.zeros(len(lengths), np.uint64)
    some = np.flatnonzero(lengths)
    if len(some):
        result[some] = np.add.reduceat(terms, offsets[:-1][some])
    return result
