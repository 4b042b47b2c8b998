"""Draws plots/q1_scaling*.svg and .csv from the committed records: python plots/q1_scaling.py."""

import sys
from pathlib import Path

import polars as pl

from tcf.plot import ladder_plot, scaling_plot
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence
from tcf.study.ladders import fit_loss, loss_evidence, loss_fit_table, read_ladder
from tcf.study.series import fit_series, fits_table

HERE = Path(__file__).parent
FOLDER = HERE.parent / "experiments" / "q1_scaling"
METRIC, SIZE = "ndcg@10", "parameters_without_embeddings"


def main(out: Path = HERE) -> None:
    """Read the records and draw into ``out``."""
    cells = read_cells(FOLDER / "records")
    arms = {id(cell): cell.records[0]["config"]["arm"] for cell in cells}
    shown = [cell for cell in cells if arms[id(cell)].get("control") != "width"]
    fits = fits_table(
        fit_series(shown, metrics=[METRIC], against="ID", seed=0), metric=METRIC, axis=SIZE
    )
    short = pl.col("arm").str.replace(r"^opt-(.*), top 2 tuned$", "$1 tuned")
    scaling_plot(
        evidence(shown, metrics=[METRIC]).with_columns(short),
        metric=METRIC,
        x=SIZE,
        fits=fits,
        title="A ladder of language models as item encoders",
    ).save(out / "q1_scaling")
    ladder = read_ladder(FOLDER / "ladder.json")
    rungs = [
        cell
        for cell in shown
        if arms[id(cell)]["kind"] == "id" or str(arms[id(cell)].get("family")).startswith("ladder")
    ]
    ladder_plot(
        loss_evidence(rungs, ladder, metrics=[METRIC]).with_columns(short),
        ladder,
        metric=METRIC,
        fit=loss_fit_table(fit_loss(ladder, seed=0)),
        title="Is a better language model a better item encoder?",
    ).save(out / "q1_scaling_ladder")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
