"""A fit recovers the law that made its curve, whatever the unit or the order of the sizes."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tcf.study.forms import FORMS
from tcf.study.scaling import fit_curve

LAW = settings(derandomize=True, max_examples=40, deadline=None)
SIZES = np.geomspace(1e8, 1e11, 9)
EXPONENTS, CEILINGS = st.floats(0.05, 1.5), st.floats(0.3, 0.9)
DROPS = st.floats(0.05, 0.25).flatmap(lambda drop: st.sampled_from([drop, -drop]))


def level(sizes, ceiling, drop, exponent) -> np.ndarray:
    """A power law that lies ``drop`` below its ceiling at the smallest size of `SIZES`."""
    return ceiling - drop * (np.asarray(sizes) / SIZES[0]) ** -exponent


@LAW
@given(CEILINGS, DROPS, EXPONENTS)
def test_a_fit_recovers_a_known_exponent(ceiling, drop, exponent):
    values = level(SIZES, ceiling, drop, exponent)
    assume(values.max() <= 1)
    (found,) = FORMS["power law"].fit(np.log(SIZES), values[None])
    expected = [ceiling, drop * SIZES[0] ** exponent, exponent]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@LAW
@given(st.floats(-5, 2), st.floats(-0.5, 0.5))
def test_a_fit_recovers_a_known_logistic(start, slope):
    x = np.log(SIZES)
    values = FORMS["logistic"].predict(np.array([[start - slope * x.mean(), slope]]), x)
    (found,) = FORMS["logistic"].fit(x, values)
    np.testing.assert_allclose(found, [start - slope * x.mean(), slope], rtol=1e-6, atol=1e-8)


@LAW
@given(CEILINGS, DROPS, EXPONENTS, st.integers(0, 9))
def test_every_form_reaches_a_level_where_it_is_solved_for_it(ceiling, drop, exponent, seed):
    values = level(SIZES, ceiling, drop, exponent).clip(0, 1)
    values = (values + np.random.default_rng(seed).normal(0, 0.003, 9)).clip(0, 1)
    for name in ("log-linear", "logistic", "power law"):
        form = FORMS[name]
        parameters = form.fit(np.log(SIZES), values[None])
        wanted = form.predict(parameters, np.log(SIZES[[4]]))[0]
        np.testing.assert_allclose(form.solve(parameters, wanted), np.log(SIZES[4]), rtol=1e-6)


@LAW
@given(CEILINGS, DROPS, EXPONENTS, st.permutations(range(9)), st.floats(1e-6, 1e6))
def test_the_order_and_the_unit_of_sizes_do_not_matter(ceiling, drop, exponent, order, unit):
    values = level(SIZES, ceiling, drop, exponent).clip(0, 1)
    values = (values + np.random.default_rng(0).normal(0, 0.003, 9)).clip(0, 1)
    one = fit_curve(SIZES, values.tolist(), seed=0)
    other = fit_curve(unit * SIZES[order], values[order].tolist(), seed=0)
    for name, fit in one.fits.items():
        np.testing.assert_allclose(fit.weight, other.fits[name].weight, rtol=1e-5, atol=1e-9)
    assert one.exponent is not None and other.exponent is not None
    np.testing.assert_allclose(one.exponent.mean, other.exponent.mean, rtol=1e-4)
