"""Draws plots/q4_transfer*.svg and .csv from the committed records: python plots/q4_transfer.py."""

import sys
from pathlib import Path

import polars as pl

from tcf.plot import transfer_plot
from tcf.study.cells import read_cells
from tcf.study.transfers import transfer_table

HERE = Path(__file__).parent
RECORDS = HERE.parent / "experiments" / "q4_transfer" / "records"


def main(out: Path = HERE, records: Path = RECORDS) -> None:
    """Read the records and draw into ``out``: nothing of the target seen, and all of it."""
    table = transfer_table(read_cells(records), metrics=["hr@10"])
    table = table.sort(pl.col("source").str.contains(" + ", literal=True), "source", "target")
    own = (pl.col("source") == pl.col("target")) & (pl.col("share") == 1)
    for share, name, title in (
        (0.0, "zero_shot", "Nothing learned of the target; on the diagonal all of it"),
        (1.0, "full", "All of the target, from the source's weights; on the diagonal from none"),
    ):
        moved = (pl.col("carry") == "all") & (pl.col("share") == share)
        transfer_plot(table.filter(own | moved), title=title).save(out / f"q4_transfer_{name}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
