"""Training epoch and evaluation of SASRec + ID against a plain-PyTorch witness, in one run.

    python -m benchmarks.train_evaluate FOLDER [--repeats 5] [--share 0.1]

FOLDER holds MicroLens-50k. The witness does what the study's released code does (see witness.py) on
a random share of the users, scaled to all of them; `tcf` does the whole. The two take turns, so
that a machine whose speed drifts slows both. Figures are medians and go to
results/train_evaluate.json.
"""

import argparse
import os

import numpy as np
import torch

from benchmarks.report import median_ratio, spread, timed, write_result
from benchmarks.witness import (
    WitnessSASRec,
    witness_epoch,
    witness_log_popularity,
    witness_ranks,
    witness_vectors,
)
from tcf.data import filter_interactions, leave_one_out, read_folder
from tcf.data.split import Split, Targets
from tcf.evaluate.ranking import count_ranks, rank_targets
from tcf.model import IdTower, Recommender, SASRec
from tcf.train import TrainConfig, fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.1)
    arguments = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    catalog, interactions, _ = filter_interactions(*read_folder(arguments.folder))
    split = leave_one_out(catalog, interactions)
    histories = np.split(split.train.rows, split.train.offsets[1:-1])
    log_popularity = witness_log_popularity(histories, num_items=split.num_items)
    witness = WitnessSASRec(split.num_items)
    model = Recommender(IdTower(split.num_items, dim=64), SASRec(dim=64), seed=0)
    num_batches = round(-(-len(histories) // 64) * arguments.share)
    scale = -(-len(histories) // 64) / num_batches
    rng = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {}
    for repeat in range(arguments.repeats + 1):  # the first is a warm-up
        part = np.sort(rng.choice(split.num_users, round(split.num_users * arguments.share), False))
        taken = {
            "witness_epoch": scale
            * timed(
                lambda seed=repeat: witness_epoch(
                    witness, histories, log_popularity, seed=seed, num_batches=num_batches
                )
            ),
            "witness_evaluation": timed(lambda part=part: witness_evaluate(witness, split, part))
            / arguments.share,
            "tcf_evaluation": timed(lambda: rank_targets(model, split.validation)),
        }
        history = fit(model, split, TrainConfig(max_epochs=1), seed=repeat, progress=False)
        taken["tcf_epoch"] = history.epochs[0].train_seconds
        if repeat:
            for name, value in taken.items():
                seconds.setdefault(name, []).append(value)
            print({name: round(value, 2) for name, value in taken.items()}, flush=True)
    result = summary(seconds) | {
        "agreement": agreement(model, split),
        "users": split.num_users,
        "items": split.num_items,
        "witness_share": arguments.share,
    }
    write_result("train_evaluate", result)


def witness_evaluate(witness: WitnessSASRec, split: Split, part: np.ndarray) -> None:
    known = known_rows(split.validation, part)
    users, items = witness_vectors(witness, known)
    witness_ranks(users, items, split.validation.targets[part], known)


def known_rows(targets: Targets, part: np.ndarray) -> list[np.ndarray]:
    return [targets.rows[targets.starts[n] : targets.ends[n]] for n in part]


def summary(seconds: dict[str, list[float]]) -> dict[str, object]:
    """Medians, ranges, and the ratio witness / tcf turn by turn."""
    found: dict[str, object] = {f"{name}_seconds": spread(v) for name, v in seconds.items()}
    for what in ("epoch", "evaluation"):
        witness, ours = seconds[f"witness_{what}"], seconds[f"tcf_{what}"]
        found[f"{what}_ratio"] = median_ratio(witness, ours, digits=1)
    return found


@torch.inference_mode()
def agreement(model: Recommender, split: Split, *, num_users: int = 5000) -> dict[str, object]:
    """How many ranks of the trained model differ from the witness's, in both precisions."""
    part = np.arange(num_users)
    tasks = Targets(
        split.validation.users[part],
        split.validation.targets[part],
        split.validation.rows,
        split.validation.starts[part],
        split.validation.ends[part],
    )
    model.eval()
    users, items = model.score_vectors(tasks)
    table = torch.cat([torch.zeros(1, items.shape[1]), items])
    known, found = known_rows(tasks, part), {}
    _, _, exact = witness_ranks(users.double(), table.double(), tasks.targets, known)
    for name, kind in (("fp64", torch.float64), ("fp32", torch.float32)):
        ledger = count_ranks(users.to(kind), items.to(kind), tasks)
        outside = (exact < ledger.rank) | (exact > ledger.rank + ledger.ties)
        found[f"{name}_users_that_differ"] = int(outside.sum())
    return found | {"users": num_users}


if __name__ == "__main__":
    main()
