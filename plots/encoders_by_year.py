"""Draws plots/encoders_by_year*.svg and .csv from its records and from published figures.

Run: python plots/encoders_by_year.py
"""

import json
import sys
from pathlib import Path

import polars as pl

from tcf.plot import grouped_plot, years_plot
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence

HERE = Path(__file__).parent
EXPERIMENTS = HERE.parent / "experiments"
STUDY = EXPERIMENTS / "encoders_by_year"


def main(out: Path = HERE, records: Path = STUDY / "records") -> None:
    """Read the records, the years and the published figures, and draw into ``out``."""
    told = json.loads((STUDY / "years.json").read_text(encoding="utf-8"))
    years = {arm: about["year"] for arm, about in told.items()}
    year = pl.col("arm").replace_strict(years, default=None, return_dtype=pl.Int64)
    table = evidence(read_cells(records), metrics=["ndcg@10"]).with_columns(year=year)
    title = "Text encoders by the year of their weights"
    years_plot(table, metric="ndcg@10", title=title).save(out / "encoders_by_year")
    title = "Frozen encoders under SASRec, as published, by year"
    grouped_plot(published(years), title=title).save(out / "encoders_by_year_published")


def published(years: dict[str, int]) -> pl.DataFrame:
    """Return what the study says of eleven encoders: a panel a data set, a group a year."""
    told = json.loads((EXPERIMENTS / "published" / "figures.json").read_text(encoding="utf-8"))
    figures = [figure for figure in told["figures"] if figure["study"] == "encoders"]
    figures.sort(key=lambda figure: years[figure["encoder"]])  # stable: data sets keep their order
    rows = [
        {
            "panel": figure["dataset"],
            "metric": figure["metric"],
            "group": str(years[figure["encoder"]]),
            "name": figure["encoder"],
            "value": figure["value"],
            "published": True,
        }
        for figure in figures
    ]
    return pl.DataFrame(rows)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
