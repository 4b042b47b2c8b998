"""Draws plots/q3_versus_id*.svg and .csv from the committed records: python plots/q3_versus_id.py.

Sets of items that were each trained anew, the published ones beside ours, and, apart, slices of the
run on all items.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from tcf.evaluate.slices import slice_names
from tcf.plot import grouped_plot, grouped_rows, warm_plot
from tcf.study.cells import read_cells
from tcf.study.equivalence import drawable
from tcf.study.evidence import evidence

HERE = Path(__file__).parent
EXPERIMENTS = HERE.parent / "experiments"
METRIC, ALL = "ndcg@10", "all items"
SETS = {
    "versus-id": ALL,
    "warm-20": "items of 20 and more",
    "warm-50": "items of 50 and more",
    "warm-200": "items of 200 and more",
}
"""Name in the published figures -> set of items."""


def main(out: Path = HERE, records: Path = EXPERIMENTS / "q3_versus_id" / "records") -> None:
    """Read the records and the published figures, and draw into ``out``."""
    cells, left_out = drawable(read_cells(records))
    table = evidence([cell for cell in cells if cell.backbone], metrics=[METRIC])
    which = pl.col("dataset").str.extract(r", (.*)$").fill_null(ALL)
    rows = grouped_rows(table, panel=pl.col("dataset").str.extract(r"^([^,]*)"), group=which)
    rows = pl.concat([rows, pl.DataFrame(list(_published()))], how="diagonal")
    title = "Item IDs and text, tuned equally, in sets of items trained anew"
    grouped_plot(rows, title=title, note=left_out).save(out / "q3_versus_id")
    whole = [cell for cell in cells if "," not in cell.dataset]
    slices = evidence(whole, metrics=[METRIC], slices=slice_names())
    title = "All items, by how often the target was seen in training"
    warm_plot(slices, metric=METRIC, title=title).save(out / "q3_versus_id_slices")


def _published() -> Iterator[dict[str, Any]]:
    told = json.loads((EXPERIMENTS / "published" / "figures.json").read_text("utf-8"))
    for figure in told["figures"]:
        if figure["study"] not in SETS or figure["backbone"] != "SASRec":
            continue
        name = {"id": "ID"}.get(figure["mode"], f"{figure['encoder']}, {figure['mode']}")
        panel, group = f"{figure['dataset']}, published", SETS[figure["study"]]
        about = {"panel": panel, "metric": figure["metric"], "group": group, "name": name}
        yield {**about, "value": figure["value"], "published": True}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
