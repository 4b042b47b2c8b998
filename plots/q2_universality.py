"""Draws plots/q2_universality*.svg and .csv from the committed records.

Run: python plots/q2_universality.py
"""

import sys
from pathlib import Path

import polars as pl

from tcf.plot import layers_plot, versus_id_plot
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence

HERE = Path(__file__).parent
RECORDS = HERE.parent / "experiments" / "q2_universality" / "records"
METRIC = "ndcg@10"


def main(out: Path = HERE, records: Path = RECORDS) -> None:
    """Read the records and draw into ``out``: ways of tuning, and where vectors are read."""
    cells = read_cells(records)
    about = [cell.records[0]["config"]["arm"] for cell in cells]
    read = [str(arm.get("family")).startswith("MiniLM, ") for arm in about]
    table = evidence([cell for cell, x in zip(cells, read, strict=True) if not x], metrics=[METRIC])
    title = "One encoder tuned five ways, beside itself and the largest frozen"
    versus_id_plot(table, metric=METRIC, title=title).save(out / "q2_universality")
    harvest = [
        {
            "dataset": cell.dataset,
            "backbone": cell.backbone,
            "layer": arm["layer"],
            "pooling": arm["pooling"].replace("_", " "),
            "value": cell.values(METRIC).mean(),
        }
        for cell, arm, x in zip(cells, about, read, strict=True)
        if x
    ]
    title = "MiniLM frozen: where its vectors are read"
    layers_plot(pl.DataFrame(harvest), metric=METRIC, title=title).save(
        out / "q2_universality_harvest"
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
