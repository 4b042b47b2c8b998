"""Draws plots/q3_versus_id*.svg and .csv from the committed records: python plots/q3_versus_id.py.

Sets of items that were each trained anew, and, apart, slices of the run on all items.
"""

import sys
from pathlib import Path

from tcf.evaluate.slices import slice_names
from tcf.plot import versus_id_plot, warm_plot
from tcf.study.cells import read_cells
from tcf.study.equivalence import drawable
from tcf.study.evidence import evidence

HERE = Path(__file__).parent
RECORDS = HERE.parent / "experiments" / "q3_versus_id" / "records"
METRIC = "ndcg@10"


def main(out: Path = HERE, records: Path = RECORDS) -> None:
    """Read the records and draw into ``out``."""
    cells, left_out = drawable(read_cells(records))
    table = evidence([cell for cell in cells if cell.backbone], metrics=[METRIC])
    title = "Item IDs and text, tuned equally, in sets of items trained anew"
    versus_id_plot(table, metric=METRIC, title=title, note=left_out).save(out / "q3_versus_id")
    whole = [cell for cell in cells if "," not in cell.dataset]
    slices = evidence(whole, metrics=[METRIC], slices=slice_names())
    title = "All items, by how often the target was seen in training"
    warm_plot(slices, metric=METRIC, title=title).save(out / "q3_versus_id_slices")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
