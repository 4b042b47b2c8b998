"""Draws plots/microlens*.svg and .csv from the committed records: python plots/microlens.py."""

import sys
from pathlib import Path

from tcf.evaluate.slices import slice_names
from tcf.plot import scaling_plot, versus_id_plot, warm_plot
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence

HERE = Path(__file__).parent


def main(out: Path = HERE) -> None:
    """Read the records and draw into ``out``."""
    cells = read_cells(HERE.parent / "experiments" / "microlens" / "records")
    table = evidence(cells, metrics=["hr@10"], slices=slice_names())
    title = "MicroLens-50k: depths of one frozen encoder"
    scaling_plot(table, title=title).save(out / "microlens")
    versus_id_plot(table, title="MicroLens-50k: item IDs and text").save(out / "microlens_id")
    warm_plot(table, title="MicroLens-50k: by how often the target was seen").save(
        out / "microlens_warm"
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
