"""run_study(): plan, skip what is finished, run the rest, leave a record and a ledger of each."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tcf.data.audit import audit_split
from tcf.data.findings import summary
from tcf.data.location import cache_folder
from tcf.data.split import LEAVE_ONE_OUT
from tcf.study.build import ItemText
from tcf.study.config import RunConfig, Study
from tcf.study.executors import run_all, worker_count
from tcf.study.one_run import Settings, run_one
from tcf.study.opened import Opened, Start, open_study
from tcf.study.provenance import provenance
from tcf.study.records import split_path, write_split_ledger
from tcf.study.tuning import tune

_Task = tuple[RunConfig, str, ItemText | None, Start | None]


@dataclass(frozen=True)
class Outcome:
    """What became of a study's runs: how many were found, made, and left to another process."""

    num_found: int
    num_made: int
    num_elsewhere: int


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
    study, split, say = opened.study, opened.split, how.say
    for step in opened.report.steps:
        say(f"{study.name}: {step.name}: {step}")
    say(f"{study.name}: {opened.report}")
    told = {} if split.report == LEAVE_ONE_OUT else {"split": split.report.as_dict()}
    if told:  # of plain leave-one-out neither lines nor records ever told
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
    settings = Settings(
        split=split,
        metrics=study.metrics,
        records=how.records,
        cache=how.cache,
        checkpoint_every_seconds=how.checkpoint_every_seconds,
        keep_models=how.keep_models or weights_needed,
        weights_needed=weights_needed,
        track=how.track,
        data={"checksum": split.checksum, **opened.report.as_dict(), **told},
        provenance=provenance(),
        searches=study.searches,
    )
    todo = [task for task in _tasks(opened, study) if not _finished(task, settings)]
    num_found = len(study.runs) - len(todo)
    say(f"{study.name}: {num_found} runs found, {len(todo)} to make")
    _make_sources(opened, {start.key for *_, start in todo if start is not None}, how)
    if not split_path(how.records, split.checksum).exists():
        write_split_ledger(split_path(how.records, split.checksum), split)
    if todo:  # what records tell of the files' audit; older ones tell nothing
        audited = {"audit": summary(audit_split(split))}
        settings = replace(settings, data={**settings.data, **audited})
    num_made = _make(todo, settings, how)
    return Outcome(num_found, num_made, len(todo) - num_made)


def _tasks(opened: Opened, study: Study) -> Iterator[_Task]:
    for config in study.runs:
        vectors, start = opened.vectors.get(config.arm.name), opened.start(config)
        yield config, opened.key(config), vectors, start


def _finished(task: _Task, settings: Settings) -> bool:
    """Return whether a run is done, and then clear what a kill after its record has left."""
    config, key, *_ = task
    done = settings.is_done(config, key)
    if done:
        shutil.rmtree(settings.checkpoints(key), ignore_errors=True)
    return done


def _make_sources(opened: Opened, keys: Collection[str], how: _How) -> None:
    """Make those runs of the sources that are started from, with their weights."""
    for source in opened.sources.values():
        runs = tuple(run for run in source.study.runs if source.key(run) in keys)
        if runs:
            wanted = replace(source, study=replace(source.study, runs=runs))
            _run_opened(wanted, how, weights_needed=True)


def _make(todo: Sequence[_Task], settings: Settings, how: _How) -> int:
    """Make the runs and return how many; those of other processes are theirs.

    Raises:
        RuntimeError: When all have ended, if one failed.
    """
    workers = worker_count(how.num_workers, num_tasks=len(todo))
    num_made, failures = 0, []
    began = time.monotonic()
    for (config, *_), result in run_all(run_one, todo, shared=(settings,), num_workers=workers):
        if isinstance(result, Exception):
            failures.append((config, result))
            how.say(f"{config.name}: failed: {result}")
            continue
        num_made += result is not None
        left = (time.monotonic() - began) / max(num_made, 1) * (len(todo) - num_made)
        what = result or "in another process"
        how.say(f"{config.name}: {what} [{num_made}/{len(todo)}, {left:.0f} s left]")
    if failures:
        raise RuntimeError(
            f"{len(failures)} of {len(todo)} runs failed, the first {failures[0][0].name}: "
            f"{failures[0][1]}"
        ) from failures[0][1]
    return num_made
