"""tune(): every arm gets the same search for its settings, and none of it sees the test part."""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tcf._util import write_json
from tcf.data.split import Split
from tcf.errors import DataError
from tcf.study.build import ItemText
from tcf.study.config import NUMBERS, RunConfig, Study, fingerprint
from tcf.study.executors import Run, worker_count, workers
from tcf.study.proposals import propose
from tcf.study.provenance import provenance
from tcf.study.records import SCHEMA, about_labels, search_path
from tcf.study.space import Tuning, with_settings
from tcf.study.trials import Trial, TrialSettings, run_trial

__all__ = ["tune", "unfinished"]


def tune(
    study: Study,
    split: Split,
    embeddings: Mapping[str, ItemText],
    *,
    records: Path,
    cache: Path,
    num_workers: int | None = None,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> Study:
    """Search the settings of each arm under each backbone, and return the study of the best ones.

    Every arm gets ``study.tuning``: the same space, number of trials and seeds. A trial's value is
    the best validation value of its training (``train.monitor``); trials never hold the test part.
    Finished trials lie in the cache by fingerprint and finished searches beside the records, so a
    killed search goes on, with the trials that an uninterrupted one would have made; two processes
    on one folder share the work. A trial that diverges, or whose settings do not go together,
    counts as one of the number and has no value.

    Args:
        study: Its ``tuning`` says what to search.
        split: Its test part is cut off first.
        embeddings: The item vectors of each arm with text, by the arm's name.
        records: Folder of the study's records; searches are written to ``tuning/`` in it.
        cache: Folder for trials, one JSON each.
        num_workers: Worker processes; default one a core.
        say: Takes a line of progress.

    Returns:
        The study with the best settings in its runs, ``tuning`` in each of them, and ``searches``.

    Raises:
        ValueError: If the space does not fit the runs, runs of one cell differ in more than their
            seed, or no trial of an arm has a value.
    """
    tuning = study.tuning
    if tuning is None:
        raise ValueError(f"study {study.name!r} names no search: Study(..., tuning=Tuning(...))")
    searches = _plan(study, tuning, split, embeddings, records)
    todo = [search for search in searches.values() if not search.path.exists()]
    say(
        f"{study.name}: {len(searches) - len(todo)} searches found, {len(todo)} to make, "
        f"{tuning.num_trials} trials each"
    )
    settings = TrialSettings(
        split.without_test(), cache / "trials", cache / "claims", cache / "checkpoints"
    )
    line = _Line(say, num_trials=len(todo) * tuning.num_trials)
    most = len(todo) * max(map(len, tuning.rounds()))
    with workers(shared=(settings,), num_workers=worker_count(num_workers, num_tasks=most)) as run:
        for numbers in tuning.rounds():
            _run_round(
                [_Task.of(search, tuning, number) for search in todo for number in numbers],
                run,
                line,
            )
    for search in todo:
        search.write(tuning)
    found = {cell: _read(search.path) for cell, search in searches.items()}
    best = {cell: _best(cell, made["trials"]) for cell, made in found.items()}
    return replace(
        study,
        tuning=None,
        runs=tuple(
            with_settings(config, best[config.cell]["settings"]).model_copy(
                update={"tuning": tuning}
            )
            if config.cell in best
            else config
            for config in study.runs
        ),
        searches={
            cell: _summary(searches[cell].path, made["trials"], best[cell])
            for cell, made in found.items()
        },
    )


def unfinished(
    study: Study, split: Split, embeddings: Mapping[str, ItemText], *, records: Path
) -> list[str]:
    """Return the cells whose search is not among the records yet. Arguments as `tune`."""
    if study.tuning is None:
        return []
    searches = _plan(study, study.tuning, split, embeddings, records)
    return [cell for cell, search in searches.items() if not search.path.exists()]


@dataclass
class _Search:
    """One cell: what it starts from, where its result lies, and the trials so far."""

    base: RunConfig
    vectors: ItemText | None
    path: Path
    key: str
    data: Mapping[str, Any]
    trials: list[Trial] = field(default_factory=list)

    def write(self, tuning: Tuning) -> None:
        """Write all trials, atomically: that they are there says that the search is finished."""
        _best(self.base.cell, self.trials)
        write_json(
            self.path,
            {
                "schema": SCHEMA,
                "fingerprint": self.key,
                "numbers": NUMBERS,
                "config": self.base.model_dump(mode="json", exclude={"tuning"}),
                "tuning": tuning.model_dump(mode="json"),
                "data": self.data,
                "vectors": self.vectors.key if self.vectors else None,
                "monitor": self.base.train.monitor,
                "trials": [_without_users(trial) for trial in self.trials],
                "provenance": provenance(),
            },
        )


class _Line:
    """Says how each trial went, and how long the others will take."""

    def __init__(self, say: Callable[[str], None], *, num_trials: int):
        self._say, self._num_trials, self._done = say, num_trials, 0
        self._began = time.monotonic()

    def trial(self, task: "_Task", trial: Trial) -> None:
        """Say how one went."""
        self._done += 1
        left = (time.monotonic() - self._began) / self._done * (self._num_trials - self._done)
        base, value = task.search.base, trial["value"]
        what = f"failed: {trial['error']}" if value is None else f"{base.train.monitor} {value:.4f}"
        self._say(
            f"{base.cell}: trial {task.number + 1}: {what} in {trial['seconds']:.0f} s "
            f"[{self._done}/{self._num_trials}, {left:.0f} s left]"
        )


@dataclass(frozen=True)
class _Task:
    """One trial to be made or found."""

    search: _Search
    number: int
    chosen: dict[str, Any]
    config: RunConfig
    key: str

    @classmethod
    def of(cls, search: _Search, tuning: Tuning, number: int) -> "_Task":
        """Return the trial of this number, from what the search has found so far."""
        chosen = propose(tuning, search.trials, number=number)
        config = with_settings(search.base, chosen).model_copy(update={"tuning": None})
        return cls(search, number, chosen, config, _key(config, search.data, search.vectors))

    @property
    def place(self) -> tuple[str, int]:
        """What tells it from all others."""
        return self.search.base.cell, self.number


def _plan(
    study: Study,
    tuning: Tuning,
    split: Split,
    embeddings: Mapping[str, ItemText],
    records: Path,
) -> dict[str, _Search]:
    trained = [config for config in study.runs if config.backbone is not None]
    tuning.check(trained)
    searches: dict[str, _Search] = {}
    for config in trained:
        base = config.model_copy(update={"seed": tuning.trial_seed, "tuning": tuning})
        vectors = embeddings.get(config.arm.name)
        data = {"checksum": split.checksum, **about_labels(config.arm, split.catalog)}
        key = _key(base, data, vectors)
        search = _Search(base, vectors, search_path(records, base, fingerprint=key), key, data)
        if searches.setdefault(config.cell, search).key != key:
            raise ValueError(
                f"the runs of one cell may differ in their seed alone, so that one search is for "
                f"all of them; those of {config.cell} differ in more"
            )
    return searches


def _run_round(tasks: Sequence["_Task"], run: Run, line: _Line) -> None:
    """Make these trials, and add them to their searches in their order."""
    made: dict[tuple[str, int], Trial] = {}
    for wait in (False, True):  # what another process has at work is waited for at the end
        left = [task for task in tasks if task.place not in made]
        arguments = [(task.config, task.key, task.search.vectors, wait) for task in left]
        task_of = {id(one): task for one, task in zip(arguments, left, strict=True)}
        for one, result in run(run_trial, arguments):
            task = task_of[id(one)]
            if isinstance(result, Exception):
                cell = task.search.base.cell
                raise RuntimeError(f"a trial of {cell} failed: {result}") from result
            if result is not None:
                made[task.place] = {"settings": task.chosen, **result}
                line.trial(task, made[task.place])
    for task in tasks:
        task.search.trials.append(made[task.place])


def _key(config: RunConfig, data: Mapping[str, Any], vectors: ItemText | None) -> str:
    told = {"vectors": vectors.key if vectors else None, "labels": data.get("labels")}
    return fingerprint(config, split=data["checksum"], **told)


def _read(path: Path) -> dict[str, Any]:
    """Return a finished search.

    Raises:
        DataError: If the file is none.
    """
    try:
        search = json.loads(path.read_text(encoding="utf-8"))
        if search["schema"] == SCHEMA and all("settings" in trial for trial in search["trials"]):
            return search
        reason = f"schema {search['schema']}"
    except (ValueError, KeyError, TypeError) as error:
        reason = repr(error)
    raise DataError(f"{path}: a search of schema {SCHEMA} is needed ({reason}): remove it")


def _best(cell: str, trials: Sequence[Trial]) -> Trial:
    """Return the first of the best trials."""
    valued = [trial for trial in trials if trial["value"] is not None]
    if not valued:
        raise ValueError(
            f"a search needs a trial with a value; all {len(trials)} of {cell} failed, the first: "
            f"{trials[0]['error']}: change the space"
        )
    return max(valued, key=lambda trial: trial["value"])


def _without_users(trial: Trial) -> Trial:
    """Leave of an error what had to hold: its rest may name users, and searches are published."""
    if "error" not in trial:
        return trial
    return {**trial, "error": trial["error"].partition(";")[0]}


def _summary(path: Path, trials: Sequence[Trial], best: Trial) -> dict[str, Any]:
    """What a record says of the search behind its settings."""
    return {
        "file": f"{path.parent.name}/{path.name}",
        "num_trials": len(trials),
        "num_failed": sum(trial["value"] is None for trial in trials),
        "seconds": round(sum(trial["seconds"] for trial in trials), 1),
        "settings": best["settings"],
        "validation": best["value"],
    }
