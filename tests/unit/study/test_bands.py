"""The default band of a curve holds for whatever the power law has as a limit."""

import numpy as np
import pytest

from tcf.study.scaling import fit_curve

SIZES = 10.0 ** np.arange(6, 12)
BEYOND = np.array([2e6, 3e8, 1e12])


def runs(levels: np.ndarray, *, seed: int, num_seeds: int = 3, num_users: int = 800):
    """Hits of independent users at these levels, the same ease of a user at every size."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(scale=0.1, size=num_users)
    chances = (levels[:, None, None] + ease).repeat(num_seeds, 1).clip(0, 1)
    return list((rng.random(chances.shape) < chances).astype(float))


@pytest.mark.parametrize(
    "level",
    [
        lambda sizes: 0.3 + 0 * sizes,
        lambda sizes: 0.2 + 0.03 * np.log10(sizes / 1e6),
        lambda sizes: 0.4 - 0.2 * (sizes / 1e6) ** -0.3,
    ],
    ids=["flat", "log-linear", "power law"],
)
def test_the_band_holds_and_is_the_power_laws_profile(level):
    held = []
    for seed in range(40):
        fit = fit_curve(SIZES, runs(level(SIZES), seed=seed), seed=0)
        low, high = fit.band(BEYOND)
        assert (low >= 0).all() and (low <= high).all() and (high <= 1).all()
        held.append((low <= level(BEYOND)) & (level(BEYOND) <= high))
    assert (np.mean(held, axis=0) > 0.8).all()


def test_a_form_that_is_named_has_the_band_of_its_refits():
    fit = fit_curve(SIZES, runs(np.full(6, 0.3), seed=0), seed=0, num_resamples=99)
    flat = fit.band(BEYOND, form="constant")
    assert np.ptp(flat[0]) == np.ptp(flat[1]) == 0
    refitted = fit_curve(
        SIZES, runs(np.full(6, 0.3), seed=0), seed=0, num_resamples=99, method="bootstrap"
    )
    for ours, named in zip(
        refitted.band(BEYOND), refitted.band(BEYOND, form="power law"), strict=True
    ):
        assert (ours == named).all()


def test_a_form_that_was_not_fitted_has_no_band():
    fit = fit_curve(SIZES[:4], runs(np.full(4, 0.3), seed=0), seed=0)
    with pytest.raises(ValueError, match="form must be one of"):
        fit.band(BEYOND, form="power law")


def test_the_bootstrap_too_says_that_a_line_is_not_told_from_a_logarithm():
    sizes = np.geomspace(1e6, 1e9, 9)
    line = 0.1 + 0.04 * np.log10(sizes / 1e6)  # its refits end at the bound 1, bent a little
    fit = fit_curve(sizes, runs(line, seed=0), seed=0, method="bootstrap", num_resamples=99)
    assert fit.exponent is not None and fit.exponent.low == 0
