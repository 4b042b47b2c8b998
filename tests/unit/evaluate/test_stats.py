import numpy as np
import pytest
from scipy import stats as scipy_stats

from tcf.evaluate.stats import (
    NEW_SEEDS,
    NEW_USERS,
    bootstrap_mean,
    hierarchical_bootstrap,
    mean_interval,
)


def hits(num_users: int, share: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(num_users) < share).astype(float)


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    values = hits(2000, 0.07, seed=0)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_an_interval_says_what_it_is_about():
    interval = bootstrap_mean(hits(500, 0.1, seed=0), seed=0, level=0.9)
    assert (interval.level, interval.about) == (0.9, NEW_USERS)
    assert interval.low < interval.mean < interval.high


@pytest.mark.parametrize("kind", ["few distinct values", "all distinct"])
def test_it_agrees_with_scipy(kind):
    rng = np.random.default_rng(3)
    values = hits(3000, 0.07, seed=3) if kind == "few distinct values" else rng.beta(1, 9, 3000)
    ours = bootstrap_mean(values, seed=0, num_resamples=4000)
    theirs = scipy_stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=rng, batch=200
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.mean == pytest.approx(values.mean())
    assert abs(ours.low - theirs.low) < 0.05 * width
    assert abs(ours.high - theirs.high) < 0.05 * width


@pytest.mark.parametrize("num_users", [300, 1500])  # counts of distinct values; chunks of users
def test_the_order_of_users_does_not_matter(num_users):
    values = np.random.default_rng(0).random(num_users)
    one, other = bootstrap_mean(values, seed=0), bootstrap_mean(values[::-1], seed=0)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-12)


@pytest.mark.parametrize("num_users", [300, 1500])
def test_a_shift_and_a_scale_go_through(num_users):
    values = np.random.default_rng(1).random(num_users)
    base, moved = bootstrap_mean(values, seed=0), bootstrap_mean(3 + 2 * values, seed=0)
    expected = [3 + 2 * x for x in (base.mean, base.low, base.high)]
    assert [moved.mean, moved.low, moved.high] == pytest.approx(expected)


def test_more_level_is_wider_and_more_users_are_narrower():
    def width(num_users, level):
        found = bootstrap_mean(hits(num_users, 0.1, seed=0), seed=0, level=level)
        return found.high - found.low

    assert width(1000, 0.99) > width(1000, 0.95) > width(4000, 0.95)


def test_users_that_all_agree_leave_no_width():
    interval = bootstrap_mean(np.full(50, 0.25), seed=0)
    assert interval.low == interval.mean == interval.high == 0.25


@pytest.mark.parametrize("kind", ["hits", "gains"])
def test_the_interval_over_users_covers_the_truth(kind):
    covered = 0
    for repeat in range(400):
        rng = np.random.default_rng(repeat)
        values = (rng.random(800) < 0.1).astype(float)
        if kind == "gains":
            values *= rng.random(800)
        truth = 0.1 if kind == "hits" else 0.05
        interval = bootstrap_mean(values, seed=repeat, num_resamples=500)
        covered += interval.low <= truth <= interval.high
    assert 0.92 <= covered / 400 <= 0.98  # 0.95 and three standard errors of 400 repeats


def test_fifty_thousand_users_of_distinct_values_fit_in_chunks():
    values = np.random.default_rng(0).random(50_000)
    interval = bootstrap_mean(values, seed=0, num_resamples=200)
    expected = 2 * 1.96 * values.std() / 50_000**0.5
    assert interval.high - interval.low == pytest.approx(expected, rel=0.2)


class TestMeanInterval:
    def test_three_seeds_are_about_new_seeds_and_fewer_about_new_users(self):
        values = np.random.default_rng(0).random((3, 200))
        assert mean_interval(values, seed=0).about == NEW_SEEDS
        assert mean_interval(values[:2], seed=0) == bootstrap_mean(values[:2].mean(0), seed=0)
        assert mean_interval(values[0], seed=0) == bootstrap_mean(values[0], seed=0)

    def test_it_is_students_where_users_do_not_vary(self):
        means = np.array([0.061, 0.066, 0.064, 0.069])
        found = mean_interval(np.repeat(means[:, None], 100, axis=1), seed=0)
        expected = scipy_stats.t.interval(0.95, 3, means.mean(), scipy_stats.sem(means))
        assert (found.low, found.high) == pytest.approx(expected)

    def test_what_one_run_and_user_adds_is_counted_once(self):
        """Seeds that differ by the noise of runs alone: the users' means over seeds hold all."""
        values = hits(3 * 2000, 0.1, seed=0).reshape(3, 2000)
        found = mean_interval(values, seed=0)
        pooled = scipy_stats.norm.ppf(0.975) * scipy_stats.sem(values.ravel())
        assert found.high - found.mean == pytest.approx(pooled, rel=0.35)

    def test_it_stays_inside_the_metric(self):
        found = mean_interval(np.repeat([[0.0], [0.9], [1.0]], 5, axis=1), seed=0)
        assert (found.low, found.high) == (0.0, 1.0)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([], r"values must be \(num_seeds, num_users\) and not empty; got shape \(0,\)"),
            (np.zeros((2, 2, 2)), "must be .num_seeds, num_users. and not empty; got shape"),
            ([[0.1], [np.nan]], "values must be finite; got nan for user 0 of seed 1"),
            ([0.1, 7], r"must lie in \[0, 1\]; got 0.1 to 7"),
        ],
    )
    def test_bad_values_are_refused(self, values, message):
        with pytest.raises(ValueError, match=message):
            mean_interval(values, seed=0)

    def test_a_level_outside_its_range_is_refused(self):
        with pytest.raises(ValueError, match="level must lie between 0 and 1; got 95"):
            mean_interval([0.1], seed=0, level=95)


def test_the_hierarchical_bootstrap_is_too_narrow_for_three_seeds():
    """It has the variance of (S - 1) / S of the seeds, and no t."""
    values = np.repeat([[0.4], [0.5], [0.6]], 50, axis=1)
    found = hierarchical_bootstrap(values, seed=0, num_resamples=4000)
    right = mean_interval(values, seed=0)
    assert found.about == right.about
    assert found.high - found.low < 0.5 * (right.high - right.low)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "must be one-dimensional and not empty; got shape"),
        ([[0.1]], "must be one-dimensional"),
        ([0.1, float("nan")], "values must be finite; got nan at position 1"),
        ([float("inf")], "values must be finite; got inf at position 0"),
    ],
)
def test_bad_values_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_mean(values, seed=0)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_outside_its_range_is_refused(level):
    with pytest.raises(ValueError, match="level must lie between 0 and 1; got"):
        bootstrap_mean([0.1], seed=0, level=level)


def test_no_resamples_are_refused():
    with pytest.raises(ValueError, match="num_resamples must be at least 1; got 0"):
        bootstrap_mean([0.1], seed=0, num_resamples=0)
