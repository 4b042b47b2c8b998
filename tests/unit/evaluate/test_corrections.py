"""Corrected p-values: the textbooks' examples, and the definitions."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from tcf.evaluate.corrections import benjamini_hochberg, holm


def test_holm_multiplies_by_how_many_are_left_and_never_falls():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_benjamini_hochberg_divides_by_the_place():
    p = np.array([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.02, 0.04, 0.04, 0.02])


def test_benjamini_hochberg_is_scipys():
    for seed in range(20):
        p = np.random.default_rng(seed).random(17) ** 3
        np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p))


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_one_p_stays_and_none_passes_1(correct):
    assert correct([0.2]) == [0.2]
    assert correct([0.9, 0.8]).max() <= 1
    assert len(correct([])) == 0


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_their_order_does_not_matter(correct):
    p = np.random.default_rng(0).random(30)
    order = np.random.default_rng(1).permutation(30)
    np.testing.assert_allclose(correct(p)[order], correct(p[order]))


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
@pytest.mark.parametrize("p", [[0.1, np.nan], [1.5], [-0.1], [[0.1]]])
def test_what_is_no_p_is_refused(correct, p):
    with pytest.raises(ValueError, match=r"p-values must be one-dimensional and lie in \[0, 1\]"):
        correct(p)
