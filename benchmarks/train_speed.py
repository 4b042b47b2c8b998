"""Training epoch of SASRec + ID against RecTools' SASRec at the same width, batch and negatives.

    python -m benchmarks.train_speed FOLDER --python PYTHON [--repeats 3] [--batches 60]

FOLDER holds MicroLens-50k, PYTHON is the interpreter of RecTools' own environment (see
rectools/README.md). Both sides train on the same interactions over the same catalogue: width 64, 64
users a batch, at most 20 items of history, two blocks, two heads, dropout 0.1; once with the full
softmax, and with 128 negatives by sampled softmax and gBCE. Each turn is a process of its own for
RecTools; the sides take turns. A turn trains on ``--batches`` batches after five that warm up and
is scaled to the 782 of an epoch. Both seconds on the clock and processor time are kept: with other
work on the machine the second is the steadier. Figures go to results/train_speed.json.
"""

import argparse
import json
import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.rectools.exchange import write_exchange
from benchmarks.report import median_ratio, spread, write_result
from tcf.data import filter_interactions, leave_one_out, read_folder
from tcf.data.split import Split
from tcf.evaluate import rank_targets
from tcf.model import IdTower, Recommender, SASRec
from tcf.train import TrainConfig, log_popularity, training_batches
from tcf.train.examples import loss_of, num_batches
from tcf.train.optimizer import Optimizer

EXCHANGE = Path(__file__).parents[1] / "cache" / "benchmarks" / "rectools"
SETTINGS = {
    "dim": 64,
    "num_layers": 2,
    "num_heads": 2,
    "dropout": 0.1,
    "max_history": 20,
    "batch_size": 64,
    "learning_rate": 1e-3,
}
LOSSES = {"full_softmax": None, "sampled_softmax": 128, "gbce": 128}  # -> negatives
WARM_UP = 5
KINDS = ("", "_processor")  # seconds on the clock; of the processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--python", required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    catalog, interactions, _ = filter_interactions(*read_folder(arguments.folder))
    split = leave_one_out(catalog, interactions)
    write_exchange(split, EXCHANGE)
    found: dict[str, Any] = {"users": split.num_users, "items": split.num_items}
    for loss, negatives in LOSSES.items():
        taken: dict[str, list[np.ndarray]] = defaultdict(list)
        settings = SETTINGS | {"loss": loss, "num_negatives": negatives}
        for _ in range(arguments.repeats):
            ours = tcf_turn(split, settings, num_steps=arguments.batches)
            theirs = rectools_turn(settings, arguments)
            for side, turn in (("tcf", ours), ("rectools", theirs)):
                for what, seconds in turn.items():
                    taken[f"{side}_{what}"].append(np.array(seconds))
            print(loss, {name: v[-1].round(1).tolist() for name, v in taken.items()}, flush=True)
        found[loss] = {"negatives": negatives} | summary(taken)
    found["settings"] = SETTINGS
    write_result("train_speed", found | {"batches_timed": arguments.batches})


def summary(taken: dict[str, list[np.ndarray]]) -> dict[str, Any]:
    """Return medians and ranges of each side, and the ratio of the epochs turn by turn."""
    found: dict[str, Any] = {}
    for kind, name in enumerate(KINDS):
        seconds = {what: [float(v[kind]) for v in turns] for what, turns in taken.items()}
        found |= {f"{what}{name}_seconds": spread(v) for what, v in seconds.items()}
        found[f"epoch{name}_ratio"] = median_ratio(
            seconds["rectools_epoch"], seconds["tcf_epoch"], digits=1
        )
    return found


def tcf_turn(split: Split, settings: dict[str, Any], *, num_steps: int) -> dict[str, np.ndarray]:
    """Train on a share of an epoch as `fit` does; rank the validation targets of all users."""
    config = TrainConfig(
        loss=settings["loss"],
        num_negatives=settings["num_negatives"],
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        weight_decay=0.0,
    )
    shape = {n: settings[n] for n in ("dim", "num_layers", "num_heads", "max_history", "dropout")}
    model = Recommender(IdTower(split.num_items, dim=shape["dim"]), SASRec(**shape), seed=0)
    loss, log_shares = loss_of(config), log_popularity(split)
    size = num_batches(model, split, config)
    optimizer = Optimizer(model, config, loss=loss, num_batches=size)
    batches = training_batches(model, split, config, np.random.default_rng(0), loss=loss)
    model.train()

    def steps(number: int) -> None:
        for batch in islice(batches, number):
            optimizer.refresh(batch)
            model.loss(batch, log_popularity=log_shares, loss=loss).backward()
            optimizer.step()

    steps(WARM_UP)
    epoch = seconds_of(lambda: steps(num_steps)) / num_steps * size
    return {"epoch": epoch, "recommend": seconds_of(lambda: rank_targets(model, split.validation))}


def seconds_of(call: Callable[[], object]) -> np.ndarray:
    """Return seconds on the clock and of the processor."""
    began = time.perf_counter(), time.process_time()
    call()
    return np.array([time.perf_counter() - began[0], time.process_time() - began[1]])


def rectools_turn(settings: dict[str, Any], arguments: argparse.Namespace) -> dict[str, list]:
    """The same in RecTools' environment; its recommending finds the top ten of all users."""
    command = [arguments.python, "-m", "benchmarks.rectools.arm", "time", str(EXCHANGE)]
    command += ["--settings", json.dumps(settings), "--threads", str(arguments.threads)]
    command += ["--batches", str(arguments.batches + WARM_UP)]
    root = str(Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": str(arguments.threads)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=root, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
