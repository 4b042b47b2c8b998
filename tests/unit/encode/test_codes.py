"""Residual codes, on vectors that are sums of known centres."""

import numpy as np
import pytest

from tcf.encode.codes import num_sharing, residual_codes

COARSE = 100.0 * np.eye(4, 6)
FINE = 10.0 * np.eye(3, 6, 3)
CHOSEN = np.stack([n.ravel() for n in np.indices((4, 3))], 1).repeat(5, axis=0)
VECTORS = (COARSE[CHOSEN[:, 0]] + FINE[CHOSEN[:, 1]]).astype(np.float32)
EVERY = np.arange(len(VECTORS))


def codes(vectors: np.ndarray = VECTORS, **settings) -> np.ndarray:
    settings = {"num_levels": 2, "num_codes": 4, "fit_on": EVERY, "seed": 0} | settings
    return residual_codes(vectors, **settings)


def reconstruction_error(vectors: np.ndarray, found: np.ndarray) -> float:
    """What is left when every level's centre is the mean of what it was chosen for."""
    left = vectors.astype(np.float64)
    for level in found.T:
        for code in np.unique(level):
            left[level == code] -= left[level == code].mean(0)
    return float(np.square(left).sum(1).mean())


def test_each_code_is_that_of_the_nearest_centre_of_what_is_left():
    found, left = codes(num_levels=3), VECTORS.astype(np.float64)
    assert found.shape == (60, 3) and found.dtype == np.int64
    for level in found.T:
        centres = np.stack([left[level == code].mean(0) for code in range(4)])
        distances = np.square(left[:, None] - centres).sum(2)
        np.testing.assert_array_equal(distances.argmin(1), level)
        left = left - centres[level]


def test_more_levels_leave_less():
    vectors = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    settings = {"num_codes": 8, "fit_on": np.arange(300)}
    left = [
        reconstruction_error(vectors, codes(vectors, num_levels=n, **settings)) for n in (1, 2, 4)
    ]
    assert left[0] > 1.2 * left[1] > 1.5 * left[2]


def test_items_that_are_not_fitted_on_change_no_other_code():
    some = np.arange(0, 60, 2)
    moved = VECTORS.copy()
    moved[1::2] += 1000
    np.testing.assert_array_equal(codes(fit_on=some)[::2], codes(moved, fit_on=some)[::2])
    assert (codes(moved, fit_on=some) < 4).all()


def test_a_seed_decides_and_the_vectors_stay():
    vectors = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    before = vectors.copy()
    settings = {"num_codes": 8, "fit_on": np.arange(300)}
    one, two, other = (codes(vectors, seed=seed, **settings) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(before, vectors)


def test_levels_below_one_that_tells_all_have_little_to_tell():
    found = codes(num_levels=3, num_codes=12)
    assert len(np.unique(found[:, 0])) == 12
    assert len(np.unique(found, axis=0)) == 12  # those of one vector stay together
    plain = codes(np.float32([[0], [0], [8], [8]]), num_codes=2, fit_on=np.arange(4))
    np.testing.assert_array_equal(plain[:, 0], plain[[1, 0, 3, 2], 0])
    assert plain[0, 0] != plain[2, 0] and not plain[:, 1].any()


def test_items_that_share_all_codes_are_counted():
    assert num_sharing(codes()) == 60
    assert num_sharing(np.array([[0, 1], [0, 1], [0, 2], [1, 1], [0, 1]])) == 3
    assert num_sharing(np.array([[0, 1], [1, 0]])) == 0


def test_what_codes_need():
    with pytest.raises(ValueError, match="residual codes need num_levels of at least 1; got 0"):
        codes(num_levels=0)
    with pytest.raises(ValueError, match="residual codes need num_codes of at least 1; got 0"):
        codes(num_codes=0)
    with pytest.raises(
        ValueError, match="vectors to fit on, 12 of 60 training items; got 13: take fewer"
    ):
        codes(num_codes=13)
