"""A run's recommender, made again from its config and the weights that were kept."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tcf._util import lookup
from tcf.data.location import cache_folder
from tcf.data.split import Split
from tcf.errors import DataError
from tcf.model.recommender import Recommender
from tcf.study.build import build
from tcf.study.config import RunConfig, Study
from tcf.study.executors import one_thread
from tcf.study.opened import open_study
from tcf.study.tuning import tune, unfinished
from tcf.train import fit

__all__ = ["Trained", "rebuild"]


@dataclass(frozen=True)
class Trained:
    """A trained recommender and where it comes from."""

    model: Recommender
    split: Split
    config: RunConfig
    fingerprint: str


def rebuild(
    study: Study,
    name: str,
    *,
    records: Path,
    data: Path | None = None,
    cache: str | os.PathLike[str] = "auto",
    train: bool = False,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> Trained:
    """Return the trained recommender of one of a study's runs.

    Args:
        study: As it was run.
        name: Of the run, as ``tcf run STUDY --dry-run`` lists them.
        records: Folder of the study's records, where the searches of a tuned study lie.
        data: Handed to ``study.load``.
        cache: As in `run_study`, which keeps the weights there.
        train: Train it again where its weights are not kept.
        say: Takes a line of progress.

    Raises:
        ValueError: If the study has no such run, or the run has no model.
        DataError: If its weights are not kept and ``train`` is False, if they are damaged, or its
            search is unfinished.
    """
    folder = cache_folder(cache)
    if folder is None:
        raise ValueError("weights are kept in the cache: it must be 'auto' or a folder; got None")
    config = lookup({run.name: run for run in study.runs}, name, "run")
    if config.backbone is None:
        raise ValueError(f"{name} has no model, and so no vectors: name a run with a backbone")
    opened = open_study(replace(study, runs=_needed(config, study)), data, cache=folder)
    study, split, embeddings = replace(study, runs=(config,)), opened.split, opened.vectors
    if study.tuning is not None:
        if unfinished(study, split, embeddings, records=records):
            raise DataError(
                f"{records}: the search for the settings of {config.cell} is not finished there: "
                "`tcf run` the study first, or name its folder with --records"
            )
        study = tune(study, split, embeddings, records=records, cache=folder, say=say)
        (config,) = study.runs
    key = opened.key(config)
    model = build(config, split, embeddings.get(config.arm.name))
    path = folder / "models" / f"{key}.safetensors"
    if path.exists():
        model.load_weights(path)
        return Trained(model, split, config, key)
    alone = config.arm.transfer is None and config.arm.share == 1
    if not (train and alone):
        again = "train it again (--train)" if alone else "run the study again without its record"
        raise DataError(
            f"{path}: the weights of {name} are not kept there: name the cache that the study ran "
            f"with, or {again}"
        )
    with one_thread():
        fit(model, split, config.train, seed=config.seed)
    model.save(path)
    return Trained(model, split, config, key)


def _needed(config: RunConfig, study: Study) -> tuple[RunConfig, ...]:
    """Return a run, and of a transfer the runs of the arm that it starts from."""
    start = config.arm.transfer
    bases = [run for run in study.runs if start is not None and run.arm.name == start.arm]
    return (config, *bases)
