"""Small tables of evidence for tests of what draws or prints them."""

from statistics import fmean
from typing import Any

import polars as pl

from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS

LADDER = {"small": 10_000, "medium": 310_000, "large": 3_000_000}
SCHEMA: dict[str, Any] = dict.fromkeys(("parameters", "parameters_without_embeddings"), pl.Int64)
SCHEMA |= {"flops_per_item": pl.Int64, "seed": pl.Int64, "low": pl.Float64, "high": pl.Float64}
SCHEMA |= dict.fromkeys(("backbone", "family", "control", "tuned", "interval_about"), pl.String)


def arm(
    name: str,
    kind: str,
    value: float,
    *,
    parameters: int | None = None,
    seeds: tuple[int, ...] = (0, 1, 2),
    limited: tuple[int, ...] = (),
    **columns: Any,
) -> list[dict[str, Any]]:
    """Rows of an arm: seed s scores ``value + s / 1000``, half of it in the second metric."""
    half = None if parameters is None else parameters // 2
    about = {"dataset": "world", "backbone": "SASRec", "arm": name, "kind": kind, "slice": "all"}
    about |= dict.fromkeys(("family", "control", "tuned"))
    about |= {"parameters": parameters, "parameters_without_embeddings": half}
    about |= {"flops_per_item": None if half is None else 2 * half, "num_users": 5000}
    about |= {"train_seconds": 10.0 * (half or 1), "peak_process_bytes": 10**9} | columns
    rows = []
    for metric, factor in (("hr@10", 1), ("ndcg@10", 0.5)):
        runs = [
            about
            | {"metric": metric, "mark": "seed", "seed": seed, "num_seeds": 1}
            | {"value": factor * (value + seed / 1000), "hit_epoch_limit": seed in limited}
            for seed in seeds
        ]
        mean = fmean(run["value"] for run in runs)
        rows.append(
            about
            | {"metric": metric, "mark": "mean", "num_seeds": len(seeds), "value": mean}
            | {"low": mean - 0.005, "high": mean + 0.005, "hit_epoch_limit": bool(limited)}
            | {"interval_about": NEW_SEEDS if len(seeds) > 2 else NEW_USERS}
        )
        rows += runs
    return rows


def study(**columns: Any) -> list[dict[str, Any]]:
    """Rows of a ladder of one family beside TF-IDF, random weights, item IDs and popularity."""
    rows = arm("TF-IDF", "static", 0.05, parameters=0, **columns)
    for place, (name, parameters) in enumerate(LADDER.items()):
        value = 0.06 + place / 100
        rows += arm(name, "model", value, family="OPT", parameters=parameters, **columns)
    rows += arm("untrained", "random", 0.03, parameters=310_000, **columns)
    rows += arm("item ID", "id", 0.09, **columns)
    return rows + arm("popularity", "popularity", 0.01, seeds=(0,), **columns)


def table(rows: list[dict[str, Any]] | None = None) -> pl.DataFrame:
    """Return rows as a table; without any, those of `study`."""
    found = study() if rows is None else rows
    return pl.DataFrame(found, schema_overrides=SCHEMA, infer_schema_length=None)
