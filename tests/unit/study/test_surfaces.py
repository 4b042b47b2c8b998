"""A metric over size and data: the law it was made by, its intervals, and what it refuses."""

import numpy as np
import pytest

from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS
from tcf.study.curves import Curve
from tcf.study.surfaces import fit_surface

SIZES, AMOUNTS = (a.ravel() for a in np.meshgrid([3e4, 3e5, 3e6], [1e3, 3e3, 1e4]))
X, Y = (np.log10(a) - np.log10(a).mean() for a in (SIZES, AMOUNTS))
LAW = 0.5 + 0.02 * X + 0.05 * Y + 0.03 * X * Y


def cells(levels, *, seed: int, num_seeds: int = 3, num_users: int = 300) -> list[np.ndarray]:
    """Runs of which users share their ease and each has its own luck."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(0, 0.05, num_users)
    values = levels[:, None, None] + ease + rng.normal(0, 0.03, (len(levels), num_seeds, num_users))
    return list(values + rng.normal(0, 0.002, (len(levels), num_seeds, 1)))


def test_a_surface_without_noise_is_found_again():
    exact = [np.full((1, 4), level) for level in LAW]
    fit = fit_surface(SIZES, AMOUNTS, exact)
    means = [fit.intervals[name].mean for name in "abcd"]
    assert means == pytest.approx([0.5, 0.02, 0.05, 0.03])
    assert fit.middle == pytest.approx((3e5, (1e3 * 3e3 * 1e4) ** (1 / 3)))


def test_the_interaction_is_that_of_plain_logarithms():
    values = cells(LAW, seed=0)
    x, y = np.log10(SIZES), np.log10(AMOUNTS)
    plain = np.stack([np.ones_like(x), x, y, x * y], 1)
    found = np.linalg.lstsq(plain, np.array([v.mean() for v in values]))[0]
    assert fit_surface(SIZES, AMOUNTS, values).intervals["d"].mean == pytest.approx(found[3])


def test_intervals_are_as_wide_as_what_resampling_gives():
    values = cells(LAW, seed=1, num_seeds=6)
    interval = fit_surface(SIZES, AMOUNTS, values).intervals["d"]
    draws = Curve.of(np.arange(1, 10), values).draw(4000, rng=np.random.default_rng(0))
    design = np.stack([np.ones_like(X), X, Y, X * Y], 1)
    drawn = np.quantile(np.linalg.pinv(design)[3] @ draws.T, [0.025, 0.975])
    assert (interval.low, interval.high) == pytest.approx(tuple(drawn), abs=0.1 * np.ptp(drawn))
    assert interval.about == NEW_SEEDS


def test_intervals_hold_the_truth_nineteen_times_of_twenty():
    fits = [fit_surface(SIZES, AMOUNTS, cells(LAW, seed=n)) for n in range(300)]
    held = np.mean([fit.intervals["d"].low <= 0.03 <= fit.intervals["d"].high for fit in fits])
    assert 0.91 < held < 0.99
    none = LAW - 0.03 * X * Y
    wrong = [fit_surface(SIZES, AMOUNTS, cells(none, seed=n)).p["d"] < 0.05 for n in range(300)]
    assert np.mean(wrong) < 0.09


def test_what_is_no_such_surface_has_a_misfit():
    fits = [fit_surface(SIZES, AMOUNTS, cells(LAW, seed=n)).misfit for n in range(200)]
    assert 0.01 < np.mean([fit is not None and fit.p < 0.05 for fit in fits]) < 0.1
    bent = fit_surface(SIZES, AMOUNTS, cells(LAW - 0.05 * X**2, seed=0)).misfit
    assert bent is not None and bent.ratio > 5 and bent.p < 0.001
    square = [0, 2, 6, 8]
    four = fit_surface(SIZES[square], AMOUNTS[square], cells(LAW[square], seed=0))
    assert four.misfit is None


def test_one_seed_is_about_new_users():
    values = cells(LAW, seed=0, num_seeds=1)
    assert fit_surface(SIZES, AMOUNTS, values).intervals["d"].about == NEW_USERS


def test_what_cannot_be_fitted_says_why():
    values = cells(LAW, seed=0)
    with pytest.raises(ValueError, match="sizes must be one for each of 9 cells; got \\(8,\\)"):
        fit_surface(SIZES[1:], AMOUNTS, values)
    with pytest.raises(ValueError, match="amounts must be positive and finite; got 0"):
        fit_surface(SIZES, AMOUNTS * 0, values)
    with pytest.raises(ValueError, match=r"needs two sizes and two amounts.*amounts 5 in"):
        fit_surface(SIZES, np.full(9, 5), values)
    with pytest.raises(ValueError, match="values of users and seeds; got numbers alone"):
        fit_surface(SIZES, AMOUNTS, list(LAW))
    with pytest.raises(ValueError, match="level must lie between 0 and 1; got 95"):
        fit_surface(SIZES, AMOUNTS, values, level=95)
