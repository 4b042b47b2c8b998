"""A paired permutation test of 200,000 users against SciPy's: seconds, and that both agree.

    python -m benchmarks.paired

NDCG@10 of 200,000 users, most of whom miss, for one run an arm and for the mean of three; and MRR
over the whole catalogue, by which nearly all users differ. `tcf` draws 10,000 permutations; SciPy
draws 100 (a hundredth of the work says as much), and its seconds are scaled to 10,000. The ratio is
that of processor seconds, which other programs on the machine move less. The answer goes to
results/paired.json.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.report import median_ratio, spread, write_result
from tcf.evaluate import paired_permutation

NUM_USERS, NUM_PERMUTATIONS, OF_SCIPY, TURNS = 200_000, 10_000, 100, 5


def main() -> None:
    """Time both in turns, on values of three kinds."""
    arms = {
        "ndcg@10, 1 seed": [ndcg(1, seed=seed).mean(0) for seed in (0, 1)],
        "ndcg@10, 3 seeds": [ndcg(3, seed=seed).mean(0) for seed in (0, 1)],
        "mrr, 1 seed": [mrr(seed=seed) for seed in (0, 1)],
    }
    write_result("paired", {name: compare(*pair) for name, pair in arms.items()})


def compare(a: np.ndarray, b: np.ndarray) -> dict[str, Any]:
    """Return seconds and processor seconds of both, their ratio, and the p-values they came to."""
    turns = []
    for turn in range(TURNS):
        ours = timed(lambda turn=turn: of_tcf(a, b, turn))
        turns.append((ours, timed(lambda turn=turn: of_scipy(a, b, turn))))
        print(turns[-1], flush=True)
    scale = NUM_PERMUTATIONS / OF_SCIPY
    tcf, scipy = ([turn[arm] for turn in turns] for arm in (0, 1))
    return {
        "seconds": spread([x["seconds"] for x in tcf]),
        "processor_seconds": spread([x["processor_seconds"] for x in tcf]),
        "scipy_processor_seconds_scaled": spread([x["processor_seconds"] * scale for x in scipy]),
        "processor_ratio": median_ratio(
            [x["processor_seconds"] * scale for x in scipy],
            [x["processor_seconds"] for x in tcf],
            digits=0,
        ),
        "p": {
            name: spread([x["p"] for x in of], digits=3)
            for name, of in (("tcf", tcf), ("scipy", scipy))
        },
    }


def timed(test: Callable[[], float]) -> dict[str, float]:
    """Return what a test takes by the clock and of the processor, and its p."""
    began, worked = time.perf_counter(), time.process_time()
    p = test()
    return {
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - worked,
        "p": p,
    }


def of_tcf(a: np.ndarray, b: np.ndarray, seed: int) -> float:
    """Return the p-value of `tcf`."""
    return paired_permutation(a, b, seed=seed, num_permutations=NUM_PERMUTATIONS).p


def of_scipy(a: np.ndarray, b: np.ndarray, seed: int) -> float:
    """Return the p-value of SciPy, of fewer permutations."""
    found = stats.permutation_test(
        (a, b),
        lambda x, y, axis: (x - y).mean(axis),
        permutation_type="samples",
        n_resamples=OF_SCIPY,
        vectorized=True,
        batch=20,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def mrr(*, seed: int) -> np.ndarray:
    """Return ``(NUM_USERS,)`` reciprocal ranks in a catalogue of 20,000, log-uniform."""
    logs = np.random.default_rng(seed).uniform(0, np.log(20_000), NUM_USERS)
    return 1 / np.ceil(np.exp(logs))


def ndcg(num_seeds: int, *, seed: int) -> np.ndarray:
    """Return ``(num_seeds, NUM_USERS)`` values: nine in ten miss, as many at each place."""
    rng = np.random.default_rng(seed)
    gains = np.concatenate((1 / np.log2(np.arange(2, 12)), [0.0]))
    shape = (num_seeds, NUM_USERS)
    return gains[np.where(rng.random(shape) < 0.9, 10, rng.integers(0, 10, shape))]


if __name__ == "__main__":
    main()
