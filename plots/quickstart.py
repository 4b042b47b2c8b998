"""Draws plots/quickstart.svg and .csv from the committed records: python plots/quickstart.py."""

from pathlib import Path

import polars as pl

from tcf.plot import scaling_plot
from tcf.study.records import read_table

HERE = Path(__file__).parent


def main() -> None:
    """Read the records and draw."""
    table = read_table(HERE.parent / "experiments" / "quickstart" / "records")
    table = table.with_columns(parameters=pl.col("parameters_without_embeddings"))
    scaling_plot(
        table,
        title="Quickstart: a simulated world",
        x_label="encoder parameters used, embeddings left out",
    ).save(HERE / "quickstart")


if __name__ == "__main__":
    main()
