"""A paired permutation test of 200,000 users against SciPy's: seconds, and that both agree.

    python -m benchmarks.paired

NDCG@10 of 200,000 users, most of whom miss, for one run an arm and for the mean of three. `tcf`
draws 10,000 permutations; SciPy draws 200 (all of them would take an hour and a hundredth of that
says as much), and its seconds are scaled to 10,000. The answer goes to results/paired.json.
"""

import statistics
import time
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.report import write_result
from tcf.evaluate import paired_permutation

NUM_USERS, NUM_PERMUTATIONS, OF_SCIPY, TURNS = 200_000, 10_000, 200, 5


def main() -> None:
    """Time both in turns, and write the medians."""
    found = {f"{num_seeds} seeds": compare(num_seeds) for num_seeds in (1, 3)}
    write_result("paired", found)


def compare(num_seeds: int) -> dict[str, Any]:
    """Return the median seconds of both, and the p-values they came to."""
    a, b = (ndcg(num_seeds, seed=seed).mean(0) for seed in (0, 1))
    ours, theirs = [], []
    for turn in range(TURNS):
        began = time.perf_counter()
        found = paired_permutation(a, b, seed=turn, num_permutations=NUM_PERMUTATIONS)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        witness = stats.permutation_test(
            (a, b),
            lambda x, y, axis: (x - y).mean(axis),
            permutation_type="samples",
            n_resamples=OF_SCIPY,
            vectorized=True,
            batch=20,
            rng=np.random.default_rng(turn),
        )
        theirs.append((time.perf_counter() - began) * NUM_PERMUTATIONS / OF_SCIPY)
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(
        f"{num_seeds} seeds: tcf {mine:.2f} s, SciPy {other:.0f} s ({other / mine:.0f} times); "
        f"p {found.p:.3f} and {witness.pvalue:.3f}"
    )
    return {
        "seconds": [round(x, 3) for x in ours],
        "median_seconds": round(mine, 3),
        "scipy_seconds_scaled": round(other, 1),
        "ratio": round(other / mine, 1),
        "p": {"tcf": found.p, "scipy": witness.pvalue},
    }


def ndcg(num_seeds: int, *, seed: int) -> np.ndarray:
    """Return ``(num_seeds, NUM_USERS)`` values: nine in ten miss, as many at each place."""
    rng = np.random.default_rng(seed)
    gains = np.concatenate((1 / np.log2(np.arange(2, 12)), [0.0]))
    shape = (num_seeds, NUM_USERS)
    return gains[np.where(rng.random(shape) < 0.9, 10, rng.integers(0, 10, shape))]


if __name__ == "__main__":
    main()
