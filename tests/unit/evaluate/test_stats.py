import numpy as np
import pytest
from scipy import stats as scipy_stats

from tcf.evaluate.stats import (
    NEW_SEEDS,
    NEW_USERS,
    bootstrap_mean,
    hierarchical_bootstrap,
    mean_interval,
    mean_over_seeds,
    seed_interval,
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
    assert interval.variance**0.5 == pytest.approx(values.std() / 50_000**0.5, rel=0.2)


def test_the_variance_of_an_interval_is_the_squared_standard_error():
    values = hits(4000, 0.2, seed=0)
    interval = bootstrap_mean(values, seed=0, num_resamples=4000)
    assert interval.variance == pytest.approx(values.var() / 4000, rel=0.1)


def simulated_coverage(*, seed_deviation: float, user_deviation: float, num_seeds: int) -> float:
    """Share of 2,000 studies that hold the truth; all seeds of a study meet the same users."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        values = 0.5 + rng.normal(0, user_deviation) + rng.normal(0, seed_deviation, num_seeds)
        interval = seed_interval(values, np.full(num_seeds, user_deviation**2))
        covered += interval.low <= 0.5 <= interval.high
    return covered / 2000


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_the_interval_over_seeds_covers_exactly_where_seeds_are_all_that_varies(num_seeds):
    coverage = simulated_coverage(seed_deviation=0.01, user_deviation=0.0, num_seeds=num_seeds)
    assert 0.935 <= coverage <= 0.965


@pytest.mark.parametrize(("seed_deviation", "user_deviation"), [(0.01, 0.01), (0.001, 0.01)])
def test_the_interval_over_seeds_covers_about_its_level_where_users_vary_too(
    seed_deviation, user_deviation
):
    coverage = simulated_coverage(
        seed_deviation=seed_deviation, user_deviation=user_deviation, num_seeds=3
    )
    assert 0.935 <= coverage <= 0.985


def test_the_interval_over_seeds_is_students_where_users_do_not_vary():
    values = np.array([0.061, 0.066, 0.064, 0.069])
    interval = seed_interval(values, np.zeros(4))
    expected = scipy_stats.t.interval(0.95, 3, values.mean(), scipy_stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert interval.about == NEW_SEEDS


def test_the_users_part_is_added_once_and_not_divided_by_the_seeds():
    quantile = scipy_stats.norm.ppf(0.975)
    interval = seed_interval(np.full(5, 0.5), np.full(5, 1e-4))
    assert interval.high - interval.mean == pytest.approx(quantile * 1e-2)


def test_the_interval_over_seeds_stays_inside_the_metric():
    interval = seed_interval([0.0, 0.9, 1.0], [0.0, 0.0, 0.0])
    assert (interval.low, interval.high) == (0.0, 1.0)


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
    with pytest.raises(ValueError, match=message):
        seed_interval(values, [0.1])


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_outside_its_range_is_refused(level):
    with pytest.raises(ValueError, match="level must lie between 0 and 1; got"):
        bootstrap_mean([0.1], seed=0, level=level)


def test_no_resamples_are_refused():
    for interval in (bootstrap_mean, hierarchical_bootstrap):
        with pytest.raises(ValueError, match="num_resamples must be at least 1; got 0"):
            interval([0.1], seed=0, num_resamples=0)


@pytest.mark.parametrize(
    ("values", "variances", "message"),
    [
        ([0.1, 0.2], [0.0, 0.0], "needs at least 3 seeds; got 2"),
        ([0.1, 0.2, 0.3], [0.0, 0.0], "as long as each other; got 3 and 2"),
        ([0.1, 0.2, 7.0], [0.0] * 3, r"must lie in \[0, 1\]; got 0.1 to 7"),
        ([0.1, 0.2, 0.3], [0.0, 0.0, -1.0], "must not be negative; got -1"),
    ],
)
def test_seeds_that_allow_no_interval_are_refused(values, variances, message):
    with pytest.raises(ValueError, match=message):
        seed_interval(values, variances)


def test_the_mean_over_seeds_covers_new_seeds_from_three_on():
    values, lows, highs = [0.1, 0.2, 0.3], [0.09, 0.19, 0.29], [0.11, 0.21, 0.31]
    several = mean_over_seeds(values, lows, highs)
    users = (0.01 / scipy_stats.norm.ppf(0.975)) ** 2
    expected = seed_interval(values, [users] * 3)
    assert several.about == NEW_SEEDS
    assert (several.low, several.high) == pytest.approx((expected.low, expected.high))


def test_the_mean_over_fewer_seeds_keeps_their_intervals_over_users():
    assert mean_over_seeds([0.1], [0.08], [0.13]).about == NEW_USERS
    one, two = mean_over_seeds([0.1], [0.08], [0.13]), mean_over_seeds([0, 1], [0, 0.5], [0.5, 1])
    assert (one.mean, one.low, one.high) == (0.1, 0.08, 0.13)
    assert (two.mean, two.low, two.high) == (0.5, 0.25, 0.75)
    with pytest.raises(ValueError, match="lows must be finite"):
        mean_over_seeds([0.1], [float("nan")], [0.2])
