"""Draws plots/neighbours.svg and .csv from the committed records: python plots/neighbours.py."""

import sys
from pathlib import Path

import polars as pl

from tcf.plot import grouped_plot, grouped_rows
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence

HERE = Path(__file__).parent
RECORDS = HERE.parent / "experiments" / "neighbours" / "records"
METRIC = "ndcg@10"


def main(out: Path = HERE, records: Path = RECORDS) -> None:
    """Read the records and draw into ``out``: item IDs, text, and what is not trained."""
    arm = pl.col("arm")
    group = (
        pl.when(pl.col("backbone").is_null())
        .then(pl.lit("untrained"))
        .when(arm.str.starts_with("ID"))
        .then(pl.lit("scored by IDs"))
        .otherwise(pl.lit("scored by text"))
    )
    table = grouped_rows(
        evidence(read_cells(records), metrics=[METRIC]),
        panel=pl.col("dataset").str.extract(r"^([^,]*)"),
        group=group,
    ).sort("panel", "group", maintain_order=True)
    title = "Neighbouring methods over the same frozen vectors"
    grouped_plot(table, title=title).save(out / "neighbours")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
