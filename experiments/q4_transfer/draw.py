"""Draws the matrix of transfers from the committed records.

Run: python -m experiments.q4_transfer.draw FOLDER   (seconds)
"""

import sys
from pathlib import Path

import polars as pl

from tcf.plot import transfer_plot
from tcf.study import read_cells, transfer_table

RECORDS = Path(__file__).parent / "records"


def main(out: Path, records: Path = RECORDS) -> None:
    """Read the records and draw into ``out``: nothing of the target seen, and all of it."""
    table = transfer_table(read_cells(records), metrics=["hr@10"])
    table = table.sort(pl.col("source").str.contains(" + ", literal=True), "source", "target")
    own = (pl.col("source") == pl.col("target")) & (pl.col("share") == 1)
    for share, name, title in (
        (0.0, "zero_shot", "Nothing learned of the target; on the diagonal all of it"),
        (1.0, "full", "All of the target, from the source's weights; on the diagonal from none"),
    ):
        moved = (pl.col("carry") == "all") & (pl.col("share") == share)
        transfer_plot(table.filter(own | moved), title=title).save(out / f"q4_{name}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
