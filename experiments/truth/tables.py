"""Ten comparisons at once: how often a table has any error, and what share of its claims are."""

from functools import lru_cache

import numpy as np

from experiments.truth.cells import LEVEL, Cell, Outcomes
from experiments.truth.pairs import ALPHA, PERMUTATIONS
from tcf.evaluate.corrections import benjamini_hochberg, holm
from tcf.evaluate.paired import paired_permutation, seed_test
from tcf.evaluate.stats import MIN_SEEDS

COMPARISONS = 10
BETTER_BY = 4  # standard errors, of half of the arms in the second table


def tables(cell: Cell, number: int) -> Outcomes:
    """Correct a table of ten equal arms, and one in which half of the ten are better.

    Arms are compared by the test that `tcf.study.compare` would take: `seed_test` from three seeds
    on, else the permutation test, then between models that are equal as trained.
    """
    of_seeds = cell.num_seeds >= MIN_SEEDS
    drawn = cell.draw(_effects(cell), cell.rng(number), shared_seeds=not of_seeds)
    base, *others = drawn.values
    p = np.array([_p(other, base, number) for other in others])
    equal, better = p[:COMPARISONS], p[COMPARISONS:]
    mixed = np.concatenate([equal[: COMPARISONS - len(better)], better])
    claimed = benjamini_hochberg(mixed) < ALPHA
    false = claimed[: COMPARISONS - len(better)].sum()
    return {
        "ten equal arms: any p below 0.05": float((equal < ALPHA).any()),
        "ten equal arms: any after Holm": float((holm(equal) < ALPHA).any()),
        "ten equal arms: any after Benjamini-Hochberg": float(
            (benjamini_hochberg(equal) < ALPHA).any()
        ),
        "five of ten better: share of false claims": float(false / max(claimed.sum(), 1)),
        "five of ten better: share of them found": float(claimed[-len(better) :].mean()),
        "five of ten better: share found after Holm": float(
            (holm(mixed)[-len(better) :] < ALPHA).mean()
        ),
    }


@lru_cache(maxsize=4)
def _effects(cell: Cell) -> np.ndarray:
    error = cell.errors[1 if cell.num_seeds >= MIN_SEEDS else 0]
    equal, better = cell.effect_of(LEVEL), cell.effect_of(LEVEL + BETTER_BY * error)
    return np.array([equal] * (1 + COMPARISONS) + [better] * (COMPARISONS // 2))


def _p(other: np.ndarray, base: np.ndarray, number: int) -> float:
    if len(base) >= MIN_SEEDS:
        return seed_test(other, base).p
    return paired_permutation(other, base, seed=number, num_permutations=PERMUTATIONS).p
