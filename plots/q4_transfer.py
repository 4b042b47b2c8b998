"""Draws plots/q4_transfer*.svg and .csv from the committed records: python plots/q4_transfer.py."""

import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tcf.plot import transfer_plot
from tcf.study.cells import Cell, read_cells
from tcf.study.evidence import evidence
from tcf.study.transfers import transfer_table

HERE = Path(__file__).parent
RECORDS = HERE.parent / "experiments" / "q4_transfer" / "records"
METRIC = "hr@10"


def main(out: Path = HERE, records: Path = RECORDS) -> None:
    """Read the records and draw into ``out``: nothing of the target seen, and all of it."""
    cells = read_cells(records)
    table = transfer_table(cells, metrics=[METRIC])
    joined = pl.col("source").str.contains(" + ", literal=True)
    targets = table.filter(~joined)["target"].unique(maintain_order=True).to_list()
    table = table.filter(pl.col("target").is_in(targets)).sort(joined, "source", "target")
    own = (pl.col("source") == pl.col("target")) & (pl.col("share") == 1)
    for share, name, title in (
        (0.0, "zero_shot", "Nothing learned of the target; on the diagonal all of it"),
        (1.0, "full", "All of the target, from the source's weights; on the diagonal from none"),
    ):
        moved = (pl.col("carry") == "all") & (pl.col("share") == share)
        shown = table.filter(own | moved).select("source", "target", "value")
        if not share:
            shown = pl.concat([shown, _untrained(cells, targets)])
        transfer_plot(shown, title=title).save(out / f"q4_transfer_{name}")


def _untrained(cells: Sequence[Cell], targets: list[str]) -> pl.DataFrame:
    """Return what needs no training, below the sources, from the best guess to none."""
    table = evidence([cell for cell in cells if cell.backbone is None], metrics=[METRIC])
    means = table.filter(pl.col("dataset").is_in(targets), mark="mean")
    means = means.sort(pl.col("arm") == "chance", pl.col("arm") == "popularity", "dataset")
    return means.select(source="arm", target="dataset", value="value")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
