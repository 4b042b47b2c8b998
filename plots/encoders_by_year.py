"""Draws plots/encoders_by_year.svg and .csv from its records: python plots/encoders_by_year.py."""

import json
import sys
from pathlib import Path

import polars as pl

from tcf.plot import years_plot
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence

HERE = Path(__file__).parent
STUDY = HERE.parent / "experiments" / "encoders_by_year"


def main(out: Path = HERE, records: Path = STUDY / "records") -> None:
    """Read the records and the years, and draw into ``out``."""
    told = json.loads((STUDY / "years.json").read_text(encoding="utf-8"))
    years = {arm: about["year"] for arm, about in told.items()}
    year = pl.col("arm").replace_strict(years, default=None, return_dtype=pl.Int64)
    table = evidence(read_cells(records), metrics=["ndcg@10"]).with_columns(year=year)
    title = "Text encoders by the year of their weights"
    years_plot(table, metric="ndcg@10", title=title).save(out / "encoders_by_year")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
