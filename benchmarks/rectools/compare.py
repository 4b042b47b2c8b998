"""Is `tcf`'s SASRec worse than RecTools'? Four trials each over one space, one paired answer.

    python -m benchmarks.rectools.compare FOLDER --python PYTHON [--seeds 3] [--side tcf]

FOLDER holds MicroLens-50k, PYTHON is the interpreter of RecTools' own environment (README.md here).
Each side trains every setting of space.py until its own early stop on validation NDCG@10, without a
limit of time; the setting that was best on validation is trained with further seeds, and only then
are its test ranks compared, user by user. `tcf` trains as its `strong` preset does: softmax over
the catalogue and a weight decay, in place of the loss with drawn negatives. Both are scored by
`tcf.evaluate`, RecTools from its top ten. Trials that are on disk are kept, so the command can be
stopped and called again, and the two sides can run apart. Cost: `tcf` minutes a trial; RecTools an
hour or so, most of it the epochs. The answer goes to ../results/rectools.json, the trials to
cache/benchmarks/rectools/.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.rectools.exchange import write_exchange
from benchmarks.rectools.space import TRIALS
from benchmarks.report import write_result
from tcf.data import filter_interactions, leave_one_out, read_folder
from tcf.data.split import Split
from tcf.evaluate import Ledger, bootstrap_mean, ledger_of_lists, ndcg, rank_targets
from tcf.model import IdTower, Recommender, SASRec
from tcf.study.presets import strong
from tcf.study.records import read_ledger, write_ledger
from tcf.train import TrainConfig, fit

ROOT = Path(__file__).parents[2]
EXCHANGE = ROOT / "cache" / "benchmarks" / "rectools"
SIDES = ("tcf", "rectools")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--python", required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side", choices=SIDES, help="train this side only, and do not compare")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    catalog, interactions, _ = filter_interactions(*read_folder(arguments.folder))
    split = leave_one_out(catalog, interactions)
    write_exchange(split, EXCHANGE)
    found = {
        side: train_side(side, split, arguments) for side in SIDES if arguments.side in (None, side)
    }
    if arguments.side is None:
        write_result("rectools", answer(found, split))


def train_side(side: str, split: Split, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train every trial with seed 0, and the best on validation with the further seeds."""

    def one(number: int, seed: int) -> dict[str, Any]:
        out = EXCHANGE / f"{side}-{number}-seed{seed}"
        if not out.with_suffix(".json").exists():
            if side == "tcf":
                tcf_trial(split, TRIALS[number], seed=seed, out=out)
            else:
                rectools_trial(TRIALS[number], seed=seed, out=out, arguments=arguments)
        trial = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
        print(out.name, f"validation ndcg@10 {max(trial['validation']):.5f}", flush=True)
        return trial

    tried = [one(number, 0) for number in range(len(TRIALS))]
    best = int(np.argmax([max(trial["validation"]) for trial in tried]))
    seeds = [tried[best], *(one(best, seed) for seed in range(1, arguments.seeds))]
    return {"trials": tried, "best": best, "seeds": seeds}


def tcf_trial(split: Split, settings: dict[str, Any], *, seed: int, out: Path) -> None:
    """Train to the early stop, as `strong` has it: its own loss and decay, all else as drawn."""
    of_training = ("learning_rate", "batch_size", "max_epochs", "patience")
    drawn = {name: settings[name] for name in of_training}
    config = TrainConfig(**strong("SASRec").train.model_dump() | drawn)
    of_backbone = ("dim", "num_layers", "num_heads", "max_history", "dropout")
    backbone = SASRec(**{name: settings[name] for name in of_backbone})
    model = Recommender(IdTower(split.num_items, dim=settings["dim"]), backbone, seed=seed)
    history = fit(model, split, config, seed=seed, progress=False)
    write_ledger(out.with_suffix(".parquet"), rank_targets(model, split.test))
    record = {
        "settings": settings,
        "seed": seed,
        "validation": [epoch.validation for epoch in history.epochs],
        "best_epoch": history.best_epoch,
        "epoch_seconds": [epoch.train_seconds for epoch in history.epochs],
        "recommend_seconds": [epoch.evaluate_seconds for epoch in history.epochs],
    }
    out.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def rectools_trial(
    settings: dict[str, Any], *, seed: int, out: Path, arguments: argparse.Namespace
) -> None:
    """Train in RecTools' environment; its epochs are shown as they end."""
    command = [arguments.python, "-m", "benchmarks.rectools.arm", "trial", str(EXCHANGE)]
    command += ["--settings", json.dumps(settings), "--threads", str(arguments.threads)]
    command += ["--seed", str(seed), "--out", str(out)]
    threads = {"OMP_NUM_THREADS": str(arguments.threads), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | threads, stdout=sys.stderr)


def answer(found: dict[str, Any], split: Split) -> dict[str, Any]:
    """Return the paired difference of the chosen settings' test NDCG@10, and what it rests on."""
    values = {side: test_values(side, found[side], split) for side in SIDES}  # each (seeds, users)
    difference = bootstrap_mean(values["tcf"].mean(0) - values["rectools"].mean(0), seed=0)
    print(
        f"test ndcg@10: tcf {values['tcf'].mean():.5f}, RecTools {values['rectools'].mean():.5f}; "
        f"tcf - RecTools {difference.mean:+.5f}, 95% [{difference.low:+.5f}, "
        f"{difference.high:+.5f}] about {difference.about}"
    )
    return {
        "difference": {k: getattr(difference, k) for k in ("mean", "low", "high", "about")},
        **{
            side: {
                "test_ndcg@10": values[side].mean(1).tolist(),  # by seed
                "best_trial": found[side]["best"],
                "trials": [summary(trial) for trial in found[side]["trials"]],
            }
            for side in SIDES
        },
    }


def test_values(side: str, found: dict[str, Any], split: Split) -> np.ndarray:
    """Return ``(seeds, users)`` test NDCG@10 of the chosen setting."""
    names = [f"{side}-{found['best']}-seed{trial['seed']}" for trial in found["seeds"]]
    return np.stack([ndcg(test_ledger(EXCHANGE / name, split), k=10) for name in names])


def test_ledger(out: Path, split: Split) -> Ledger:
    if out.name.startswith("tcf"):
        return read_ledger(out.with_suffix(".parquet"))
    return ledger_of_lists(np.load(f"{out}-test.npy"), targets=split.test.targets)


def summary(trial: dict[str, Any]) -> dict[str, Any]:
    seconds = np.array([np.atleast_1d(s)[0] for s in trial["epoch_seconds"]])
    return {
        "settings": trial["settings"],
        "validation_ndcg@10": round(max(trial["validation"]), 6),
        "best_epoch": trial["best_epoch"],
        "epochs": len(trial["validation"]),
        "epoch_seconds": round(float(np.median(seconds)), 1),
        "train_seconds": round(float(seconds.sum())),
    }


if __name__ == "__main__":
    main()
