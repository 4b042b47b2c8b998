"""One trial: a run without the test part, kept in the cache by its fingerprint."""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tcf._util import write_json
from tcf.data.split import Split
from tcf.errors import DataError
from tcf.study.build import ItemText, build, device
from tcf.study.config import RunConfig
from tcf.study.executors import one_thread
from tcf.train import fit

__all__ = ["Trial", "TrialSettings", "run_trial"]

Trial = dict[str, Any]
"""``settings``, ``value`` (None where it failed), ``epochs``, ``best_epoch``, ``seconds``."""


@dataclass(frozen=True)
class TrialSettings:
    """What every trial needs to know. There is no test part in it."""

    split: Split
    trials: Path
    claims: Path
    checkpoints: Path


def run_trial(
    config: RunConfig, key: str, vectors: ItemText | None, wait: bool, settings: TrialSettings
) -> Trial | None:
    """Make one trial or find it; None if another process is at it and ``wait`` is False."""
    path = settings.trials / f"{key}.json"
    settings.claims.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.claims / f"{key}.lock", blocking=wait):
            folder = settings.checkpoints / key
            if not path.exists():
                write_json(path, _train(config, vectors, settings.split, folder))
            shutil.rmtree(folder, ignore_errors=True)
            return _read_trial(path)
    except Timeout:
        return None


def _train(config: RunConfig, vectors: ItemText | None, split: Split, folder: Path) -> Trial:
    """Train, or go on with a training that was killed; ``folder`` holds its checkpoint."""
    began = time.perf_counter()
    about: Trial = {"value": None, "epochs": 0, "best_epoch": None}
    try:
        with one_thread():
            model = build(config, split, vectors).to(device())
            history = fit(
                model,
                split,
                config.train,
                seed=config.seed,
                progress=False,
                checkpoint=folder / "training.safetensors",
            )
        values = [epoch.validation for epoch in history.epochs]
        about |= {"value": round(max(values), 8), "epochs": len(values)}
        about |= {"best_epoch": history.best_epoch, "hit_epoch_limit": history.hit_epoch_limit}
        return {**about, "seconds": round(history.seconds, 2)}
    except ValueError as error:  # it diverged, or its settings do not go together
        if isinstance(error, DataError):
            raise
        about["error"] = str(error)
    return {**about, "seconds": round(time.perf_counter() - began, 2)}


def _read_trial(path: Path) -> Trial:
    try:
        trial = json.loads(path.read_text(encoding="utf-8"))
        if {"value", "epochs", "best_epoch", "seconds"} <= trial.keys():
            return trial
        reason: object = f"it has {sorted(trial)}"
    except (ValueError, AttributeError) as error:
        reason = error
    raise DataError(f"{path}: a trial of a search is needed ({reason}): remove it")
