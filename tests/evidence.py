"""Tables of evidence for tests of plots."""

from pathlib import Path

import polars as pl

from tcf.evaluate.stats import mean_over_seeds
from tcf.study.records import read_records, read_table

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def real(name: str) -> pl.DataFrame:
    folder = EXPERIMENTS / name / "records"
    t = read_table(folder)
    cost = {r["fingerprint"]: r["compute"] for r in read_records(folder)}
    t = t.with_columns(
        train_seconds=pl.col("fingerprint").replace_strict({k: v["train_seconds"] for k, v in cost.items()}),
        peak_process_bytes=pl.col("fingerprint").replace_strict({k: v["peak_process_bytes"] for k, v in cost.items()}),
        control=pl.lit(None, pl.String), tuned=pl.lit(None, pl.String), slice=pl.lit("all"),
        flops_per_item=pl.lit(None, pl.Int64), interval_about=pl.lit(None, pl.String), mark=pl.lit("seed"), num_seeds=pl.lit(1, pl.Int64))
    rows = []
    for _, arm in t.group_by("dataset", "backbone", "arm", "metric", maintain_order=True):
        i = mean_over_seeds(arm["value"], arm["low"], arm["high"])
        row = arm.row(0, named=True) | {"mark": "mean", "seed": None, "value": i.mean, "low": i.low, "high": i.high, "interval_about": i.about, "num_seeds": len(arm), "hit_epoch_limit": arm["hit_epoch_limit"].any(), "train_seconds": arm["train_seconds"].mean()}
        rows += [row, *arm.with_columns(low=None, high=None).iter_rows(named=True)]
    return pl.DataFrame(rows, infer_schema_length=None)
