"""Intervals and tests of arms: what exchanging, shifting and reordering may and may not change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcf.evaluate.components import Components
from tcf.evaluate.corrections import benjamini_hochberg, holm
from tcf.evaluate.paired import (
    difference_interval,
    mcnemar,
    no_worse,
    paired_permutation,
    seed_test,
)
from tcf.evaluate.stats import hierarchical_bootstrap, mean_interval

LAW = settings(derandomize=True, max_examples=40, deadline=None)
SEEDS, USERS = st.integers(3, 6), st.integers(2, 40)
GAINS = np.concatenate((1 / np.log2(np.arange(2, 12)), np.zeros(20)))


@st.composite
def arms(draw, *, least: int = 3):
    """Two arms of NDCG@10 on the same users, at least so many seeds each."""
    rng, num_users = np.random.default_rng(draw(st.integers(0, 10_000))), draw(USERS)
    seeds = [draw(st.integers(least, 6)) for _ in range(2)]
    return tuple(rng.choice(GAINS, (num, num_users)) for num in seeds)


@LAW
@given(arms())
def test_exchanged_arms_change_the_sign_and_nothing_else(pair):
    a, b = pair
    one = difference_interval(a, b, seed=0, about="seeds")
    other = difference_interval(b, a, seed=0, about="seeds")
    assert (one.mean, one.low, one.high) == pytest.approx((-other.mean, -other.high, -other.low))
    assert seed_test(a, b).p == pytest.approx(seed_test(b, a).p, rel=1e-6)
    assert (
        paired_permutation(a, b, seed=0, num_permutations=99).p
        == paired_permutation(b, a, seed=0, num_permutations=99).p
    )


@LAW
@given(arms(), st.floats(-0.5, 0.5), st.sampled_from(["users", "seeds"]))
def test_a_shift_of_both_arms_changes_nothing_and_of_one_shifts_the_interval(pair, shift, about):
    a, b = pair
    base = difference_interval(a, b, seed=0, about=about)
    both = difference_interval(a + shift, b + shift, seed=0, about=about)
    one = difference_interval(a + shift, b, seed=0, about=about)
    ends = np.array([base.mean, base.low, base.high])
    assert [both.mean, both.low, both.high] == pytest.approx(ends, abs=1e-9)
    if about == "seeds":  # a bootstrap draws other users where rounding splits equal differences
        assert [one.mean, one.low, one.high] == pytest.approx(ends + shift, abs=1e-9)


@LAW
@given(arms(), st.randoms(use_true_random=False))
def test_the_order_of_users_and_of_seeds_does_not_matter(pair, random):
    def shuffled(count):
        return random.sample(range(count), count)

    users = shuffled(pair[0].shape[1])
    moved = [x[shuffled(len(x))][:, users] for x in pair]
    for about in ("users", "seeds"):
        one, other = (difference_interval(*x, seed=0, about=about) for x in (pair, moved))
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-12)
    one, other = (mean_interval(x[0], seed=0) for x in (pair, moved))
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-12)
    p = [paired_permutation(*x, seed=0, num_permutations=99).p for x in (pair, moved)]
    assert p[0] == p[1]


@LAW
@given(arms(), st.floats(0.01, 0.99))
def test_an_interval_leaves_0_out_just_where_its_test_is_below_its_level(pair, level):
    found = difference_interval(*pair, seed=0, about="seeds", level=level)
    assert (not found.low <= 0 <= found.high) == (seed_test(*pair).p < 1 - level)


@LAW
@given(arms(), st.floats(0.001, 0.5))
def test_no_worse_agrees_with_the_interval_of_twice_its_level(pair, margin):
    """Schuirmann's: one-sided at 5% is the lower end of the 90% interval above -margin."""
    found = difference_interval(*pair, seed=0, about="seeds", level=0.9)
    assert (found.low > -margin) == (no_worse(*pair, margin=margin).p < 0.05)


@LAW
@given(st.floats(0, 1), SEEDS, SEEDS, USERS)
def test_arms_that_are_all_the_same_number_cannot_be_told_apart(value, first, second, num_users):
    """The mean of three equal numbers need not be that of five in floating point."""
    a, b = np.full((first, num_users), value), np.full((second, num_users), value)
    for about in ("users", "seeds"):
        found = difference_interval(a, b, seed=0, about=about)
        assert found.low <= 0 <= found.high
        assert found.high - found.low < 1e-12
    assert seed_test(a, b).p == 1
    assert paired_permutation(a, b, seed=0, num_permutations=99).p == 1
    found = mean_interval(a, seed=0)
    assert (found.mean, found.low, found.high) == pytest.approx((value,) * 3, abs=1e-12)


@LAW
@given(st.floats(1e-9, 1), st.floats(0, 1), st.floats(2, 20), st.floats(-80, -1e-3))
def test_p_is_exact_however_small(users, seeds, degrees, log_p):
    found = Components(users, seeds, degrees)
    p = np.exp(log_p)
    assert found.p_value(found._reach(p)) == pytest.approx(p, rel=1e-6)


@LAW
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_the_permutation_test_of_hits_when_all_signs_are_counted(pairs):
    a, b = np.array(pairs, dtype=float).T
    exact = mcnemar(a, b).p
    drawn = paired_permutation(a, b, seed=0, num_permutations=4000).p
    assert drawn == pytest.approx(exact, abs=5 * np.sqrt(exact * (1 - exact) / 4000) + 1e-3)


@LAW
@given(arms())
def test_the_hierarchical_bootstrap_is_about_the_same_mean_and_stays_among_the_values(pair):
    found, right = (f(pair[0], seed=0) for f in (hierarchical_bootstrap, mean_interval))
    assert (found.mean, found.about) == (right.mean, right.about)
    assert pair[0].min() - 1e-12 <= found.low <= found.high <= pair[0].max() + 1e-12


@LAW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_corrections_keep_the_order_and_lower_nothing(p):
    order = np.argsort(p, kind="stable")
    for correct in (holm, benjamini_hochberg):
        adjusted = correct(p)
        assert (adjusted >= np.array(p) * (1 - 1e-12)).all()
        assert (adjusted <= 1).all()
        assert (np.diff(adjusted[order]) >= 0).all()
    assert (holm(p) >= benjamini_hochberg(p) * (1 - 1e-12)).all()
