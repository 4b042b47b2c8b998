"""Intervals of an arm and of a difference of two; level and power of the tests of two arms."""

from functools import lru_cache

import numpy as np

from experiments.truth.cells import LEVEL, RESAMPLES, Cell, Outcomes
from experiments.truth.law import Draw
from tcf.evaluate.components import Components, components, difference_components
from tcf.evaluate.paired import (
    difference_interval,
    mcnemar,
    no_worse,
    paired_permutation,
    seed_test,
)
from tcf.evaluate.stats import (
    MIN_SEEDS,
    Interval,
    bootstrap_mean,
    hierarchical_bootstrap,
    mean_interval,
)

STEPS = (0, 2, 4)  # standard errors that an arm is better by
ALPHA = 0.05
PERMUTATIONS = 999


def pairs(cell: Cell, number: int) -> Outcomes:
    """Ask every interval and test of one or two arms about study ``number`` of a cell."""
    apart = cell.draw(_effects(cell, new_seeds=True), cell.rng(number))
    same = cell.draw(_effects(cell, new_seeds=False), cell.rng(number, 1), shared_seeds=True)
    return {
        **_arm(cell, apart, number),
        **_difference(cell, apart, number),
        **_tests_of_seeds(cell, apart),
        **_tests_of_users(cell, same, apart, number),
    }


@lru_cache(maxsize=4)
def _effects(cell: Cell, *, new_seeds: bool) -> np.ndarray:
    """Of the base arm, and of one arm for each of `STEPS` above it."""
    error = cell.errors[1 if new_seeds else 0]
    return np.array([cell.effect_of(LEVEL + step * error) for step in (0, *STEPS)])


@lru_cache(maxsize=4)
def _means(cell: Cell) -> np.ndarray:
    """Population mean over seeds and users of each arm."""
    return cell.law.run_mean(_effects(cell, new_seeds=True), seed_noise=cell.seed_noise)


def _arm(cell: Cell, drawn: Draw, number: int) -> Outcomes:
    values, trained, mean = drawn.values[0], float(drawn.trained_means[0]), float(_means(cell)[0])
    of_users = bootstrap_mean(values.mean(0), seed=number)
    one_seed = bootstrap_mean(values[0], seed=number)
    hierarchical = hierarchical_bootstrap(values, seed=number, num_resamples=RESAMPLES)
    if cell.num_seeds >= MIN_SEEDS:
        of_seeds = mean_interval(values, seed=number)
    else:  # not offered by the library: what its formula would do
        of_seeds = _around(float(values.mean()), components(values))
    return {
        "arm: new users": _covers(of_users, trained),
        "arm: new users, read as new seeds": _covers(of_users, mean),
        "arm: one seed, read as new seeds": _covers(one_seed, mean),
        "arm: new seeds": _covers(of_seeds, mean),
        "arm: hierarchical bootstrap": _covers(hierarchical, mean),
    }


def _difference(cell: Cell, drawn: Draw, number: int) -> Outcomes:
    """The arm that is two standard errors better against the base."""
    better, base = drawn.values[2], drawn.values[0]
    trained = float(drawn.trained_means[2] - drawn.trained_means[0])
    mean = float(_means(cell)[2] - _means(cell)[0])
    of_users = difference_interval(better, base, seed=number, about="users")
    one_seed = difference_interval(better[0], base[0], seed=number)
    if cell.num_seeds >= MIN_SEEDS:
        of_seeds = difference_interval(better, base, seed=number, about="seeds")
    else:
        found = difference_components(better, base)
        of_seeds = _around(float(better.mean() - base.mean()), found)
    untrained = np.repeat(base[:1], cell.num_seeds, axis=0)  # equal rows, as paired_values gives
    found = difference_components(better, untrained)
    of_one = _around(float(better.mean() - untrained.mean()), found)
    run = float(_means(cell)[2] - cell.law.run_mean(drawn.effects[0, 0]))
    return {
        "difference: new users": _covers(of_users, trained),
        "difference: new users, read as new seeds": _covers(of_users, mean),
        "difference: one seed, read as new seeds": _covers(one_seed, mean),
        "difference: new seeds": _covers(of_seeds, mean),
        "difference from an untrained arm: new seeds": _covers(of_one, run),
    }


def _tests_of_seeds(cell: Cell, drawn: Draw) -> Outcomes:
    """Tests about new seeds and new users; the margin is the true difference."""
    if cell.num_seeds < MIN_SEEDS:
        return {}
    base, *others = drawn.values
    found = {
        f"seed_test: {step} errors": seed_test(other, base).p < ALPHA
        for step, other in zip(STEPS, others, strict=True)
    }
    margin = float(_means(cell)[2] - _means(cell)[0])
    worse = no_worse(base, others[1], margin=margin)
    return {**_floats(found), "no_worse, new seeds: at the margin": float(worse.p < ALPHA)}


def _tests_of_users(cell: Cell, same: Draw, apart: Draw, number: int) -> Outcomes:
    """Tests about these trained models: equal seed effects make equal arms equal models."""
    base, *others = same.values
    found = {}
    for step, other in zip(STEPS, others, strict=True):
        permuted = paired_permutation(other, base, seed=number, num_permutations=PERMUTATIONS)
        found[f"paired_permutation: {step} errors"] = permuted.p < ALPHA
        if cell.metric.startswith("hr"):
            found[f"mcnemar, one seed: {step} errors"] = mcnemar(other[0], base[0]).p < ALPHA
    misread = paired_permutation(
        apart.values[1], apart.values[0], seed=number, num_permutations=PERMUTATIONS
    )
    found["paired_permutation: 0 errors, read as new seeds"] = misread.p < ALPHA
    one = paired_permutation(
        apart.values[1][0], apart.values[0][0], seed=number, num_permutations=PERMUTATIONS
    )
    found["paired_permutation, one seed: 0 errors, read as new seeds"] = one.p < ALPHA
    margin = _first_runs_gap(same)
    worse = no_worse(base[0], others[1][0], margin=margin)
    found["no_worse, new users, one seed: at the margin"] = worse.p < ALPHA
    return _floats(found)


def _first_runs_gap(drawn: Draw) -> float:
    """True difference of the first runs of the base arm and of the one two errors above it."""
    first = drawn.law.run_mean(drawn.effects[:, 0])
    return float(first[2] - first[0])


def _around(mean: float, found: Components) -> Interval:
    half = found.half_width(0.95)
    return Interval(mean, mean - half, mean + half, 0.95, "")


def _covers(interval: Interval, truth: float) -> float:
    return float(interval.low <= truth <= interval.high)


def _floats(found: dict[str, bool]) -> Outcomes:
    return {name: float(value) for name, value in found.items()}
