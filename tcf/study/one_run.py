"""run_one(): a run that is trained and ranked, and leaves a ledger and a record."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from tcf.data.sources import train_share
from tcf.data.split import Split
from tcf.evaluate.catalog_metrics import list_metrics
from tcf.evaluate.ranking import BlockRanker, Ranker, rank_and_list
from tcf.model.carry import carry_weights
from tcf.model.recommender import Recommender
from tcf.study.build import ItemText, build, device, untrained
from tcf.study.config import NUMBERS, RunConfig
from tcf.study.executors import one_thread
from tcf.study.opened import Start
from tcf.study.provenance import peak_bytes, training_flops
from tcf.study.records import (
    SCHEMA,
    about_history,
    about_labels,
    about_vectors,
    learned_from,
    record_path,
    summarize,
    write_ledger,
    write_record,
)
from tcf.train import History, fit

if TYPE_CHECKING:
    from accelerate import Accelerator

_LIST_LENGTH = 10  # of the lists whose coverage, Gini and novelty a record keeps


@dataclass(frozen=True)
class Settings:
    """What every run of a study needs to know.

    Attributes:
        split, metrics: What is ranked, and what a record tells of it.
        records, cache: Folders of records and ledgers, and of everything else.
        checkpoint_every_seconds, keep_models, track: As in `run_study`.
        weights_needed: A run is finished only when its weights are there as well.
        data, provenance: What records tell of them.
        searches: What records tell of the search for a cell's settings, by the cell.
    """

    split: Split
    metrics: tuple[str, ...]
    records: Path
    cache: Path
    checkpoint_every_seconds: float
    keep_models: bool
    weights_needed: bool
    track: str | None
    data: Mapping[str, Any]
    provenance: Mapping[str, Any]
    searches: Mapping[str, Any]

    def path(self, config: RunConfig, key: str) -> Path:
        """Return where the record of a run lies."""
        return record_path(self.records, config, fingerprint=key)

    def weights(self, key: str) -> Path:
        """Return where the trained weights of a run lie."""
        return self.cache / "models" / f"{key}.safetensors"

    def checkpoints(self, key: str) -> Path:
        """Return the folder of a run's checkpoints, which are gone when its record is there."""
        return self.cache / "checkpoints" / key

    def is_done(self, config: RunConfig, key: str) -> bool:
        """Return whether a run has left its record, and its weights where they are needed."""
        weights_there = not self.weights_needed or self.weights(key).exists()
        return self.path(config, key).exists() and weights_there


@dataclass(frozen=True)
class _Trained:
    """What ranks, and what it took to train: nothing for an arm without a backbone."""

    model: Ranker | BlockRanker
    learned_from: Split | None
    device: str = "cpu"
    history: History | None = None
    flops: int = 0
    parameters: Mapping[str, int] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.history.seconds if self.history else 0.0


def run_one(
    config: RunConfig,
    key: str,
    embeddings: ItemText | None,
    start: Start | None,
    settings: Settings,
) -> str | None:
    """Make one run and write its ledger, then its record; None if another process has it.

    Where its weights are needed, it waits for the other process; where they alone are missing, it
    is trained again and its record stays.

    Args:
        config, key: The run and its fingerprint.
        embeddings: What its arm knows of the items' texts.
        start: The run whose weights it starts from.
        settings: Of all runs.

    Returns:
        What there is to say of it, in a few words.
    """
    claims = settings.cache / "claims"
    claims.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(claims / f"{key}.lock", blocking=settings.weights_needed):
            if settings.is_done(config, key):
                return None
            with one_thread():
                said = _run(config, key, embeddings, start, settings)
            shutil.rmtree(settings.checkpoints(key), ignore_errors=True)
            return said
    except Timeout:
        return None


def _run(
    config: RunConfig,
    key: str,
    embeddings: ItemText | None,
    start: Start | None,
    settings: Settings,
) -> str:
    split, path = settings.split, settings.path(config, key)
    trained = _train(config, key, embeddings, start, settings)
    if path.exists():  # of a run whose record was kept and whose weights were not
        return f"weights alone, in {trained.seconds:.0f} s"
    began = time.perf_counter()
    ledger, lists = rank_and_list(trained.model, split.test, k=_LIST_LENGTH)
    test_seconds = time.perf_counter() - began
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
            "data": {**settings.data, **about_labels(config.arm, split.catalog)},
            "vectors": about_vectors(embeddings, trained.model),
            "parameters": trained.parameters,
            "compute": {
                "device": trained.device,
                "num_threads": 1,
                "train_flops": trained.flops,
                "train_seconds": round(trained.seconds, 2),
                "test_seconds": round(test_seconds, 2),
                "peak_process_bytes": peak_bytes(),
            },
            "history": about_history(trained.history),
            "metrics": metrics,
            "lists": list_metrics(lists, train_counts=train_counts),  # older records have none
            "target_in_history": int(split.test.target_in_history.sum()),
            "provenance": {**settings.provenance, "seed": config.seed},
            **({"tuning": search} if search else {}),
            **({"source": start.as_dict()} if start else {}),
            **(
                {"learned_from": learned_from(trained.learned_from)}
                if trained.learned_from is not split
                else {}
            ),
        },
    )
    first = settings.metrics[0]
    return f"{first} {metrics[first]['mean']:.4f} in {trained.seconds + test_seconds:.0f} s"


def _train(
    config: RunConfig,
    key: str,
    embeddings: ItemText | None,
    start: Start | None,
    settings: Settings,
) -> _Trained:
    """Train on the run's share of the users; of a transfer, from the weights of its source."""
    split, share = settings.split, config.arm.share
    part = split if share else None
    if config.backbone is None:
        return _Trained(untrained(config, split, embeddings), part)
    where = device()
    model = build(config, split, embeddings).to(where)
    parameters = model.num_parameters()
    if start is not None:
        assert config.arm.transfer is not None
        carry_weights(
            model,
            settings.weights(start.key),
            carry=config.arm.transfer.carry,
            user_ids=start.user_ids,
        )
    history, flops = None, 0
    if share:
        part = train_share(split, share=share, seed=config.seed)
        history = _fit(model, part, config, key, settings)
        flops = training_flops(model, part, config.train) * len(history.epochs)
    if settings.keep_models:
        model.save(settings.weights(key))
    return _Trained(model, part, where.type, history, flops, parameters)


def _fit(
    model: Recommender, split: Split, config: RunConfig, key: str, settings: Settings
) -> History:
    accelerator = _tracker(config, key, settings)
    history = fit(
        model,
        split,
        config.train,
        seed=config.seed,
        progress=False,
        checkpoint=settings.checkpoints(key) / "training.safetensors",
        checkpoint_every_seconds=settings.checkpoint_every_seconds,
        accelerator=accelerator,
    )
    if accelerator is not None:
        accelerator.end_training()
    return history


def _tracker(config: RunConfig, key: str, settings: Settings) -> "Accelerator | None":
    """Return an accelerator whose tracker hears of one run, or None where none is wanted."""
    if settings.track is None:
        return None
    from accelerate import Accelerator

    folder = settings.cache / "tracking"
    folder.mkdir(parents=True, exist_ok=True)
    tracker = Accelerator(log_with=settings.track, project_dir=folder)
    slug = settings.path(config, key).stem
    tracker.init_trackers(slug, config={"run": config.name, "fingerprint": key})
    return tracker
