"""Draws plots/quickstart.svg and .csv from the committed records: python plots/quickstart.py."""

import sys
from pathlib import Path

from tcf.plot import learning_plot, scaling_plot
from tcf.study.cells import read_cells
from tcf.study.epochs import read_epochs
from tcf.study.evidence import evidence
from tcf.study.series import fit_series, fits_table

HERE = Path(__file__).parent
SIZE = "parameters_without_embeddings"


def main(out: Path = HERE) -> None:
    """Read the records and draw into ``out``."""
    cells = read_cells(HERE.parent / "experiments" / "quickstart" / "records")
    fits = fits_table(
        fit_series(cells, metrics=["hr@10"], against="ID", seed=0), metric="hr@10", axis=SIZE
    )
    title = "Quickstart: a simulated world"
    scaling_plot(evidence(cells, metrics=["hr@10"]), x=SIZE, fits=fits, title=title).save(
        out / "quickstart"
    )
    learning_plot(read_epochs(cells), title=title).save(out / "quickstart_learning")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
