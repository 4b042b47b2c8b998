"""Tables of evidence from ten million rows of ledgers, against plain NumPy in the same run.

    python -m benchmarks.evidence [--repeats 3]

``slices``: HR, NDCG and MRR at 5, 10 and 20 of 200 runs x 50,000 users, and of 10 runs x 1,000,000,
for everyone and in every slice, with 1,000-sample bootstrap intervals. The peer is NumPy as one
would write it: for each run and slice, users drawn with ``rng.integers``, each draw shared by all
metrics; it does 20 resamples of one run, scaled to the whole. Arms take turns, each in a process of
its own, whose peak memory is all that it holds, interpreter and ledgers included. The ratio is that
of processor seconds, which other programs on the machine move less. Figures go to
results/evidence.json.
"""

import argparse
import json
import resource
import time
from typing import Any

import numpy as np
import polars as pl

from benchmarks.probe import run_arm
from tcf.evaluate.ledger import Ledger
from tcf.evaluate.metrics import metric
from tcf.evaluate.slices import ALL_METRICS, members, slice_names, slice_table

SHAPES = {"200 x 50,000": (200, 50_000), "10 x 1,000,000": (10, 1_000_000)}
NUM_ITEMS, NUM_RESAMPLES, SAMPLE = 19_158, 1000, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--arm", choices=("tcf", "numpy"))
    parser.add_argument("--runs", type=int)
    parser.add_argument("--users", type=int)
    arguments = parser.parse_args()
    if arguments.arm:
        print(json.dumps(slices_arm(arguments.arm, arguments.runs, arguments.users)))
        return
    from benchmarks.report import write_result  # loads torch, whose memory is not the arms'

    write_result("evidence", {"slices": slices(repeats=arguments.repeats)})


def slices(*, repeats: int) -> dict[str, Any]:
    """Seconds and peak memory of all metrics, slices and intervals, for each shape."""
    from benchmarks.report import median_ratio, spread

    found = {}
    for shape, (runs, users) in SHAPES.items():
        turns: dict[str, list[dict[str, Any]]] = {"tcf": [], "numpy": []}
        for _ in range(repeats):
            for arm, done in turns.items():
                done.append(run_arm("benchmarks.evidence", arm, runs=runs, users=users))
                print(shape, arm, done[-1], flush=True)
        figures: dict[str, Any] = {}
        for arm, done in turns.items():
            for name in ("seconds", "processor_seconds"):
                figures[f"{arm}_{name}"] = spread([turn[name] for turn in done])
            figures[f"{arm}_peak_megabytes"] = max(turn["peak_megabytes"] for turn in done)
        work = {arm: [turn["processor_seconds"] for turn in done] for arm, done in turns.items()}
        found[shape] = {
            **figures,
            "processor_ratio": median_ratio(work["numpy"], work["tcf"], digits=0),
            **agreement(users),
        }
    return found


def slices_arm(arm: str, num_runs: int, num_users: int) -> dict[str, Any]:
    """Make the ledgers and then the table, in this process."""
    ledgers, split = simulated(num_runs, num_users)
    began, worked = time.perf_counter(), time.process_time()
    if arm == "tcf":
        slice_table(ledgers, split, seed=0, num_resamples=NUM_RESAMPLES)
        scale = 1.0
    else:
        by_numpy(ledgers["0"], split, num_resamples=SAMPLE)
        scale = num_runs * NUM_RESAMPLES / SAMPLE
    return {
        "seconds": round((time.perf_counter() - began) * scale, 2),
        "processor_seconds": round((time.process_time() - worked) * scale, 2),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }


def simulated(num_runs: int, num_users: int) -> tuple[dict[str, Ledger], pl.DataFrame]:
    """Ledgers like those of MicroLens-50k: 6% of the ranks up to 20, ties for 8% of the users."""
    rng = np.random.default_rng(0)
    split = pl.DataFrame(
        {
            "target_train_count": rng.geometric(0.04, num_users).astype(np.int32) - 1,
            "history_length": np.minimum(3 + rng.geometric(0.3, num_users), 22).astype(np.int32),
            "target_in_history": rng.random(num_users) < 0.02,
        }
    )
    ledgers = {}
    for run in range(num_runs):
        ranks = 1 + (NUM_ITEMS * rng.beta(0.45, 1.5, num_users)).astype(np.int32)
        ties = np.where(rng.random(num_users) < 0.08, rng.geometric(0.5, num_users), 0)
        ledgers[str(run)] = Ledger(ranks, ties.astype(np.int32))
    return ledgers, split


def by_numpy(
    ledger: Ledger, split: pl.DataFrame, *, num_resamples: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The peer: each slice's means and interval ends, ``(metrics,)`` and ``(2, metrics)``."""
    rng = np.random.default_rng(0)
    values = np.stack([metric(ledger, name) for name in ALL_METRICS], axis=1)
    found = {}
    for name in slice_names():
        part = values[members(split, name)]
        if not len(part):
            continue
        draws = (part[rng.integers(len(part), size=len(part))] for _ in range(num_resamples))
        means = np.stack([draw.mean(0) for draw in draws])
        found[name] = part.mean(0), np.quantile(means, [0.025, 0.975], axis=0)
    return found


def agreement(num_users: int) -> dict[str, Any]:
    """How far the values and the ends of one run's intervals are from the peer's."""
    ledgers, split = simulated(1, min(num_users, 50_000))
    expected = by_numpy(ledgers["0"], split, num_resamples=NUM_RESAMPLES)
    values, ends = [], []
    for (name,), rows in slice_table(ledgers, split, seed=0).group_by("slice"):
        means, (low, high) = expected[str(name)]
        values.append(np.abs(rows["value"].to_numpy() - means).max())
        wide = high > low
        apart = np.abs(np.stack([rows["low"].to_numpy() - low, rows["high"].to_numpy() - high]))
        ends.append((apart[:, wide] / (high - low)[wide]).ravel())
    return {
        "largest_difference_of_values": float(max(values)),
        "median_difference_of_ends_in_widths": round(float(np.median(np.concatenate(ends))), 4),
    }


if __name__ == "__main__":
    main()
