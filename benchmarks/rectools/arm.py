"""RecTools' SASRec, in RecTools' own environment; the other side of compare.py and train_speed.py.

    PYTHON -m benchmarks.rectools.arm time FOLDER --settings JSON --batches 80
    PYTHON -m benchmarks.rectools.arm trial FOLDER --settings JSON --seed 0 --out NAME

``time`` trains on a share of an epoch, over the whole catalogue, and ends with one line of JSON:
seconds of an epoch at that rate, after five batches that warm up, and of recommending; each on the
clock and as processor time, which on a machine with other work says more.
``trial`` trains until the validation NDCG@10 (of `tcf.evaluate`) has not risen for ``patience``
epochs, and leaves OUT-validation.npy, OUT-test.npy with the best epoch's lists, and OUT.json.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools.dataset import Dataset
from rectools.models import SASRecModel

from benchmarks.rectools.exchange import PARTS, read_interactions
from tcf.evaluate.lists import ledger_of_lists
from tcf.evaluate.metrics import ndcg

TOP_K = 10
WARM_UP = 5  # batches
LOSSES = {"full_softmax": "softmax", "sampled_softmax": "sampled_softmax", "gbce": "gBCE"}


def now() -> np.ndarray:
    """Return seconds on the clock, and of this process's processor time."""
    return np.array([time.perf_counter(), time.process_time()])


class Clock(Callback):
    """Seconds of each epoch, and of its batches that warm up: by the clock, and processor time."""

    def __init__(self) -> None:
        self.epochs: list[np.ndarray] = []
        self.warm = np.zeros(2)

    def on_train_epoch_start(self, *_: Any) -> None:
        self._began = now()

    def on_train_batch_end(self, *arguments: Any) -> None:
        if arguments[-1] == WARM_UP - 1:
            self.warm = now() - self._began

    def on_train_epoch_end(self, *_: Any) -> None:
        self.epochs.append(now() - self._began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("time", "trial"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--settings", type=json.loads, required=True)
    parser.add_argument("--batches", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore", module="pytorch_lightning", message=".*num_workers.*")
    if arguments.what == "time":
        found = time_epoch(arguments.folder, arguments.settings, num_batches=arguments.batches)
    else:
        found = trial(arguments.folder, arguments.settings, seed=arguments.seed, out=arguments.out)
    print(json.dumps(found))


def time_epoch(folder: Path, settings: dict[str, Any], *, num_batches: int) -> dict[str, Any]:
    """Time a share of an epoch, and scale it to all of them."""
    seed_everything(0, verbose=False)
    model = build(settings, limit_train_batches=num_batches)
    model.fit(dataset(folder / "train.npy"))
    clock = clock_of(model)
    whole = -(-len(np.load(folder / "targets-validation.npy")) // settings["batch_size"])
    seconds = (clock.epochs[0] - clock.warm) / (num_batches - WARM_UP) * whole
    began = now()
    recommend(model, folder, part="validation")
    recommended = now() - began
    return {"epoch": seconds.tolist(), "recommend": recommended.tolist()}


def trial(folder: Path, settings: dict[str, Any], *, seed: int, out: Path) -> dict[str, Any]:
    """Train to the early stop; keep the lists of the epoch that was best on validation."""
    seed_everything(seed, verbose=False)
    model = build(settings)
    train, targets = dataset(folder / "train.npy"), np.load(folder / "targets-validation.npy")
    values, recommend_seconds, best, kept = [], [], 0, {}
    while len(values) < settings["max_epochs"]:
        model.fit_partial(train, min_epochs=1, max_epochs=1)
        began = now()
        lists = recommend(model, folder, part="validation")
        recommend_seconds.append((now() - began).tolist())
        values.append(float(ndcg(ledger_of_lists(lists, targets=targets), k=TOP_K).mean()))
        print(f"epoch {len(values)}: validation ndcg@10 {values[-1]:.5f}", flush=True)
        if values[-1] > values[best] or len(values) == 1:
            best = len(values) - 1
            kept = {name: v.clone() for name, v in model.torch_model.state_dict().items()}
        if len(values) - 1 - best >= settings["patience"]:
            break
    model.torch_model.load_state_dict(kept)
    for part in PARTS:
        np.save(out.with_name(f"{out.name}-{part}.npy"), recommend(model, folder, part=part))
    found = {
        "settings": settings,
        "seed": seed,
        "validation": values,
        "best_epoch": best + 1,
        "epoch_seconds": [seconds.tolist() for seconds in clock_of(model).epochs],
        "recommend_seconds": recommend_seconds,
    }
    out.with_name(f"{out.name}.json").write_text(json.dumps(found, indent=1) + "\n")
    return found


def build(settings: dict[str, Any], **limits: Any) -> SASRecModel:
    """Return RecTools' model with the settings that both sides share, the rest as it ships."""

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=1,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[Clock()],
            **limits,
        )

    return SASRecModel(
        n_factors=settings["dim"],
        n_blocks=settings["num_layers"],
        n_heads=settings["num_heads"],
        dropout_rate=settings["dropout"],
        session_max_len=settings["max_history"],
        batch_size=settings["batch_size"],
        lr=settings["learning_rate"],
        loss=LOSSES[settings["loss"]],
        n_negatives=settings.get("num_negatives") or 1,
        gbce_t=settings.get("calibration", 0.75),
        get_trainer_func=trainer,
        recommend_torch_device="cpu",
    )


def clock_of(model: SASRecModel) -> Clock:
    """Return the clock that ran: the model works with a copy of its trainer."""
    assert model.fit_trainer is not None
    callbacks = model.fit_trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
    return next(c for c in callbacks if isinstance(c, Clock))


def dataset(path: Path) -> Dataset:
    return Dataset.construct(read_interactions(path))


def recommend(model: SASRecModel, folder: Path, *, part: str) -> np.ndarray:
    """Return ``(num_users, K)`` rows, best first, known items left out; 0 beyond the list."""
    known = dataset(folder / f"known-{part}.npy")
    users = np.arange(known.user_id_map.size)
    found = model.recommend(users, known, k=TOP_K, filter_viewed=True)
    lists = np.zeros((len(users), TOP_K), np.int32)
    lists[found["user_id"], found["rank"] - 1] = found["item_id"]
    return lists


if __name__ == "__main__":
    main()
