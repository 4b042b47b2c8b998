"""run_study(): plan, skip what is finished, run the rest, leave a record and a ledger of each."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock, Timeout

from tcf.data.audit import audit_split
from tcf.data.findings import summary
from tcf.data.location import cache_folder
from tcf.data.sources import train_share
from tcf.data.split import LEAVE_ONE_OUT, Split
from tcf.evaluate.catalog_metrics import list_metrics
from tcf.evaluate.ranking import rank_and_list
from tcf.model.carry import carry_weights
from tcf.model.recommender import Recommender
from tcf.study.build import ItemText, build, device, untrained
from tcf.study.config import NUMBERS, RunConfig, Study
from tcf.study.executors import one_thread, run_all, worker_count
from tcf.study.opened import Opened, Start, open_study
from tcf.study.provenance import peak_bytes, provenance, training_flops
from tcf.study.records import (
    SCHEMA,
    about_history,
    about_vectors,
    learned_from,
    record_path,
    split_path,
    summarize,
    write_ledger,
    write_record,
    write_split_ledger,
)
from tcf.study.tuning import tune
from tcf.train import History, fit

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
    models: Path
    keep_models: bool
    weights_needed: bool
    tracking: Path
    track: str | None
    data: Mapping[str, Any]
    provenance: Mapping[str, Any]
    searches: Mapping[str, Any]


@dataclass(frozen=True)
class _How:
    """Where a study and its sources leave what they make, and the settings of `run_study`."""

    records: Path
    cache: Path
    num_workers: int | None
    checkpoint_every_seconds: float
    keep_models: bool
    track: str | None
    say: Callable[[str], None]


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
    is there); two processes on one folder share the work. What a transfer starts from is a run too,
    which is found or made before, and leaves its record and ledger in the same folder.

    Args:
        study: What to run.
        records: Folder for records and ledgers.
        data: Handed to ``study.load``.
        cache: As in `encode_items`; also holds what ``study.encoders`` makes.
        num_workers: Worker processes; default one a core.
        checkpoint_every_seconds: As in `fit`; a training that is killed loses so much at the most.
        keep_models: Keep the trained weights of each run in ``models/`` of the cache, from which
            `tcf.export` takes vectors. Those that a transfer starts from are kept in any case.
        track: A tracker that accelerate knows, ``"tensorboard"`` say, hears of every epoch; its
            files lie in the cache, under ``tracking``.
        say: Takes a line of progress.

    Returns:
        What became of the study's own runs; those of its sources are not counted.

    Raises:
        RuntimeError: After all other runs have ended, if one failed; the first is its cause. One
            that a transfer starts from ends the study.
        ValueError, DataError, EncoderError: As `tcf.study.opened.open_study`.
    """
    records = Path(records)
    folder = cache_folder(cache)
    if folder is None:
        raise ValueError("a study keeps its vectors: cache must be 'auto' or a folder; got None")
    how = _How(
        records,
        folder,
        num_workers=num_workers,
        checkpoint_every_seconds=checkpoint_every_seconds,
        keep_models=keep_models,
        track=track,
        say=say,
    )
    return _run_opened(open_study(study, data, cache=folder), how)


def _run_opened(opened: Opened, how: _How, *, weights_needed: bool = False) -> Outcome:
    """Make what is not finished, and before it the runs of its sources that it starts from.

    Args:
        opened: The study with its data.
        how: Folders and settings.
        weights_needed: A run is finished only when its weights are there as well.
    """
    study, split, report, say = opened.study, opened.split, opened.report, how.say
    # of plain leave-one-out records never told
    told = {} if split.report == LEAVE_ONE_OUT else {"split": split.report.as_dict()}
    for step in report.steps:
        say(f"{study.name}: {step.name}: {step}")
    say(f"{study.name}: {report}")
    if told:
        say(f"{study.name}: {split.report}")
    if study.tuning is not None:
        study = tune(
            study,
            split,
            opened.vectors,
            records=how.records,
            cache=how.cache,
            num_workers=how.num_workers,
            say=say,
        )
    models = how.cache / "models"
    finished, todo = [], []
    for config in study.runs:
        key = opened.key(config)
        vectors, start = opened.vectors.get(config.arm.name), opened.start(config)
        path = record_path(how.records, config, fingerprint=key)
        done = _is_done(path, key, models if weights_needed else None)
        (finished if done else todo).append((config, key, vectors, start))
        if done:  # what a kill between the record and this left
            shutil.rmtree(how.cache / "checkpoints" / key, ignore_errors=True)
    say(f"{study.name}: {len(finished)} runs found, {len(todo)} to make")
    _make_sources(opened, {start.key for *_, start in todo if start is not None}, how)
    if not split_path(how.records, split.checksum).exists():
        write_split_ledger(split_path(how.records, split.checksum), split)
    settings = _Settings(
        split=split,
        metrics=study.metrics,
        records=how.records,
        claims=how.cache / "claims",
        checkpoints=how.cache / "checkpoints",
        checkpoint_every_seconds=how.checkpoint_every_seconds,
        models=models,
        keep_models=how.keep_models or weights_needed,
        weights_needed=weights_needed,
        tracking=how.cache / "tracking",
        track=how.track,
        data={
            "checksum": split.checksum,
            **report.as_dict(),
            **told,
            **_audited(split, len(todo)),
        },
        provenance=provenance(),
        searches=study.searches,
    )
    workers = worker_count(how.num_workers, num_tasks=len(todo))
    made, failures = 0, []
    began = time.monotonic()
    for (config, *_), result in run_all(run_one, todo, shared=(settings,), num_workers=workers):
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


def _make_sources(opened: Opened, keys: Collection[str], how: _How) -> None:
    """Make those runs of the sources that are started from, with their weights."""
    for source in opened.sources.values():
        runs = tuple(run for run in source.study.runs if source.key(run) in keys)
        if runs:
            wanted = replace(source, study=replace(source.study, runs=runs))
            _run_opened(wanted, how, weights_needed=True)


def run_one(
    config: RunConfig,
    key: str,
    embeddings: ItemText | None,
    start: Start | None,
    settings: _Settings,
) -> str | None:
    """Make one run and write its ledger, then its record; None if another process has it.

    Where its weights are needed, it waits for the other process; where they alone are missing, it
    is trained again and its record stays.
    """
    path = record_path(settings.records, config, fingerprint=key)
    needed = settings.models if settings.weights_needed else None
    settings.claims.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.claims / f"{key}.lock", blocking=settings.weights_needed):
            if _is_done(path, key, needed):
                return None
            said = _run_claimed(config, key, embeddings, start, settings, path)
            shutil.rmtree(settings.checkpoints / key, ignore_errors=True)
            return said
    except Timeout:
        return None


def _is_done(path: Path, key: str, weights: Path | None) -> bool:
    return path.exists() and (weights is None or _weights(weights, key).exists())


def _weights(folder: Path, key: str) -> Path:
    return folder / f"{key}.safetensors"


def _run_claimed(
    config: RunConfig,
    key: str,
    embeddings: ItemText | None,
    start: Start | None,
    settings: _Settings,
    path: Path,
) -> str:
    split = settings.split
    with one_thread():
        history, parameters, flops, where = None, {}, 0, torch.device("cpu")
        part = split if config.arm.share else None
        if config.backbone is None:
            model = untrained(config, split, embeddings)
        else:
            where = device()
            model = build(config, split, embeddings).to(where)
            parameters = model.num_parameters()
            if start is not None:
                assert config.arm.transfer is not None
                carry_weights(
                    model,
                    _weights(settings.models, start.key),
                    carry=config.arm.transfer.carry,
                    user_ids=start.user_ids,
                )
            if config.arm.share:
                part = train_share(split, share=config.arm.share, seed=config.seed)
                history = _fit(model, part, config, key, settings)
                flops = training_flops(model, part, config.train) * len(history.epochs)
            if settings.keep_models:
                model.save(_weights(settings.models, key))
            if path.exists():  # of a run whose record was kept and whose weights were not
                return f"weights alone, in {history.seconds if history else 0:.0f} s"
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
            "vectors": about_vectors(embeddings, model),
            "parameters": parameters,
            "compute": {
                "device": where.type,
                "num_threads": 1,
                "train_flops": flops,
                "train_seconds": round(train_seconds, 2),
                "test_seconds": round(test_seconds, 2),
                "peak_process_bytes": peak_bytes(),
            },
            "history": about_history(history),
            "metrics": metrics,
            "lists": list_metrics(lists, train_counts=train_counts),  # older records have none
            "target_in_history": int(split.test.target_in_history.sum()),
            "provenance": {**settings.provenance, "seed": config.seed},
            **({"tuning": search} if search else {}),
            **({"source": start.as_dict()} if start else {}),
            **({"learned_from": learned_from(part)} if part is not split else {}),
        },
    )
    first = settings.metrics[0]
    return f"{first} {metrics[first]['mean']:.4f} in {train_seconds + test_seconds:.0f} s"


def _fit(
    model: Recommender, split: Split, config: RunConfig, key: str, settings: _Settings
) -> History:
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
    return history


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
