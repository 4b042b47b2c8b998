"""The table that `tcf table` prints: mean and spread over seeds. Loads no torch."""

from collections.abc import Sequence
from typing import Any

import polars as pl

__all__ = ["short_count", "summary"]


def summary(frame: pl.DataFrame, metrics: Sequence[str]) -> pl.DataFrame:
    """Return one row for each data set, backbone and arm, one column for each metric.

    Raises:
        ValueError: If a metric is not in the table.
    """
    have = frame["metric"].unique().to_list()
    for name in metrics:
        if name not in have:
            raise ValueError(f"metric must be one of {', '.join(sorted(have))}; got {name!r}")
    cell = ["dataset", "backbone", "arm", "parameters"]
    frame = frame.with_columns(pl.col("parameters").map_elements(short_count, pl.String))

    def of(name: str) -> Any:
        value = pl.col("value").filter(pl.col("metric") == name)
        spread = pl.format(" ± {}", value.std().round(4).cast(pl.String)).fill_null("")
        return pl.concat_str(value.mean().round(4).cast(pl.String), spread).alias(name)

    return frame.group_by(cell, maintain_order=True).agg(
        pl.col("seed").n_unique().alias("seeds"),
        pl.col("hit_epoch_limit")
        .any()
        .replace_strict({True: "yes", False: ""})
        .alias("at epoch limit"),
        *map(of, metrics),
    )


def short_count(number: float) -> str:
    """1234567 -> "1.23M"."""
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}" if isinstance(number, float) else str(number)
