"""Draws plots/precision.svg and .csv from the committed records: python plots/precision.py."""

import sys
from pathlib import Path

import polars as pl

from tcf.plot import grouped_plot, grouped_rows
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence

HERE = Path(__file__).parent
RECORDS = HERE.parent / "experiments" / "precision" / "records"
METRIC = "ndcg@10"
PRECISIONS = ["float32", "bfloat16", "int8", "nf4"]


def main(out: Path = HERE, records: Path = RECORDS) -> None:
    """Read the records and draw into ``out``: trained under SASRec, and untrained."""
    precision = pl.col("arm").str.extract(r"^MiniLM, ([^,]+)")
    table = grouped_rows(
        evidence(read_cells(records), metrics=[METRIC]),
        panel=pl.col("dataset"),
        group=pl.col("backbone").fill_null("untrained, nearest"),
        name=precision,
    )
    order = pl.col("name").cast(pl.Enum(PRECISIONS))
    table = table.sort("panel", "group", order, maintain_order=True)
    title = "One encoder in four number formats"
    grouped_plot(table, title=title).save(out / "precision")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
