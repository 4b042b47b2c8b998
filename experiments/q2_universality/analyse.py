"""How far a small tuned encoder comes, and at what cost: prints tables, writes results.json.

Run: python -m experiments.q2_universality.analyse   (seconds; reads the records alone)

Of the distance from the small frozen encoder to the largest frozen one a tuned one covers a share,
which there is only where that distance can be told from zero. The margin, 10% of the mean of the
largest frozen one, was named before any run.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.q2_universality.study import LARGE, SMALL, WAYS
from tcf._util import write_json
from tcf.evaluate.paired import difference_interval, ratio_interval
from tcf.study.cells import Cell, read_cells
from tcf.study.compare import paired_values
from tcf.study.equivalence import standings
from tcf.study.evidence import evidence

HERE = Path(__file__).parent
METRIC, MARGIN = "ndcg@10", 0.1
COSTS = ["dataset", "arm", "parameters", "value", "epochs", "train_seconds", "train_flops"]


def main(records: Path = HERE / "records", out: Path = HERE / "results.json") -> None:
    """Read the records; say how each way of tuning stands, and what it covers and costs."""
    cells = read_cells(records)
    told = standings(cells, against=LARGE, metric=METRIC, margin=MARGIN).to_dicts()
    for row in told:
        print(
            f"{row['dataset']}: {row['arm']} {row['value']:.4f}, {LARGE} frozen "
            f"{row['against_value']:.4f}, {row['difference']:+.4f} [{row['low']:+.4f}, "
            f"{row['high']:+.4f}]: {row['verdict']}"
        )
    datasets = dict.fromkeys(cell.dataset for cell in cells)
    shares = [covered(cells, dataset, way) for dataset in datasets for way in WAYS]
    for row in shares:
        said = f"{row['share']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" if "share" in row else ""
        print(f"{row['dataset']}: {row['arm']} covers {said or 'a share that cannot be told'}")
    paid = evidence(cells, metrics=[METRIC]).filter(mark="mean", kind="model").select(COSTS)
    for row in paid.iter_rows(named=True):
        seconds, flops = row["train_seconds"], row["train_flops"]
        print(f"{row['dataset']}: {row['arm']} {seconds:.0f} s, {flops:.2g} FLOPs a run")
    write_json(
        out, {"margin": MARGIN, "standings": told, "covered": shares, "costs": paid.to_dicts()}
    )


def covered(cells: Sequence[Cell], dataset: str, way: str) -> dict[str, Any]:
    """Return what a way of tuning gains, and its share of the distance where that can be told."""
    named = {cell.arm: cell for cell in cells if cell.dataset == dataset}
    arm = f"{SMALL}, {way}"
    large, small = paired_values(named[LARGE], named[SMALL], METRIC)
    tuned, _ = paired_values(named[arm], named[SMALL], METRIC)
    distance, gain = (difference_interval(x, small, seed=0) for x in (large, tuned))
    told = {"dataset": dataset, "arm": arm, "distance": asdict(distance), "gain": asdict(gain)}
    if min(distance.low, gain.low) <= 0:
        return told
    share = ratio_interval(tuned - small, large - small)
    return {**told, "share": share.mean, "low": share.low, "high": share.high}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
