"""Peak memory of a loss over a million items, each arm in a process of its own.

    python -m benchmarks.loss_memory [--items 1000000]

One forward and backward pass of SASRec + ID, width 64, for 128 users with 20 predictions each.
Memory is anonymous (RssAnon) above what the process held just before, which is the weights and the
optimiser's state; the gradient of the weights is taken off too. What is left is what the loss needs
for itself. Figures go to results/loss_memory.json.
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
from tcf.model import IdTower, Recommender, SASRec
from tcf.train import TrainConfig, log_popularity, training_batches
from tcf.train.examples import loss_of
from tcf.train.optimizer import Optimizer

DIM, USERS, HISTORY = 64, 128, 20
ARMS = {
    "full_softmax": {"loss": "full_softmax"},
    "full_softmax_unknown": {"loss": "full_softmax_unknown"},
    "sampled_softmax": {"loss": "sampled_softmax", "num_negatives": 256},
    "in_batch_softmax": {"loss": "in_batch_softmax"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--arm", choices=tuple(ARMS))
    arguments = parser.parse_args()
    if arguments.arm:
        print(json.dumps(arm(arguments.arm, num_items=arguments.items)))
        return
    arms = {n: run_arm("benchmarks.loss_memory", n, items=arguments.items) for n in ARMS}
    scores = USERS * HISTORY * arguments.items * 4
    write_result(
        "loss_memory",
        {"items": arguments.items, "width": DIM, "predictions": USERS * HISTORY}
        | {"all_scores_megabytes": round(scores / 1e6)}
        | arms,
    )


def arm(name: str, *, num_items: int) -> dict[str, Any]:
    """One forward and backward pass in this process."""
    torch.set_num_threads(1)
    config = TrainConfig(batch_size=USERS, **ARMS[name])
    loss = loss_of(config)
    # 30 to 90 items a user: each batch has the most predictions that fit
    split = simulated_split(
        num_items=num_items, num_interactions=20_000, sample=1, seed=0, length=60
    )
    model = Recommender(IdTower(num_items, dim=DIM), SASRec(dim=DIM, max_history=HISTORY), seed=0)
    optimizer = Optimizer(model, config, loss=loss, num_batches=1)
    log_shares = log_popularity(split)
    batch = next(training_batches(model, split, config, np.random.default_rng(0), loss=loss))
    optimizer.refresh(batch)
    model.train()
    began = time.process_time()
    with PeakAnonymous(every_seconds=0.002) as memory:
        model.loss(batch, log_popularity=log_shares, loss=loss).backward()
    seconds = time.process_time() - began
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    held = sum((g._values() if g.is_sparse else g).nbytes for g in grads)
    return {
        "processor_seconds": round(seconds, 2),
        "predictions": len(batch.targets),
        "megabytes_before": round(memory.start_bytes / 1e6),
        "gradient_megabytes": round(held / 1e6),
        "megabytes_above": round((memory.above_start_bytes - held) / 1e6),
    }


if __name__ == "__main__":
    main()
