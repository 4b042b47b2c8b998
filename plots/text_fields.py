"""Draws plots/text_fields.svg and .csv from the committed records: python plots/text_fields.py."""

import sys
from pathlib import Path

import polars as pl

from tcf.plot import grouped_plot
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence

HERE = Path(__file__).parent
RECORDS = HERE.parent / "experiments" / "text_fields" / "records"
METRIC = "ndcg@10"


def main(out: Path = HERE, records: Path = RECORDS) -> None:
    """Read the records and draw into ``out``: a group a text form."""
    means = evidence(read_cells(records), metrics=[METRIC]).filter(mark="mean")
    dataset, form = (
        pl.col("dataset").str.extract(pattern) for pattern in (r"^(.*?), ", r"^.*?, (.*)$")
    )
    first = pl.col("group").replace_strict({"title": 0, "title and genres": 1}, default=2)
    table = means.select(
        "metric",
        "value",
        "low",
        "high",
        panel=dataset,
        group=form,
        name="arm",
        chance=pl.lit(None, dtype=pl.Float64),
        published=pl.lit(False),
    ).sort(first, pl.col("name") != "ID", maintain_order=True)
    title = "What is read of an item, and the words around it"
    grouped_plot(table, title=title).save(out / "text_fields")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
