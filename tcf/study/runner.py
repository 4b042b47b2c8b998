"""run_study(): plan, skip what is finished, run the rest, leave a record and a ledger of each."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from tcf.data.audit import audit_split
from tcf.data.filter import FilterReport, apply_filters, filter_interactions
from tcf.data.findings import summary
from tcf.data.location import cache_folder
from tcf.data.split import LEAVE_ONE_OUT, Split
from tcf.evaluate.catalog_metrics import list_metrics
from tcf.evaluate.ranking import rank_and_list
from tcf.model.backbones import BACKBONES
from tcf.model.recommender import Recommender
from tcf.model.semantic import SemanticIdTower
from tcf.study.build import ItemText, build, device, untrained
from tcf.study.config import NUMBERS, RunConfig, Study, fingerprint
from tcf.study.encoding import encode_arms
from tcf.study.executors import one_thread, run_all, worker_count
from tcf.study.provenance import peak_bytes, provenance, training_flops
from tcf.study.records import (
    SCHEMA,
    record_path,
    split_path,
    summarize,
    write_ledger,
    write_record,
    write_split_ledger,
)
from tcf.study.tuning import tune
from tcf.train import History, fit
from tcf.train.examples import check_users

if TYPE_CHECKING:
    from accelerate import Accelerator

_LIST_LENGTH = 10  # of the lists whose coverage, Gini and novelty a record keeps


@dataclass(frozen=True)
class Outcome:
    """What became of a study's runs: how many were found, made, and left to another process."""

    num_found: int
    num_made: int
    num_elsewhere: int


@dataclass(frozen=True)
class _Settings:
    """What every run of a study needs to know."""

    split: Split
    metrics: tuple[str, ...]
    records: Path
    claims: Path
    checkpoints: Path
    checkpoint_every_seconds: float
    models: Path | None
    tracking: Path
    track: str | None
    data: Mapping[str, Any]
    provenance: Mapping[str, Any]
    searches: Mapping[str, Any]


def run_study(
    study: Study,
    *,
    records: Path,
    data: Path | None = None,
    cache: str | os.PathLike[str] = "auto",
    num_workers: int | None = None,
    checkpoint_every_seconds: float = 60,
    keep_models: bool = True,
    track: str | None = None,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> Outcome:
    """Run what is not finished yet; each run leaves a record and a rank ledger in ``records``.

    A run is finished when its record is there; its fingerprint names the file. Each run uses one
    thread, so that its bytes do not depend on how many run beside it. Killed at any moment, the
    next call carries on, a training from its last checkpoint (in the cache, removed when the record
    is there); two processes on one folder share the work.

    Args:
        study: What to run.
        records: Folder for records and ledgers.
        data: Handed to ``study.load``.
        cache: As in `encode_items`; also holds what ``study.encoders`` makes.
        num_workers: Worker processes; default one a core.
        checkpoint_every_seconds: As in `fit`; a training that is killed loses so much at the most.
        keep_models: Keep the trained weights of each run in ``models/`` of the cache, from which
            `tcf.export` takes vectors.
        track: A tracker that accelerate knows, ``"tensorboard"`` say, hears of every epoch; its
            files lie in the cache, under ``tracking``.
        say: Takes a line of progress.

    Raises:
        RuntimeError: After all other runs have ended, if one failed; the first is its cause.
    """
    records = Path(records)
    folder = cache_folder(cache)
    if folder is None:
        raise ValueError("a study keeps its vectors: cache must be 'auto' or a folder; got None")
    split, report = load_split(study, data)
    # of plain leave-one-out records never told
    told = {} if split.report == LEAVE_ONE_OUT else {"split": split.report.as_dict()}
    for step in report.steps:
        say(f"{study.name}: {step.name}: {step}")
    say(f"{study.name}: {report}")
    if told:
        say(f"{study.name}: {split.report}")
    for config in study.runs:
        if config.backbone is not None:
            check_users(BACKBONES[config.backbone.name], split)
    embeddings = encode_arms(study, split, cache=folder)
    if study.tuning is not None:
        study = tune(
            study,
            split,
            embeddings,
            records=records,
            cache=folder,
            num_workers=num_workers,
            say=say,
        )
    finished, todo = [], []
    for config in study.runs:
        vectors = embeddings.get(config.arm.name)
        key = fingerprint(config, split=split.checksum, vectors=vectors.key if vectors else None)
        done = record_path(records, config, fingerprint=key).exists()
        (finished if done else todo).append((config, key, vectors))
        if done:  # what a kill between the record and this left
            shutil.rmtree(folder / "checkpoints" / key, ignore_errors=True)
    say(f"{study.name}: {len(finished)} runs found, {len(todo)} to make")
    if not split_path(records, split.checksum).exists():
        write_split_ledger(split_path(records, split.checksum), split)
    settings = _Settings(
        split=split,
        metrics=study.metrics,
        records=records,
        claims=folder / "claims",
        checkpoints=folder / "checkpoints",
        checkpoint_every_seconds=checkpoint_every_seconds,
        models=folder / "models" if keep_models else None,
        tracking=folder / "tracking",
        track=track,
        data={
            "checksum": split.checksum,
            **report.as_dict(),
            **told,
            **_audited(split, len(todo)),
        },
        provenance=provenance(),
        searches=study.searches,
    )
    workers = worker_count(num_workers, num_tasks=len(todo))
    made, failures = 0, []
    began = time.monotonic()
    for (config, _, _), result in run_all(run_one, todo, shared=(settings,), num_workers=workers):
        if isinstance(result, Exception):
            failures.append((config, result))
            say(f"{config.name}: failed: {result}")
            continue
        made += result is not None
        left = (time.monotonic() - began) / max(made, 1) * (len(todo) - made)
        what = result or "in another process"
        say(f"{config.name}: {what} [{made}/{len(todo)}, {left:.0f} s left]")
    if failures:
        raise RuntimeError(
            f"{len(failures)} of {len(todo)} runs failed, the first {failures[0][0].name}: "
            f"{failures[0][1]}"
        ) from failures[0][1]
    return Outcome(len(finished), made, len(todo) - made)


def load_split(study: Study, data: Path | None) -> tuple[Split, FilterReport]:
    """Load, filter and split a study's data.

    Raises:
        ValueError: If the split asks for several test targets of a user.
    """
    last = partial(filter_interactions, min_interactions=study.min_interactions, last=study.last)
    catalog, interactions, report = apply_filters(*study.load(data), filters=(*study.filters, last))
    split = study.split(catalog, interactions)
    if not split.test.one_a_user:
        raise ValueError(
            "a study asks each user for one test target, so that its intervals are over users; "
            f"{split.report} asks {len(np.unique(split.test.users))} users for {len(split.test)}: "
            "take targets='first' or 'last', or rank_targets without a study"
        )
    return split, report


def run_one(
    config: RunConfig, key: str, embeddings: ItemText | None, settings: _Settings
) -> str | None:
    """Make one run and write its ledger, then its record; None if another process has it."""
    path = record_path(settings.records, config, fingerprint=key)
    settings.claims.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.claims / f"{key}.lock", blocking=False):
            if path.exists():
                return None
            said = _run_claimed(config, key, embeddings, settings, path)
            shutil.rmtree(settings.checkpoints / key, ignore_errors=True)
            return said
    except Timeout:
        return None


def _run_claimed(
    config: RunConfig,
    key: str,
    embeddings: ItemText | None,
    settings: _Settings,
    path: Path,
) -> str:
    split = settings.split
    with one_thread():
        history, parameters, flops, where = None, {}, 0, torch.device("cpu")
        if config.backbone is None:
            model = untrained(config, split, embeddings)
        else:
            where = device()
            model = build(config, split, embeddings).to(where)
            parameters = model.num_parameters()
            accelerator = _tracker(config, key, settings)
            history = fit(
                model,
                split,
                config.train,
                seed=config.seed,
                progress=False,
                checkpoint=settings.checkpoints / key / "training.safetensors",
                checkpoint_every_seconds=settings.checkpoint_every_seconds,
                accelerator=accelerator,
            )
            if accelerator is not None:
                accelerator.end_training()
            flops = training_flops(model, split, config.train) * len(history.epochs)
            if settings.models is not None:
                model.save(settings.models / f"{key}.safetensors")
        began = time.perf_counter()
        ledger, lists = rank_and_list(model, split.test, k=_LIST_LENGTH)
        test_seconds = time.perf_counter() - began
    train_seconds = history.seconds if history else 0.0
    metrics = summarize(ledger, settings.metrics)
    train_counts = split.train.item_counts(split.num_items)[1:]
    search = settings.searches.get(config.cell) if config.tuning else None
    write_ledger(path.with_suffix(".parquet"), ledger)
    write_record(
        path,
        {
            "schema": SCHEMA,
            "fingerprint": key,
            "numbers": NUMBERS,
            "config": config.model_dump(mode="json"),
            "data": settings.data,
            "vectors": _vectors(embeddings, model),
            "parameters": parameters,
            "compute": {
                "device": where.type,
                "num_threads": 1,
                "train_flops": flops,
                "train_seconds": round(train_seconds, 2),
                "test_seconds": round(test_seconds, 2),
                "peak_process_bytes": peak_bytes(),
            },
            "history": _history(history),
            "metrics": metrics,
            "lists": list_metrics(lists, train_counts=train_counts),  # older records have none
            "target_in_history": int(split.test.target_in_history.sum()),
            "provenance": {**settings.provenance, "seed": config.seed},
            **({"tuning": search} if search else {}),
        },
    )
    first = settings.metrics[0]
    return f"{first} {metrics[first]['mean']:.4f} in {train_seconds + test_seconds:.0f} s"


def _audited(split: Split, num_runs: int) -> dict[str, Any]:
    """Return what records tell of the files' audit; older ones tell nothing."""
    return {"audit": summary(audit_split(split))} if num_runs else {}


def _tracker(config: RunConfig, key: str, settings: _Settings) -> "Accelerator | None":
    """Return an accelerator whose tracker hears of one run, or None where none is wanted."""
    if settings.track is None:
        return None
    from accelerate import Accelerator

    settings.tracking.mkdir(parents=True, exist_ok=True)
    tracker = Accelerator(log_with=settings.track, project_dir=settings.tracking)
    slug = record_path(settings.tracking, config, fingerprint=key).stem
    tracker.init_trackers(slug, config={"run": config.name, "fingerprint": key})
    return tracker


def _vectors(embeddings: ItemText | None, model: Any) -> dict[str, Any] | None:
    if embeddings is None:
        return None
    about = {
        "key": embeddings.key,
        "encoder": embeddings.manifest["name"],
        "width": embeddings.width,
        "parameters": embeddings.manifest["parameters"],
    }
    if transforms := embeddings.manifest.get("transforms"):
        about["transforms"] = transforms
    parts = model.modules() if isinstance(model, Recommender) else ()
    for tower in (part for part in parts if isinstance(part, SemanticIdTower)):
        about["sharing_codes"] = round(tower.num_sharing / tower.num_items, 6)
    return about


def _history(history: History | None) -> dict[str, Any] | None:
    if history is None:
        return None
    return {
        "best_epoch": history.best_epoch,
        "hit_epoch_limit": history.hit_epoch_limit,
        "epochs": [
            {
                "loss": round(epoch.loss, 6),
                "validation": round(epoch.validation, 6),
                "train_seconds": round(epoch.train_seconds, 2),
                "evaluate_seconds": round(epoch.evaluate_seconds, 2),
            }
            for epoch in history.epochs
        ],
    }
