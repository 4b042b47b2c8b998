"""Draws plots/text_fields.svg and .csv from the committed records: python plots/text_fields.py."""

import sys
from pathlib import Path

import polars as pl

from tcf.plot import grouped_plot, grouped_rows
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence

HERE = Path(__file__).parent
RECORDS = HERE.parent / "experiments" / "text_fields" / "records"
METRIC = "ndcg@10"


def main(out: Path = HERE, records: Path = RECORDS) -> None:
    """Read the records and draw into ``out``: a group a text form."""
    table = grouped_rows(
        evidence(read_cells(records), metrics=[METRIC]),
        panel=pl.col("dataset").str.extract(r"^(.*?), "),
        group=pl.col("dataset").str.extract(r"^.*?, (.*)$"),
    )
    first = pl.col("group").replace_strict({"title": 0, "title and genres": 1}, default=2)
    table = table.sort(first, pl.col("name") != "ID", maintain_order=True)
    title = "What is read of an item, and the words around it"
    grouped_plot(table, title=title).save(out / "text_fields")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
