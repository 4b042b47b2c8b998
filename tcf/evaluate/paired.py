"""Two arms on the same users: intervals and tests of their difference. Loads no torch.

Users are paired, seeds are not: they are independent trainings. ``a`` and ``b`` are
``(num_seeds, num_users)`` values of a metric, or ``(num_users,)`` of one run each, users in the
same order. A test is about what its interval is about (`Interval.about`): these trained models on
new users, or new seeds and new users.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tcf.evaluate.components import (
    Components,
    checked_values,
    difference_components,
    differences,
    user_components,
)
from tcf.evaluate.stats import (
    MIN_SEEDS,
    NEW_SEEDS,
    NEW_USERS,
    Interval,
    bootstrap_mean,
    check_level,
)

__all__ = [
    "Comparison",
    "difference_interval",
    "mcnemar",
    "no_worse",
    "paired_permutation",
    "ratio_interval",
    "seed_test",
]

_BINOMIALS = 64  # up to so many distinct sizes of difference, a binomial each is faster than bits
_CHUNK = 1 << 18  # table look-ups at a time: what stays in cache is four times as fast


@dataclass(frozen=True)
class Comparison:
    """What a test found.

    Attributes:
        difference: Mean of ``a - b`` over users and seeds.
        p: Of the null hypothesis of ``method``, two-sided unless that says otherwise.
        method: Which test, in words.
        about: What varies when the experiment is repeated, in words.
        num_users: Compared.
    """

    difference: float
    p: float
    method: str
    about: str
    num_users: int


def difference_interval(
    a: ArrayLike,
    b: ArrayLike,
    *,
    seed: int,
    level: float = 0.95,
    about: Literal["users", "seeds"] | None = None,
) -> Interval:
    """Interval of the mean of ``a - b``.

    Args:
        a, b: Values of the two arms.
        seed: Of the bootstrap.
        level: Nominal coverage, between 0 and 1.
        about: ``"users"``: these trained models on new users, by the bootstrap over users of the
            differences of their means over seeds; ``"seeds"``: new seeds and new users, by variance
            components. None: the latter where both arms have three seeds.

    Raises:
        ValueError: If the arms have other users, a value is not finite, or there are fewer than
            three seeds of an arm for an interval about seeds.
    """
    first, second = _pair(a, b)
    if about is None:
        about = "seeds" if min(len(first), len(second)) >= MIN_SEEDS else "users"
    if about == "users":
        return bootstrap_mean(differences(first, second), seed=seed, level=level)
    mean, half = _mean(first, second), _components(first, second).half_width(level)
    return Interval(mean, mean - half, mean + half, level, NEW_SEEDS)


def ratio_interval(a: ArrayLike, b: ArrayLike, *, level: float = 0.95) -> Interval:
    """Interval of the factor between two arms, the mean of ``a`` over that of ``b``.

    By the delta method on the logarithm: the factor's relative error is that of ``a / mean(a) -
    b / mean(b)``, users paired, from the same variance components as a difference. It is about new
    seeds and new users where both arms have three seeds, else about these models on new users. A
    mean of few hits (below ten or so) is not near enough to normal for it.

    Args:
        a, b: Values of the two arms, not negative.
        level: Nominal coverage, between 0 and 1.

    Raises:
        ValueError: If the arms have other users, there are fewer than two users, a value is not
            finite, the mean of an arm is not above 0, or ``level`` is out of range.

    Source: Oehlert, A Note on the Delta Method, The American Statistician (1992).
    """
    check_level(level)
    first, second = _pair(a, b)
    if first.shape[1] < 2:
        raise ValueError(
            "an interval over users needs at least 2 of them; got 1: a target of one user tells "
            "nothing of others"
        )
    means = float(first.mean()), float(second.mean())
    if min(means) <= 0:
        raise ValueError(
            f"a factor is between two means above 0; got {means[0]:g} and {means[1]:g}: look at "
            "the difference (difference_interval), or at a larger cut-off"
        )
    first, second, about = first / means[0], second / means[1], NEW_USERS
    if min(len(first), len(second)) >= MIN_SEEDS:
        found, about = difference_components(first, second), NEW_SEEDS
    else:
        found = user_components(differences(first, second))
    factor, reach = means[0] / means[1], float(np.exp(found.half_width(level)))
    return Interval(factor, factor / reach, factor * reach, level, about)


def seed_test(a: ArrayLike, b: ArrayLike) -> Comparison:
    """Test that two arms do equally well in the long run, over new seeds and new users.

    Its p is below 0.05 just where `difference_interval` about seeds leaves 0 out.

    Args:
        a, b: Values of the two arms, at least three seeds each.

    Raises:
        ValueError: As `difference_interval`.
    """
    first, second = _pair(a, b)
    mean = _mean(first, second)
    p = _components(first, second).p_value(mean)
    return Comparison(mean, p, "variance components, t", NEW_SEEDS, first.shape[1])


def paired_permutation(
    a: ArrayLike, b: ArrayLike, *, seed: int, num_permutations: int = 10_000
) -> Comparison:
    """Test that two trained models do equally well: signs of the users' differences are swapped.

    If it does not matter which model a user met, each difference may as well have the other sign.
    Users whose difference is 0 change nothing and are left out; the rest are drawn exactly, by a
    binomial for each size of difference where sizes are few, else by random bits, eight users to a
    table of 256 sums.

    Args:
        a, b: Values of the two arms; of several seeds, the users' means are compared.
        seed: Of the permutations.
        num_permutations: B; p is ``(1 + extreme) / (1 + B)`` and so at least ``1 / (1 + B)``.

    Raises:
        ValueError: If the arms have other users, a value is not finite, or B is below 1.

    Source: Fisher (1935); Smucker, Allan & Carterette, CIKM 2007, for retrieval metrics; Phipson &
    Smyth (2010) for the 1 that is added; Arlazarov et al. (1970) for the tables.
    """
    if num_permutations < 1:
        raise ValueError(f"num_permutations must be at least 1; got {num_permutations}")
    first, second = _pair(a, b)
    difference = differences(first, second)
    sizes = np.sort(np.abs(difference[difference != 0]))  # so that the users' order is none of p's
    total, scale = float(difference.sum()), float(sizes.sum())
    rng = np.random.default_rng(seed)
    sums = _signed_sums(sizes, num_permutations, rng)
    extreme = int((np.abs(sums) >= abs(total) - 1e-9 * scale).sum())
    p = (1 + extreme) / (1 + num_permutations)
    return Comparison(float(difference.mean()), p, "paired permutation", NEW_USERS, len(difference))


def mcnemar(a: ArrayLike, b: ArrayLike) -> Comparison:
    """Test that two trained models hit equally many targets: exact binomial on who is hit by one.

    Args:
        a, b: ``(num_users,)`` HR@k of one run each, 0 or 1.

    Raises:
        ValueError: If the arms have other users or several seeds, or a value is neither 0 nor 1,
            which HR is where the target ties across the cut-off.

    Source: McNemar, Psychometrika (1947).
    """
    from scipy.stats import binomtest

    first, second = _pair(a, b)
    if len(first) > 1 or len(second) > 1:
        raise ValueError(
            f"McNemar's test compares one run with another; got {len(first)} and {len(second)} "
            "seeds: use seed_test or paired_permutation"
        )
    for values, name in ((first, "a"), (second, "b")):
        if not np.isin(values, (0, 1)).all():
            raise ValueError(
                f"McNemar's test needs HR of 0 or 1; {name} has {np.unique(values)[:4]}: targets "
                "tie across the cut-off (or it is no HR): use paired_permutation"
            )
    only_a, only_b = int((first > second).sum()), int((first < second).sum())
    p = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return Comparison(_mean(first, second), float(p), "McNemar, exact", NEW_USERS, first.shape[1])


def no_worse(a: ArrayLike, b: ArrayLike, *, margin: float) -> Comparison:
    """Test that ``a`` is worse than ``b`` by ``margin`` or more; a small p says that it is not.

    Not to be told apart is not to be equal: this is the test for "no worse". One-sided; new seeds
    and new users where both arms have three seeds, else these models on new users. Equivalence is
    both ``no_worse(a, b)`` and ``no_worse(b, a)``, and its p the larger of the two.

    Args:
        a, b: Values of the two arms.
        margin: Above 0, in the metric's own units; to be named before looking.

    Raises:
        ValueError: If the margin is not above 0, or as `difference_interval`.

    Source: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics (1987).
    """
    if not margin > 0:
        raise ValueError(f"margin must be above 0; got {margin}")
    first, second = _pair(a, b)
    mean, about = _mean(first, second), NEW_USERS
    if min(len(first), len(second)) >= MIN_SEEDS:
        found, about = difference_components(first, second), NEW_SEEDS
    else:
        found = user_components(differences(first, second))
    half = found.p_value(mean + margin) / 2
    p = half if mean > -margin else 1 - half
    method = f"one-sided, worse by {margin:g} or more"
    return Comparison(mean, p, method, about, first.shape[1])


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = checked_values(a, "a"), checked_values(b, "b")
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            "a and b must hold the same users in the same order; got "
            f"{first.shape[1]:,} and {second.shape[1]:,} users"
        )
    return first, second


def _mean(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(differences(first, second).mean())


def _components(first: NDArray[np.float64], second: NDArray[np.float64]) -> Components:
    for runs, name in ((first, "a"), (second, "b")):
        if len(runs) < MIN_SEEDS:
            raise ValueError(
                f"what is said about new seeds needs at least {MIN_SEEDS} seeds of both arms; "
                f"{name} has {len(runs)}: train more, or ask about these models on new users"
            )
    return difference_components(first, second)


def _signed_sums(
    sizes: NDArray[np.float64], num_permutations: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return ``(num_permutations,)`` sums of the sizes, each with a random sign."""
    distinct, counts = np.unique(sizes, return_counts=True)
    if len(distinct) <= _BINOMIALS:
        plus = rng.binomial(counts, 0.5, size=(num_permutations, len(counts)))
        return (2 * plus - counts) @ distinct
    groups = np.pad(sizes, (0, -len(sizes) % 8)).reshape(-1, 8)
    signs = 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1) - 1
    sums, tables = np.zeros(num_permutations), (groups @ signs.T)  # (groups, 256)
    rows = max(1, _CHUNK // num_permutations)
    for start in range(0, len(groups), rows):
        part = tables[start : start + rows]
        drawn = rng.integers(256, size=(len(part), num_permutations), dtype=np.uint8)
        sums += np.take(part, drawn + 256 * np.arange(len(part))[:, None]).sum(0)
    return sums
