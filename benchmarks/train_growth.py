"""How time per epoch grows with interactions, and what ten million items take.

    python -m benchmarks.train_growth [--largest 10000000] [--items 10000000]

Arms ``interactions``: one epoch of SASRec + ID, width 64, 64 users a batch, in-batch softmax, over
20,000 items and 100,000 to ten million simulated interactions; the slope is that of a line through
log seconds against log interactions. Arm ``items``: an epoch over ten million items and a million
interactions, with the peak of its anonymous memory, the catalogue and its ids included. Validation
ranks a sample of users. Each arm is a process of its own with one thread. Figures go to
results/train_growth.json.
"""

import argparse
import json
import time
from typing import Any

import numpy as np
import torch

from benchmarks.probe import PeakAnonymous, run_arm
from benchmarks.report import write_result
from benchmarks.simulated import simulated_split
from tcf.data.split import Split
from tcf.model import IdTower, Recommender, SASRec
from tcf.train import TrainConfig, fit

CATALOG, SAMPLE, STEPS = 20_000, 200, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=10_000_000)
    parser.add_argument("--items", type=int, default=10_000_000)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--arm", choices=("interactions", "items"))
    arguments = parser.parse_args()
    if arguments.arm == "interactions":
        print(json.dumps(epoch(num_items=CATALOG, num_interactions=arguments.interactions)))
    elif arguments.arm == "items":
        print(json.dumps(epoch(num_items=arguments.items, num_interactions=arguments.interactions)))
    else:
        write_result("train_growth", measure(arguments.largest, num_items=arguments.items))


def measure(largest: int, *, num_items: int) -> dict[str, Any]:
    """Run every arm; fit the slope."""
    many_items = run_arm("benchmarks.train_growth", "items", items=num_items)
    print(many_items, flush=True)
    sizes = np.geomspace(largest / 100, largest, STEPS).round().astype(int).tolist()
    arms = [run_arm("benchmarks.train_growth", "interactions", interactions=n) for n in sizes]
    found: dict[str, Any] = {"by_interactions": arms}
    for name in ("train_seconds", "processor_seconds"):
        logs = np.log([(arm["interactions"], arm[name]) for arm in arms])
        slope = np.polyfit(logs[:, 0], logs[:, 1], 1)[0]
        found[f"{name.removesuffix('_seconds')}_slope"] = round(float(slope), 3)
    return found | {"many_items": many_items}


def epoch(*, num_items: int, num_interactions: int) -> dict[str, Any]:
    """One epoch in this process, after a short one that warms up."""
    torch.set_num_threads(1)
    split = simulated_split(
        num_items=num_items, num_interactions=num_interactions, sample=SAMPLE, seed=0
    )
    config = TrainConfig(max_epochs=1)
    warm = simulated_split(num_items=100, num_interactions=10_000, sample=1, seed=1)
    fit(recommender(warm), warm, config, seed=0, progress=False)
    with PeakAnonymous(every_seconds=0.05) as memory:
        began = time.process_time()
        history = fit(recommender(split), split, config, seed=0, progress=False)
        processor = time.process_time() - began
    (record,) = history.epochs
    return {
        "items": num_items,
        "interactions": split.train.num_interactions,
        "users": split.num_users,
        "train_seconds": round(record.train_seconds, 2),
        "evaluate_seconds": round(record.evaluate_seconds, 2),
        "processor_seconds": round(processor, 2),  # of the whole call
        "peak_gigabytes": round(memory.peak_bytes / 1e9, 2),
    }


def recommender(split: Split) -> Recommender:
    return Recommender(IdTower(split.num_items, dim=64), SASRec(dim=64), seed=0)


if __name__ == "__main__":
    main()
