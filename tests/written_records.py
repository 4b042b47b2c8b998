"""Records and ledgers of runs that were never made: what reads a study's folder reads these."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tcf._util import hash_json
from tcf.evaluate.ledger import Ledger
from tcf.study import Arm, DSSMConfig, RunConfig, SASRecConfig, Tuning
from tcf.study.records import record_path, split_path, summarize, write_ledger, write_record

NUM_USERS = 400
METRICS = ("hr@10", "ndcg@10")
CHECKSUM = "c0ffee" + "0" * 58
ID = Arm(name="ID", kind="id")
POPULARITY = Arm(name="popularity", kind="popularity")
BACKBONES = {"SASRec": SASRecConfig(), "DSSM": DSSMConfig()}


def size(name: str, **settings: Any) -> Arm:
    """Return an arm of the family OPT."""
    return Arm(name=name, kind="model", encoder=name, family="OPT", **settings)


def write_split(folder: Path) -> None:
    """Write the ledger of the split that all runs share; a tenth of the targets are cold."""
    rng = np.random.default_rng(0)
    columns = {
        "target_train_count": rng.integers(1, 300, NUM_USERS) * (rng.random(NUM_USERS) > 0.1),
        "history_length": rng.integers(3, 22, NUM_USERS),
        "target_in_history": np.zeros(NUM_USERS, bool),
    }
    pl.DataFrame(columns).write_parquet(split_path(folder, CHECKSUM))


def write_runs(
    folder: Path,
    arm: Arm,
    *,
    hits: float,
    parameters: int | None = None,
    backbone: str = "SASRec",
    dataset: str = "world",
    seeds: Sequence[int] = (0, 1, 2),
    at_limit: Sequence[int] = (),
    tuning: Tuning | None = None,
    num_trials: int = 0,
    vectors: str = "f" * 64,
) -> None:
    """Write an arm's runs, one a seed; for ``hits`` of the users the target is among the first ten.

    Users are as hard under one arm as under another: what is hit under a low ``hits`` is hit under
    a higher one, but for a little chance of each seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not split_path(folder, CHECKSUM).exists():
        write_split(folder)
    hard = np.random.default_rng(1).random(NUM_USERS)
    for seed in seeds if arm.is_trained else (0,):
        config = RunConfig(
            dataset=dataset,
            arm=arm,
            backbone=BACKBONES[backbone] if arm.is_trained else None,
            seed=seed,
            tuning=tuning,
        )
        chance = np.random.default_rng([seed, len(arm.name), ord(arm.name[-1])])
        hit = hard + chance.normal(0, 0.05, NUM_USERS) < hits
        ranks = np.where(hit, chance.integers(1, 11, NUM_USERS), 99).astype(np.int32)
        ledger = Ledger(ranks, np.zeros(NUM_USERS, np.int32))
        key = hash_json(config.name)
        path = record_path(folder, config, fingerprint=key)
        epochs = [
            {"loss": 3 / n, "validation": hits * (1 - 1 / n), "train_seconds": 1.0}
            for n in (1, 2, 3)
        ]
        counted = {"total": parameters, "without_embeddings": parameters and parameters // 2}
        write_ledger(path.with_suffix(".parquet"), ledger)
        record = {
            "schema": 1,
            "fingerprint": key,
            "numbers": 1,
            "config": config.model_dump(mode="json"),
            "data": {
                "checksum": CHECKSUM,
                "users_before": 500,
                "users_after": NUM_USERS,
                "audit": {"texts": {"empty": 3}},
            },
            "vectors": {"key": vectors, "parameters": counted} if arm.has_text else None,
            "parameters": {"tower": 10},
            "history": {
                "best_epoch": 2,
                "hit_epoch_limit": seed in at_limit,
                "epochs": epochs,
            }
            if arm.is_trained
            else None,
            "compute": {
                "device": "cpu",
                "train_seconds": 3.0,
                "train_flops": 10**9,
                "peak_process_bytes": 10**8,
            },
            "metrics": summarize(ledger, METRICS),
            "lists": {"k": 10, "coverage": 0.25, "gini": 0.5, "novelty": 7.125},
            "provenance": {
                "commit": "abcdef0123",
                "machine": "a machine",
                "versions": {"tcf": "1"},
            },
        }
        if tuning:
            record["tuning"] = {"num_trials": num_trials, "num_failed": 0, "seconds": 12.5}
        write_record(path, record)


def write_study(folder: Path, *, dataset: str = "world") -> Path:
    """Write a ladder of five sizes, TF-IDF, ID and popularity; ID is ahead. Returns ``folder``."""
    static = Arm(name="TF-IDF", kind="static", encoder="tfidf-svd")
    for n, parameters in enumerate((10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)):
        arm, hits = size(f"OPT-{parameters}"), 0.1 + 0.05 * n
        write_runs(folder, arm, hits=hits, parameters=parameters, dataset=dataset)
    write_runs(folder, static, hits=0.12, parameters=0, dataset=dataset)
    write_runs(folder, ID, hits=0.6, dataset=dataset, at_limit=(0,))
    write_runs(folder, POPULARITY, hits=0.05, dataset=dataset)
    return folder
