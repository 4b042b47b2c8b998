"""Twenty small studies with real trainings: do intervals from three seeds hold for further seeds?

Run:     python -m experiments.truth.trained --studies 20
Cost:    about half a minute a study on one core; finished studies are kept, runs too.
Expect:  about 92% covered (below), where 60 intervals of 20 studies can tell 92% from 80%.

Each study is a simulated world of 1,500 users, DSSM with ID and with TF-IDF. The interval for new
seeds and new users is made from three seeds and the first 500 users, and asked whether it covers
the mean of ten further seeds over the other 1,000 users. That mean has an error of its own, with
half of the users' variance and three tenths of the seeds': an interval that covers the truth 95% of
the time covers it about 89% (users alone vary) to 92% (seeds alone).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tcf._util import write_json
from tcf.data.catalog import Catalog, Interactions
from tcf.data.simulate import simulate
from tcf.evaluate.paired import difference_interval, seed_test
from tcf.evaluate.stats import Interval, mean_interval
from tcf.study import Arm, DSSMConfig, Study, grid, run_study
from tcf.study.cells import read_cells
from tcf.train import TrainConfig

RESULTS = Path(__file__).parent / "trained.json"
METRIC = "hr@10"
MEASURED_SEEDS, FURTHER_SEEDS = 3, 10
MEASURED_USERS, NUM_USERS = 500, 1500
FIRST_WORLD = 1000  # no other experiment uses these worlds


def study(world: int, *, num_users: int = NUM_USERS, max_epochs: int = 4) -> Study:
    """Return the study of a world."""
    train = TrainConfig(max_epochs=max_epochs, patience=None, batch_size=256, learning_rate=1e-2)
    return Study(
        name=f"truth-world-{world}",
        load=partial(load, world, num_users),
        runs=grid(
            dataset=f"world {world}",
            arms=(
                Arm(name="ID", kind="id"),
                Arm(name="TF-IDF", kind="static", encoder="tfidf-svd"),
            ),
            backbones=[(DSSMConfig(), train)],
            seeds=range(MEASURED_SEEDS + FURTHER_SEEDS),
            dim=32,
        ),
        metrics=(METRIC,),
    )


def load(world: int, num_users: int, _data: Path | None) -> tuple[Catalog, Interactions]:
    """Simulate the world."""
    return simulate(num_users=num_users, num_items=1000, seed=world)


def check(records: Path, *, num_measured: int = MEASURED_USERS) -> dict[str, Any]:
    """Compare what three seeds and some users say with further seeds and the other users."""
    arms = {cell.arm: cell.values(METRIC) for cell in read_cells(records)}
    known = {name: x[:MEASURED_SEEDS, :num_measured] for name, x in arms.items()}
    further = {name: float(x[MEASURED_SEEDS:, num_measured:].mean()) for name, x in arms.items()}
    found = {name: _entry(mean_interval(x, seed=0), further[name]) for name, x in known.items()}
    a, b = known["ID"], known["TF-IDF"]
    difference = difference_interval(a, b, seed=0, about="seeds")
    found["ID - TF-IDF"] = _entry(difference, further["ID"] - further["TF-IDF"])
    found["ID - TF-IDF"]["p"] = seed_test(a, b).p
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the studies that the results do not have yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    results = json.loads(options.results.read_text()) if options.results.exists() else {}
    for world in range(FIRST_WORLD, FIRST_WORLD + options.studies):
        if str(world) in results:
            continue
        records = options.cache / "truth" / f"world-{world}"
        run_study(
            study(world),
            records=records,
            cache=options.cache,
            num_workers=options.workers,
            keep_models=False,
            say=lambda text: None,
        )
        results[str(world)] = check(records)
        write_json(options.results, results)
        covered = [entry["covered"] for one in results.values() for entry in one.values()]
        print(f"{len(results)} studies: {sum(covered)} of {len(covered)} covered", file=sys.stderr)


def _entry(interval: Interval, further: float) -> dict[str, Any]:
    numbers = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    rounded = {name: float(np.round(x, 6)) for name, x in {**numbers, "further": further}.items()}
    return {**rounded, "covered": bool(interval.low <= further <= interval.high)}


if __name__ == "__main__":
    main()
