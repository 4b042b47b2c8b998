"""Records and ledgers made by hand: what a study leaves, without a training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tcf._util import hash_json
from tcf.evaluate.ledger import Ledger
from tcf.study.arms import Arm
from tcf.study.backbones import SASRecConfig
from tcf.study.config import RunConfig
from tcf.study.records import record_path, split_path, summarize, write_ledger, write_record
from tcf.study.space import Tuning

CHECKSUM = "c" * 64
ID = Arm(name="ID", kind="id")
TEXT = Arm(name="text", kind="model", encoder="e", family="f")
POPULARITY = Arm(name="popularity", kind="popularity")


def ledger(num_users: int, *, seed: int, better: float = 1.0) -> Ledger:
    """Ranks from 1 to 39; a larger ``better`` makes them smaller."""
    ranks = np.random.default_rng(seed).integers(1, 40, num_users) / better
    return Ledger(np.maximum(ranks, 1).astype(np.int32), np.zeros(num_users, np.int32))


def write_run(
    folder: Path,
    arm: Arm,
    *,
    seed: int = 0,
    num_users: int = 200,
    better: float = 1.0,
    checksum: str = CHECKSUM,
    config: dict[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Write one run; ``config`` and ``changes`` replace parts of its config and record."""
    backbone = SASRecConfig() if arm.is_trained else None
    settings = {"dataset": "d", "arm": arm, "backbone": backbone, "seed": seed, **(config or {})}
    made = RunConfig(**settings)
    # ties apart, every arm meets the same users: their luck is the seed's and the arm's
    ranks = ledger(num_users, seed=seed + 100 * len(arm.name), better=better)
    key = (arm.name + str(seed)).encode().hex().ljust(64, "0")[:64]
    path = record_path(folder, made, fingerprint=key)
    record: dict[str, Any] = {
        "schema": 1,
        "fingerprint": key,
        "numbers": 1,
        "config": made.model_dump(mode="json"),
        "data": {"checksum": checksum, "users_after": num_users},
        "vectors": {"parameters": {"total": 1_230_000, "without_embeddings": 400_000}}
        if arm.has_text
        else None,
        "parameters": {"tower": 5} if backbone else {},
        "history": {"epochs": [{}, {}], "best_epoch": 1, "hit_epoch_limit": arm.has_text}
        if backbone
        else None,
        "compute": {
            "device": "cpu",
            "num_threads": 1,
            "train_seconds": 1.5 + seed,
            "test_seconds": 0.5,
            "train_flops": 10,
            "peak_process_bytes": 7,
        },
        "metrics": summarize(ranks, ["hr@10", "ndcg@10"]),
        "provenance": {"commit": "f" * 40, "versions": {"torch": "2"}, "seed": seed},
        **changes,
    }
    write_ledger(path.with_suffix(".parquet"), ranks)
    write_record(path, record)
    return path


def write_split(folder: Path, *, num_users: int = 200, checksum: str = CHECKSUM) -> pl.DataFrame:
    """Write the split's ledger: a third of the targets is cold, a third rare, a third not."""
    user = np.arange(num_users)
    frame = pl.DataFrame(
        {
            "target_train_count": np.array([0, 3, 30], np.int32)[user % 3],
            "history_length": (4 + user % 5).astype(np.int32),
            "target_in_history": user % 50 == 0,
        }
    )
    frame.write_parquet(split_path(folder, checksum))
    return frame


def write_arm(
    folder: Path,
    arm: Arm,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    parameters: int = 1_230_000,
    at_limit: Sequence[int] = (),
    dataset: str = "world",
    tuning: Tuning | None = None,
    num_trials: int = 0,
    **settings: Any,
) -> None:
    """Write an arm's runs, one a seed, with all that a whole record has, and their split."""
    folder.mkdir(parents=True, exist_ok=True)
    num_users = settings.setdefault("num_users", 400)
    if not split_path(folder, CHECKSUM).exists():
        write_split(folder, num_users=num_users)
    counted = {"total": parameters, "without_embeddings": parameters // 2}
    search = {"num_trials": num_trials, "num_failed": 0, "seconds": 12.5}
    epochs = [{"loss": 3 / n, "validation": 1 - 1 / n, "train_seconds": 1.0} for n in (1, 2, 3)]
    for seed in seeds if arm.is_trained else (0,):
        history = {"best_epoch": 2, "hit_epoch_limit": seed in at_limit, "epochs": epochs}
        write_run(
            folder,
            arm,
            seed=seed,
            config={"dataset": dataset, "tuning": tuning},
            **settings,
            fingerprint=hash_json([dataset, arm.name, seed]),
            data={
                "checksum": CHECKSUM,
                "users_before": 500,
                "users_after": num_users,
                "audit": {"texts": {"empty": 3}},
            },
            vectors={"key": "f" * 64, "parameters": counted} if arm.has_text else None,
            history=history if arm.is_trained else None,
            lists={"k": 10, "coverage": 0.25, "gini": 0.5, "novelty": 7.125},
            **({"tuning": search} if tuning else {}),
        )


def write_study(folder: Path) -> Path:
    """Write a ladder of five sizes, TF-IDF, popularity, and ID ahead of all; return ``folder``."""
    for n in range(5):
        arm = Arm(name=f"OPT-{10 ** (n + 4)}", kind="model", encoder="e", family="OPT")
        write_arm(folder, arm, better=0.5 + 0.2 * n, parameters=10 ** (n + 4))
    static = Arm(name="TF-IDF", kind="static", encoder="tfidf-svd")
    write_arm(folder, static, better=0.45, parameters=0)
    write_arm(folder, ID, better=2, at_limit=(0,))
    write_arm(folder, POPULARITY, better=0.3)
    return folder
