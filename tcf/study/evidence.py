"""evidence(): records and ledgers -> the table that plots and reports draw. Loads no torch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from tcf.evaluate.slices import members
from tcf.evaluate.stats import mean_interval
from tcf.study.cells import Cell

__all__ = ["evidence"]

_COUNTS = ("seed", "num_seeds", "num_users", "parameters", "parameters_without_embeddings")
_COUNTS += ("flops_per_item", "num_trials", "train_flops", "peak_process_bytes", "epochs")
_FRACTIONS = ("value", "low", "high", "train_seconds", "tuning_seconds")
_NAMES = ("dataset", "backbone", "arm", "kind", "family", "control", "tuned")
_SCHEMA: dict[str, Any] = {
    **dict.fromkeys((*_NAMES, "slice", "metric", "mark"), pl.String),
    **dict.fromkeys(_COUNTS, pl.Int64),
    **dict.fromkeys(_FRACTIONS, pl.Float64),
    "hit_epoch_limit": pl.Boolean,
    **dict.fromkeys(("interval_about", "fingerprint"), pl.String),
}


def evidence(
    cells: Sequence[Cell],
    *,
    metrics: Sequence[str] = ("hr@10", "ndcg@10"),
    slices: Sequence[str] = ("all",),
    seed: int = 0,
) -> pl.DataFrame:
    """Return each arm's mean with its interval, and each of its runs, in every metric and slice.

    Everything is computed from the ledgers; no model is run. An arm's interval is about new seeds
    and new users where it has three seeds, and otherwise about new users (`mean_interval`). A slice
    without users has no row.

    Args:
        cells: From `read_cells`.
        metrics: Such as ``"hr@10"``.
        slices: ``"all"`` users, or one label of `tcf.evaluate.slices`, such as
            ``"target_train_count: 5-19"``, each.
        seed: Of the bootstrap.

    Returns:
        Columns dataset, backbone (null for what is not trained), arm, kind, family, control, tuned,
        slice, metric; mark ("mean": an arm over its seeds, "seed": one run) and seed; value, low,
        high (fractions; no ends for a seed), interval_about, num_seeds, num_users; parameters,
        parameters_without_embeddings, flops_per_item (of the encoder, null without one);
        train_seconds, train_flops, peak_process_bytes (of a mean: the seeds' mean), epochs,
        hit_epoch_limit, num_trials, tuning_seconds, fingerprint.
    """
    rows = [
        row
        for cell in cells
        for part in slices
        for name in metrics
        for row in _marks(cell, name, part, seed)
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _marks(cell: Cell, name: str, part: str, seed: int) -> Iterator[dict[str, Any]]:
    values = cell.values(name)
    if part != "all":
        values = values[:, members(cell.split, part)]
    if not values.shape[1]:
        return
    about = {"slice": part, "metric": name, "num_users": values.shape[1], **_about_arm(cell)}
    runs = [_about_run(record) for record in cell.records]
    interval = mean_interval(values, seed=seed)
    yield {
        **about,
        **_over_seeds(runs),
        "mark": "mean",
        "value": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "interval_about": interval.about,
        "num_seeds": len(values),
    }
    for run, value in zip(runs, values.mean(1).tolist(), strict=True):
        yield {**about, **run, "mark": "seed", "value": value, "num_seeds": 1}


def _about_arm(cell: Cell) -> dict[str, Any]:
    record = cell.records[0]
    arm = record["config"]["arm"]
    counted = (record["vectors"] or {}).get("parameters") or {}
    return {
        "dataset": cell.dataset,
        "backbone": cell.backbone,
        "arm": cell.arm,
        "kind": arm["kind"],
        "family": arm["family"],
        "control": arm.get("control"),
        "tuned": (arm.get("tuned") or {}).get("method"),
        "parameters": counted.get("total"),
        "parameters_without_embeddings": counted.get("without_embeddings"),
        "flops_per_item": counted.get("flops_per_item"),
    }


def _about_run(record: dict[str, Any]) -> dict[str, Any]:
    history, tuning = record["history"] or {}, record.get("tuning") or {}
    compute = record["compute"]
    return {
        "seed": record["config"]["seed"],
        "train_seconds": float(compute["train_seconds"]),
        "train_flops": compute["train_flops"],
        "peak_process_bytes": compute["peak_process_bytes"],
        "epochs": len(history.get("epochs", ())),
        "hit_epoch_limit": bool(history.get("hit_epoch_limit", False)),
        "num_trials": tuning.get("num_trials"),
        "tuning_seconds": tuning.get("seconds"),
        "fingerprint": record["fingerprint"],
    }


def _over_seeds(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the mean row says of cost and convergence: means of the seeds, and any epoch limit."""
    shared = {name: runs[0][name] for name in ("num_trials", "tuning_seconds")}
    shared["train_seconds"] = float(np.mean([run["train_seconds"] for run in runs]))
    for name in ("train_flops", "peak_process_bytes", "epochs"):
        shared[name] = round(np.mean([run[name] for run in runs]))
    return {**shared, "hit_epoch_limit": any(run["hit_epoch_limit"] for run in runs)}
