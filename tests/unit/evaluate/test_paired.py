"""Paired tests and intervals: known answers, SciPy as a witness, and what is refused."""

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from tcf.evaluate.components import Components, components, difference_components, user_components
from tcf.evaluate.paired import (
    difference_interval,
    mcnemar,
    no_worse,
    paired_permutation,
    ratio_interval,
    seed_test,
)
from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS

GAINS = np.concatenate((1 / np.log2(np.arange(2, 12)), [0.0]))


def gains(num_seeds: int, num_users: int, *, seed: int, misses: float = 0.9) -> np.ndarray:
    """NDCG@10 of users who mostly miss."""
    rng = np.random.default_rng(seed)
    shape = (num_seeds, num_users)
    return GAINS[np.where(rng.random(shape) < misses, 10, rng.integers(0, 10, shape))]


class TestComponents:
    def test_they_are_those_of_the_analysis_of_variance(self):
        values = np.random.default_rng(0).random((4, 30))
        found = components(values)
        mean_squares = {
            "users": 4 * values.mean(0).var(ddof=1),
            "seeds": 30 * values.mean(1).var(ddof=1),
        }
        rest = values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()
        mean_squares["rest"] = (rest**2).sum() / (3 * 29)
        total = mean_squares["users"] + mean_squares["seeds"] - mean_squares["rest"]
        expected = max(mean_squares["seeds"] - mean_squares["rest"], 0) / 120
        assert found.users == pytest.approx(mean_squares["users"] / 120)
        assert found.seeds == pytest.approx(expected)
        if expected:
            assert found.users + found.seeds == pytest.approx(total / 120)
        assert found.degrees == 3

    def test_seeds_alone_give_students_interval(self):
        means = np.array([0.061, 0.066, 0.064, 0.069])
        values = np.repeat(means[:, None], 50, axis=1)
        half = components(values).half_width(0.95)
        low, high = scipy_stats.t.interval(0.95, 3, means.mean(), scipy_stats.sem(means))
        assert half == pytest.approx((high - low) / 2)

    def test_users_alone_give_the_normal_interval(self):
        values = np.random.default_rng(0).random(200)
        half = user_components(values).half_width(0.95)
        assert half == pytest.approx(scipy_stats.norm.ppf(0.975) * scipy_stats.sem(values))

    def test_seeds_of_two_arms_give_welchs_interval(self):
        a, b = np.array([0.5, 0.6, 0.55]), np.array([0.3, 0.1, 0.2, 0.4])
        found = difference_components(*(np.repeat(x[:, None], 20, axis=1) for x in (a, b)))
        welch = scipy_stats.ttest_ind(a, b, equal_var=False)
        assert found.degrees == pytest.approx(welch.df)
        assert found.p_value(a.mean() - b.mean()) == pytest.approx(welch.pvalue, rel=1e-6)

    @pytest.mark.parametrize("p", [0.9, 0.05, 1e-3, 1e-7, 1e-12])
    def test_the_p_value_is_that_of_the_interval_that_just_reaches(self, p):
        found = difference_components(gains(3, 500, seed=0), gains(5, 500, seed=1))
        assert found.p_value(found.half_width(1 - p)) == pytest.approx(p, rel=1e-4)

    def test_p_has_a_floor_and_is_0_only_where_nothing_varies(self):
        assert Components(1e-12, 0.0, 4).p_value(1.0) == 1e-100
        assert Components(0.0, 0.0, 4).p_value(1.0) == 0


class TestDifferenceInterval:
    def test_it_asks_about_seeds_where_both_arms_have_three(self):
        a, b = gains(3, 400, seed=0), gains(2, 400, seed=1)
        assert difference_interval(a, a, seed=0).about == NEW_SEEDS
        assert difference_interval(a, b, seed=0).about == NEW_USERS
        assert difference_interval(a, a, seed=0, about="users").about == NEW_USERS

    def test_users_are_paired(self):
        difficulty = np.random.default_rng(0).random(1000)
        a, b = difficulty + 0.01, difficulty
        found = difference_interval(a, b, seed=0)
        assert (found.low, found.high) == pytest.approx((0.01, 0.01))

    def test_it_leaves_0_out_just_where_the_test_is_below_its_level(self):
        for seed in range(30):
            a, b = gains(3, 300, seed=seed), gains(3, 300, seed=seed + 100, misses=0.88)
            found = difference_interval(a, b, seed=0)
            assert (not found.low <= 0 <= found.high) == (seed_test(a, b).p < 0.05)

    @pytest.mark.parametrize("about", ["users", "seeds"])
    def test_exchanged_arms_mirror_it(self, about):
        a, b = gains(3, 500, seed=0), gains(4, 500, seed=1)
        one = difference_interval(a, b, seed=0, about=about)
        other = difference_interval(b, a, seed=0, about=about)
        assert one.mean == pytest.approx(-other.mean)
        assert abs(one.low + other.high) < 0.1 * (one.high - one.low)

    def test_the_rounding_of_means_over_seeds_is_no_difference(self):
        """(0.1 + 0.1 + 0.1) / 3 is not 0.1 in floating point."""
        a, b = np.full((3, 50), 0.1), np.full((5, 50), 0.1)
        for about in ("users", "seeds"):
            found = difference_interval(a, b, seed=0, about=about)
            assert found.low <= 0 <= found.high
        assert seed_test(a, b).p == 1
        assert paired_permutation(a, b, seed=0).p == 1

    def test_one_seed_is_students_interval_to_the_bootstraps_own_error(self):
        a, b = gains(1, 3000, seed=0)[0], gains(1, 3000, seed=1, misses=0.88)[0]
        found = difference_interval(a, b, seed=0)
        theirs = scipy_stats.ttest_rel(a, b).confidence_interval()
        width = theirs.high - theirs.low
        assert found.mean == pytest.approx((theirs.high + theirs.low) / 2)
        assert abs(found.low - theirs.low) < 0.05 * width
        assert abs(found.high - theirs.high) < 0.05 * width

    def test_arms_that_agree_leave_no_width_and_no_doubt(self):
        values = np.full((3, 20), 0.5)
        found = difference_interval(values, values, seed=0)
        assert (found.low, found.mean, found.high) == (0, 0, 0)
        assert seed_test(values, values).p == 1
        assert seed_test(values, values - 0.1).p < 1e-12


class TestPermutation:
    @pytest.mark.parametrize("seed", range(4))
    def test_it_agrees_with_all_sign_changes_of_ten_users(self, seed):
        rng = np.random.default_rng(seed)
        d = rng.choice([0.0, 0.3, 0.5, -0.4, 1.0], 10)
        signs = np.array(list(itertools.product((-1, 1), repeat=10)))
        exact = (np.abs(signs @ d) >= abs(d.sum()) - 1e-12).mean()
        found = paired_permutation(d, np.zeros(10), seed=0, num_permutations=40_000)
        assert found.p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40_000) + 1e-4)

    @pytest.mark.parametrize("num_seeds", [1, 3])  # few sizes of difference; many
    def test_it_agrees_with_scipy(self, num_seeds):
        a = gains(num_seeds, 500, seed=3).mean(0)
        b = gains(num_seeds, 500, seed=4, misses=0.88).mean(0)
        theirs = scipy_stats.permutation_test(
            (a, b),
            lambda x, y, axis: (x - y).mean(axis),
            permutation_type="samples",
            n_resamples=9999,
            vectorized=True,
            batch=500,
            rng=np.random.default_rng(0),
        )
        assert paired_permutation(a, b, seed=0).p == pytest.approx(theirs.pvalue, abs=0.02)

    def test_its_sums_are_those_of_fair_signs(self):
        """Both ways of drawing give the mean and variance of independent signs."""
        from tcf.evaluate.paired import _signed_sums

        for sizes in (np.repeat([0.2, 0.5], 300), np.random.default_rng(0).random(600)):
            sums = _signed_sums(sizes, 20_000, np.random.default_rng(1))
            deviation = np.sqrt((sizes**2).sum())
            assert abs(sums.mean()) < 4 * deviation / np.sqrt(20_000)
            assert sums.std() == pytest.approx(deviation, rel=0.03)

    def test_users_without_a_difference_change_nothing(self):
        a, b = gains(1, 100, seed=0)[0], gains(1, 100, seed=1)[0]
        more = [np.concatenate((x, np.full(1000, 0.25))) for x in (a, b)]
        assert paired_permutation(a, b, seed=0).p == paired_permutation(*more, seed=0).p

    @pytest.mark.parametrize("num_seeds", [1, 3])
    def test_the_order_of_users_does_not_matter(self, num_seeds):
        a, b = gains(num_seeds, 700, seed=0), gains(num_seeds, 700, seed=1)
        order = np.random.default_rng(0).permutation(700)
        moved = paired_permutation(a[:, order], b[:, order], seed=0)
        assert moved.p == paired_permutation(a, b, seed=0).p

    def test_models_that_agree_cannot_be_told_apart(self):
        found = paired_permutation(np.ones(5), np.ones(5), seed=0)
        assert (found.p, found.difference, found.num_users) == (1.0, 0.0, 5)

    def test_p_is_never_0(self):
        found = paired_permutation(np.ones(500), np.zeros(500), seed=0, num_permutations=99)
        assert found.p == 0.01


class TestMcNemar:
    def test_it_is_the_binomial_of_those_who_differ(self):
        a = np.array([1, 1, 1, 1, 0, 0, 1, 0] * 5)
        b = np.array([0, 0, 0, 1, 1, 0, 1, 0] * 5)
        expected = scipy_stats.binomtest(15, 20).pvalue
        assert mcnemar(a, b).p == pytest.approx(expected)
        assert mcnemar(a, b).difference == pytest.approx(0.25)

    def test_nobody_who_differs_tells_nothing(self):
        assert mcnemar([0, 1, 1], [0, 1, 1]).p == 1.0

    def test_ties_across_the_cut_off_are_refused(self):
        with pytest.raises(ValueError, match=r"needs HR of 0 or 1; b has .*use paired_permutation"):
            mcnemar([0, 1], [0.5, 1])

    def test_several_seeds_are_refused(self):
        with pytest.raises(ValueError, match="compares one run with another; got 2 and 1"):
            mcnemar([[0, 1], [1, 1]], [0, 1])


class TestNoWorse:
    def test_a_small_p_says_that_the_margin_is_not_reached(self):
        a, b = gains(3, 5000, seed=0), gains(3, 5000, seed=1)
        assert no_worse(a, b, margin=0.05).p < 1e-5
        assert no_worse(b - 0.1, b, margin=0.05).p > 0.999

    def test_it_is_one_half_at_the_margin(self):
        values = gains(3, 400, seed=0)
        assert no_worse(values - 0.01, values, margin=0.01).p == pytest.approx(0.5)

    def test_it_is_students_one_sided_test_where_only_seeds_vary(self):
        a, b = np.array([0.50, 0.53, 0.49]), np.array([0.51, 0.52, 0.55])
        runs = [np.repeat(x[:, None], 10, axis=1) for x in (a, b)]
        expected = scipy_stats.ttest_ind(a + 0.02, b, equal_var=False, alternative="greater").pvalue
        found = no_worse(*runs, margin=0.02)
        assert found.p == pytest.approx(expected, rel=1e-6)
        assert found.about == NEW_SEEDS

    def test_few_seeds_ask_about_users(self):
        a, b = gains(1, 400, seed=0)[0], gains(1, 400, seed=1)[0]
        found = no_worse(a, b, margin=0.02)
        d = a - b
        expected = scipy_stats.norm.sf((d.mean() + 0.02) / scipy_stats.sem(d))
        assert found.about == NEW_USERS
        assert found.p == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("margin", [0, -0.1, float("nan")])
    def test_a_margin_must_be_above_0(self, margin):
        with pytest.raises(ValueError, match="margin must be above 0; got"):
            no_worse([0.1], [0.1], margin=margin)


def test_other_users_are_refused_with_both_counts():
    message = "same users in the same order; got 2,000 and 1,999 users"
    for test in (difference_interval, paired_permutation):
        with pytest.raises(ValueError, match=message):
            test(np.zeros(2000), np.zeros(1999), seed=0)
    with pytest.raises(ValueError, match=message):
        seed_test(np.zeros((3, 2000)), np.zeros((3, 1999)))


def test_fewer_than_three_seeds_are_refused_where_seeds_are_asked_about():
    message = "needs at least 3 seeds of both arms; b has 2"
    with pytest.raises(ValueError, match=message):
        seed_test(np.zeros((3, 5)), np.zeros((2, 5)))
    with pytest.raises(ValueError, match=message):
        difference_interval(np.zeros((3, 5)), np.zeros((2, 5)), seed=0, about="seeds")


def test_values_that_are_not_finite_are_refused():
    values = np.zeros((3, 4))
    values[1, 2] = np.nan
    with pytest.raises(ValueError, match="b must be finite; got nan for user 2 of seed 1"):
        seed_test(np.zeros((3, 4)), values)


def test_no_permutations_are_refused():
    with pytest.raises(ValueError, match="num_permutations must be at least 1; got 0"):
        paired_permutation([0.1], [0.2], seed=0, num_permutations=0)


class TestRatio:
    def test_it_is_the_ratio_of_the_means_and_turns_over_with_its_ends(self):
        a, b = gains(3, 800, seed=1, misses=0.7), gains(3, 800, seed=2)
        found, turned = ratio_interval(a, b), ratio_interval(b, a)
        assert found.mean == pytest.approx(a.mean() / b.mean())
        assert found.low < found.mean < found.high and found.about == NEW_SEEDS
        ends = 1 / turned.high, 1 / turned.mean, 1 / turned.low
        assert (found.low, found.mean, found.high) == pytest.approx(ends)

    def test_scale_moves_the_factor_and_not_its_relative_width(self):
        a, b = gains(1, 500, seed=3), gains(1, 500, seed=4)
        one, other = ratio_interval(a, b), ratio_interval(a / 4, b)
        assert other.mean == pytest.approx(one.mean / 4) and one.about == NEW_USERS
        assert other.high / other.low == pytest.approx(one.high / one.low)

    def test_an_arm_against_itself_is_exactly_one(self):
        a = gains(3, 200, seed=5)
        assert ratio_interval(a[:1], a[:1]) == ratio_interval(a[:1], a[:1].copy())
        found = ratio_interval(a[:1], a[:1])
        assert (found.low, found.mean, found.high) == (1, 1, 1)

    def test_it_holds_the_truth_as_often_as_it_says(self):
        """Two rare hits with a factor of 3 between them, in 600 studies."""
        rng, held = np.random.default_rng(0), 0
        for _ in range(600):
            users = rng.random((2, 1500))
            found = ratio_interval((users[0] < 0.06) * 1.0, (users[1] < 0.02) * 1.0)
            held += found.low <= 3 <= found.high
        assert 0.92 <= held / 600 <= 0.98

    @pytest.mark.parametrize(
        ("a", "b", "message"),
        [
            ([1.0], [1.0], "at least 2 of them; got 1"),
            ([0.0, 0.0], [1.0, 0.0], "two means above 0; got 0 and 0.5"),
            ([1.0, 0.0], [1.0], "same users in the same order"),
        ],
    )
    def test_what_has_no_factor_is_refused(self, a: list, b: list, message: str):
        with pytest.raises(ValueError, match=message):
            ratio_interval(a, b)
