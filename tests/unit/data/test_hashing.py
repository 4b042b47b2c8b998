"""Numbers that stand for things are equal just where the things are."""

import numpy as np
import pytest

from tcf.data.hashing import code_points, distinct, hash_sequences, in_chunks, mix


@pytest.mark.parametrize("values", [[], [3], [3, 1, 3, 2, 1], [[2, 2], [1, 2]]])
def test_distinct_is_numpys_unique(values: list):
    array = np.array(values, np.int64)
    assert distinct(array).tolist() == np.unique(array).tolist()


def test_equal_sequences_have_one_number_and_others_their_own():
    sequences = [[1, 2, 3], [3, 2, 1], [1, 2, 3], [], [1, 2], [0], [0, 0], [], [4]]
    flat = np.array([value for one in sequences for value in one], np.int64)
    found = hash_sequences(flat, np.cumsum([0, *map(len, sequences)]))
    assert found[0] == found[2] and found[3] == found[7] == 0
    assert len(set(found.tolist())) == len({tuple(one) for one in sequences})


def test_code_points_of_every_plane_and_of_half_characters():
    flat, offsets = code_points(["aß", "", "猫🎸", "\ud800"])
    assert flat.tolist() == [ord(sign) for sign in "aß猫🎸\ud800"]
    assert offsets.tolist() == [0, 2, 2, 4, 5]


def test_mixing_keeps_numbers_apart():
    assert len(set(mix(np.arange(10_000)).tolist())) == 10_000


def test_chunks_hold_every_text_in_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tcf.data.hashing._CHUNK", 3)
    assert list(in_chunks("abcdefg")) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
