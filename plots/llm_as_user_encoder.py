"""Draws plots/llm_as_user_encoder.svg and .csv from its records, published figures beside them.

Run: python plots/llm_as_user_encoder.py
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from tcf.plot import grouped_plot, grouped_rows
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence

HERE = Path(__file__).parent
EXPERIMENTS = HERE.parent / "experiments"
METRIC = "hr@10"
HOW = {"TextUsers": "users as texts", "MeanHistory": "mean of the items"}
"""Name in the records -> how users are read; others keep their name."""


def main(out: Path = HERE, records: Path = EXPERIMENTS / "llm_as_user_encoder" / "records") -> None:
    """Read the records and the published figures, and draw into ``out``."""
    table = evidence(read_cells(records), metrics=[METRIC])
    backbone = pl.col("backbone")
    how = pl.when(backbone.is_null()).then(pl.lit("untrained")).otherwise(backbone.replace(HOW))
    rows = grouped_rows(table, panel=pl.col("dataset"), group=how)
    rows = pl.concat([rows, pl.DataFrame(list(_published()))], how="diagonal")
    title = "Users read as texts, and users read as items"
    grouped_plot(rows, title=title).save(out / "llm_as_user_encoder")


def _published() -> Iterator[dict[str, Any]]:
    told = json.loads((EXPERIMENTS / "published" / "figures.json").read_text(encoding="utf-8"))
    for figure in told["figures"]:
        if figure["study"] == "gpt4rec":
            name = f"{figure['encoder']}, {figure['mode'].replace('-', ' ')}"
            about = {"panel": f"{figure['dataset']}, published", "metric": figure["metric"]}
            about |= {"group": HOW["TextUsers"], "name": name}
            yield {**about, "value": figure["value"], "published": True}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
