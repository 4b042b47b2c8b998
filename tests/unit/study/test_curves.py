"""Forms, curves, intervals and verdicts against SciPy, known laws and simulated studies."""

import numpy as np
import pytest
from scipy import optimize, special, stats

from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS
from tcf.study.curves import SCATTER, Curve
from tcf.study.forms import FORMS
from tcf.study.scaling import fit_curve

SIZES = np.geomspace(1e8, 1e11, 9)
X = np.log(SIZES)
CEILING, DROP, EXPONENT = 0.6, 0.25, 0.25
LEVELS = CEILING - DROP * (SIZES / SIZES[0]) ** -EXPONENT


def noisy(*, seed: int, num_curves: int = 1, spread: float = 0.004) -> np.ndarray:
    return LEVELS + np.random.default_rng(seed).normal(0, spread, (num_curves, len(SIZES)))


def study(levels, *, seed: int, num_seeds: int = 3, num_users: int = 400, of_seeds: float = 0.003):
    """Arms of which users share their ease and each run has its own luck."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(0, 0.06, num_users)
    size = (len(levels), num_seeds, num_users)
    values = np.asarray(levels)[:, None, None] + ease + rng.normal(0, 0.03, size)
    return list((values + rng.normal(0, of_seeds, (*size[:2], 1))).clip(0, 1))


class TestForms:
    def test_the_power_law_is_as_good_as_scipys(self):
        curves = noisy(seed=0, num_curves=12)
        found = FORMS["power law"].fit(X, curves)
        losses = ((FORMS["power law"].predict(found, X) - curves) ** 2).sum(1)
        for curve, (c, a, b), loss in zip(curves, found, losses, strict=True):

            def residuals(at, curve=curve):
                return at[0] - at[1] * np.exp(-at[2] * (X - X[0])) - curve

            theirs = optimize.least_squares(
                residuals, [0.6, 0.2, 0.3], xtol=1e-15, ftol=1e-15, gtol=1e-15
            )
            assert 0 < c < 1
            assert loss == pytest.approx(2 * theirs.cost, rel=1e-9)
            assert (c, a * np.exp(-b * X[0]), b) == pytest.approx(tuple(theirs.x), rel=1e-4)

    def test_the_logistic_is_scipys(self):
        for curve in noisy(seed=1, num_curves=5):
            found = FORMS["logistic"].fit(X, curve[None])[0]
            theirs, _ = optimize.curve_fit(
                lambda x, a, b: special.expit(a + b * x), X - X.mean(), curve, p0=(0, 0.1)
            )
            assert (found[0] + found[1] * X.mean(), found[1]) == pytest.approx(
                tuple(theirs), rel=1e-5
            )

    def test_the_line_is_numpys(self):
        curve = noisy(seed=2)[0]
        assert FORMS["log-linear"].fit(X, curve[None])[0] == pytest.approx(
            np.polyfit(X, curve, 1)[::-1], rel=1e-9
        )

    def test_many_curves_at_once_are_each_alone(self):
        curves = noisy(seed=3, num_curves=7)
        for form in FORMS.values():
            alone = np.concatenate([form.fit(X, curve[None]) for curve in curves])
            np.testing.assert_allclose(form.fit(X, curves), alone, rtol=1e-6)

    def test_a_ceiling_stays_in_bounds_and_says_so(self):
        fit = fit_curve(SIZES, (0.9 + 0.03 * np.log10(SIZES / 1e8)).tolist(), seed=0)
        assert fit.fits["power law"].parameters["c"] == 1
        assert "the ceiling is at its bound 1" in fit.fits["power law"].note

    def test_exponents_at_their_bounds_say_what_they_are_not_told_from(self):
        bent_up = 0.01 + 2e-5 * np.log(SIZES / 1e8) ** 2
        note = fit_curve(SIZES, bent_up.tolist(), seed=0).fits["power law"].note
        assert "lower bound: not told from log-linear" in note
        step = np.where(SIZES > 2e8, 0.3, 0.1)
        note = fit_curve(SIZES, step.tolist(), seed=0).fits["power law"].note
        assert "upper bound: not told from a step" in note

    @pytest.mark.parametrize(
        ("num_sizes", "fitted"),
        [
            (4, {"constant"}),
            (5, {"constant", "log-linear", "logistic"}),
            (6, {"constant", "log-linear", "logistic", "power law"}),
        ],
    )
    def test_a_form_is_fitted_to_two_sizes_more_than_it_counts(self, num_sizes, fitted):
        fit = fit_curve(SIZES[:num_sizes], LEVELS[:num_sizes].tolist(), seed=0)
        assert set(fit.fits) == fitted
        assert set(fit.not_identifiable) == set(FORMS) - fitted
        for name, reason in fit.not_identifiable.items():
            needed = FORMS[name].min_sizes
            assert reason == f"not identifiable: needs {needed} sizes, has {num_sizes}"

    def test_aicc_is_its_formula(self):
        fit = fit_curve(SIZES, noisy(seed=4)[0].tolist(), seed=0)
        for name, one in fit.fits.items():
            n, k = 9, {"constant": 2, "log-linear": 3, "logistic": 3, "power law": 4}[name]
            aicc = n * np.log(one.residual_sum / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
            assert one.aicc == pytest.approx(aicc, rel=1e-12)
        assert sum(one.weight for one in fit.fits.values()) == pytest.approx(1)

    def test_a_size_left_out_is_predicted_from_the_others(self):
        values = noisy(seed=5)[0]
        fit = fit_curve(SIZES, values.tolist(), seed=0)
        line = np.polyval(np.polyfit(X[:-1], values[:-1], 1), X[-1])
        out = fit.leave_largest_out()["log-linear"]
        assert (out.size, out.observed) == (pytest.approx(SIZES[-1]), values[-1])
        assert out.predicted == pytest.approx(line) and out.error == out.predicted - out.observed
        errors = [values[np.arange(9) != i].mean() - values[i] for i in range(9)]
        assert fit.leave_one_out()["constant"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))

    def test_forms_that_need_every_size_are_not_left_out(self):
        fit = fit_curve(SIZES[:6], LEVELS[:6].tolist(), seed=0)
        assert set(fit.leave_one_out()) == {"constant", "log-linear", "logistic"}


class TestCurves:
    def test_the_covariance_is_that_of_the_law_that_made_the_study(self):
        levels = np.linspace(0.4, 0.5, 4)
        told = [Curve.of(SIZES[:4], study(levels, seed=seed)).covariance for seed in range(300)]
        shared, own = 0.06**2 / 400, 0.003**2 / 3 + 0.03**2 / (3 * 400)  # user times seed once
        expected = shared + own * np.eye(4)
        np.testing.assert_allclose(np.mean(told, axis=0), expected, rtol=0.03)

    def test_draws_have_its_covariance(self):
        curve = Curve.of(SIZES[:4], study(np.linspace(0.4, 0.5, 4), seed=0, of_seeds=0.006))
        draws = curve.draw(4000, rng=np.random.default_rng(0))
        np.testing.assert_allclose(draws.mean(0), curve.means, atol=5e-4)
        stretch = curve.seed_df / (curve.seed_df - 2)  # the mean of df / chi-square
        wanted = curve.covariance + np.diag(curve._seed_part(curve.seed_variance)) * (stretch - 1)
        np.testing.assert_allclose(np.cov(draws, rowvar=False), wanted, rtol=0.25)

    def test_it_says_what_it_is_about(self):
        assert Curve.of(SIZES, study(LEVELS, seed=0, num_seeds=2)).about == NEW_SEEDS
        assert Curve.of(SIZES, study(LEVELS, seed=0, num_seeds=1)).about == NEW_USERS
        assert Curve.of(SIZES, LEVELS.tolist()).about == SCATTER

    def test_arms_of_one_seed_borrow_the_variance_of_the_others(self):
        values = study(LEVELS, seed=0)
        curve = Curve.of(SIZES, [values[0][:1], *values[1:]])
        assert curve.num_seeds.tolist() == [1] + [3] * 8 and curve.seed_df == 16
        part = curve._seed_part(curve.seed_variance)
        assert part[0] == pytest.approx(3 * part[1])

    @pytest.mark.parametrize(
        ("sizes", "values", "message"),
        [
            ([1, 2, 3], [0.1] * 3, "a curve needs at least 4 sizes, got 3"),
            ([1, 2, 2, 3], [0.1] * 4, "each size must be given once; got 2 2 times"),
            ([0, 1, 2, 3], [0.1] * 4, "sizes must be positive and finite; got 0"),
            ([1, 2, 3, np.inf], [0.1] * 4, "sizes must be positive and finite; got inf"),
            ([1, 2, 3, 4], [0.1] * 5, "sizes and values must be as long as each other"),
            ([1, 2, 3, 4], [0.1, 0.2, 0.3, np.nan], "values at size 4 must be finite; got nan"),
            ([1, 2, 3, 4], [0.1, 0.2, 0.3, 7.1], "a fraction and not per cent; got 7.1 to 7.1"),
            ([1, 2, 3, 4], [[0.1]] * 4, "must be .num_seeds, num_users. or one number"),
            ([1, 2, 3, 4], [0.1, 0.2, 0.3, [[0.4, 0.5]]], "must both be numbers or both"),
        ],
    )
    def test_what_is_no_curve_is_refused(self, sizes, values, message):
        with pytest.raises(ValueError, match=message):
            Curve.of(sizes, values)

    def test_other_users_are_refused_with_the_count_on_each_side(self):
        values = [np.full((2, 30), 0.5)] * 4
        message = "same users; values at size 1 have 30 users, baseline 29"
        with pytest.raises(ValueError, match=message):
            Curve.of([1, 2, 3, 4], values, baseline=np.full((2, 29), 0.5))

    def test_numbers_alone_have_no_covariance(self):
        with pytest.raises(ValueError, match="numbers alone have no covariance"):
            _ = Curve.of(SIZES, LEVELS.tolist()).covariance


class TestIntervals:
    def test_the_slope_of_numbers_alone_is_scipys(self):
        values = noisy(seed=6)[0]
        theirs = stats.linregress(np.log10(SIZES), values)
        slope = fit_curve(SIZES, values.tolist(), seed=0).slope
        half_width = stats.t.ppf(0.975, 7) * theirs.stderr
        assert slope.interval.mean == pytest.approx(theirs.slope)
        assert slope.interval.high - slope.interval.mean == pytest.approx(half_width)
        assert slope.p == pytest.approx(theirs.pvalue, rel=1e-6)

    @pytest.mark.parametrize("method", ["profile", "bootstrap"])
    def test_exponent_ceiling_and_crossing_cover_the_truth(self, method):
        baseline = LEVELS[5]
        covered = []
        for seed in range(60):
            *values, ids = study([*LEVELS, baseline], seed=seed)
            fit = fit_curve(SIZES, values, seed=0, baseline=ids, method=method, num_resamples=200)
            truths = (EXPONENT, CEILING, SIZES[5])
            found = (fit.exponent, fit.ceiling, fit.crossing)
            covered.append([x.low <= t <= x.high for x, t in zip(found, truths, strict=True)])
        assert (np.mean(covered, axis=0) >= 0.85).all()  # three standard errors below 0.95

    def test_a_flat_curve_is_called_rising_or_falling_at_the_level_of_the_test(self):
        p = [fit_curve(SIZES, study(np.full(9, 0.5), seed=s), seed=0).slope.p for s in range(200)]
        assert np.mean(np.array(p) < 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
        assert np.mean(p) == pytest.approx(0.5, abs=0.08)

    def test_shared_users_narrow_what_compares_sizes(self):
        values = study(LEVELS, seed=0)
        rng = np.random.default_rng(0)  # one order an arm: its own means stay as they are
        apart = [arm[:, rng.permutation(arm.shape[1])] for arm in values]
        widths = [
            np.ptp([fit.slope.interval.low, fit.slope.interval.high])
            for fit in (fit_curve(SIZES, v, seed=0) for v in (values, apart))
        ]
        assert widths[0] < 0.7 * widths[1]

    def test_the_same_seed_gives_the_same_bootstrap(self):
        values = study(LEVELS, seed=0)
        one, same, other = (
            fit_curve(SIZES, values, seed=s, method="bootstrap", num_resamples=50).exponent
            for s in (1, 1, 2)
        )
        assert one == same != other

    def test_sizes_that_differ_in_more_than_size_widen_the_profile(self):
        odd = LEVELS.copy()
        odd[1] -= 0.03
        plain = fit_curve(SIZES, study(LEVELS, seed=0), seed=0)
        fit = fit_curve(SIZES, study(odd, seed=0), seed=0)
        assert plain.misfit is not None and plain.misfit.p > 0.01
        assert fit.misfit is not None and fit.misfit.p < 0.001 and fit.misfit.ratio > 10
        assert "they differ in more than size" in fit.verdict

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"level": 1.0}, "level must lie between 0 and 1; got 1"),
            ({"num_resamples": 0}, "num_resamples must be at least 1; got 0"),
            ({"method": "profil"}, "method must be one of .*did you mean 'profile'"),
        ],
    )
    def test_settings_out_of_range_are_refused(self, setting, message):
        with pytest.raises(ValueError, match=message):
            fit_curve(SIZES, LEVELS.tolist(), seed=0, **setting)


class TestVerdicts:
    def told(self, levels, baseline=None, *, seed: int = 0) -> str:
        *values, ids = study([*levels, baseline or 0.5], seed=seed)
        return fit_curve(SIZES, values, seed=0, baseline=ids if baseline else None).verdict

    def test_a_rise_that_levels_off_and_meets_the_baseline(self):
        said = self.told(LEVELS, LEVELS[5])
        assert said.startswith("rises by 0.06")
        assert "levels off, up at 0." in said and "meets the baseline at " in said

    def test_a_fall(self):
        assert self.told(1 - LEVELS).startswith("falls by 0.06")

    def test_a_line(self):
        assert "no levelling off can be told" in self.told(0.3 + 0.05 * np.log10(SIZES / 1e8))

    def test_a_flat_curve(self):
        said = self.told(np.full(9, 0.5), 0.7)
        assert said.startswith("the slope cannot be told from zero (p = ")
        assert "levels off" not in said

    def test_a_baseline_out_of_reach(self):
        said = self.told(LEVELS, 0.8)
        assert "does not meet the baseline: it stays below" in said
        assert "it stays above" in self.told(1 - LEVELS, 0.2)

    def test_a_baseline_further_on(self):
        said = self.told(0.3 + 0.05 * np.log10(SIZES / 1e8), 0.55)
        assert "does not meet the baseline between 100M and 100B" in said
        assert "drawn further it would at " in said

    def test_a_baseline_at_the_level_of_a_flat_curve(self):
        *values, ids = study(np.full(10, 0.5), seed=3)
        fit = fit_curve(SIZES, values, seed=0, baseline=ids)
        assert fit.crossing is not None
        assert (fit.crossing.low, fit.crossing.high) == (0.0, np.inf)
        assert "whether and where it meets the baseline cannot be told" in fit.verdict

    def test_equal_values_are_a_constant(self):
        fit = fit_curve(SIZES, [0.1] * 9, seed=0)
        assert set(fit.fits) == {"constant"} and fit.slope.p == 1
        assert fit.not_identifiable["log-linear"].endswith("every size has the same value")
        assert fit.verdict.startswith("every size has the same value: constant")

    def test_too_few_sizes_for_a_crossing(self):
        fit = fit_curve(SIZES[:4], LEVELS[:4].tolist(), seed=0, baseline=0.5)
        assert fit.crossing is None and fit.exponent is None and fit.ceiling is None
        assert "too few sizes to say where it meets the baseline" in fit.verdict

    def test_numbers_alone_say_what_their_intervals_are_about(self):
        said = fit_curve(SIZES, noisy(seed=0)[0].tolist(), seed=0, baseline=0.5).verdict
        assert said.endswith(
            "intervals are about scatter around the curve; no seeds, no users, the baseline taken "
            "as exact"
        )
