"""Draws plots/q5_llm_ranker.svg and .csv from the committed results: python plots/q5_llm_ranker.py.

The published figures are of other data sets and stand below ours, open.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from tcf.plot import candidates_plot

HERE = Path(__file__).parent
FOLDER = HERE.parent / "experiments" / "q5_llm_ranker"
TASKS = {"choose 1 of 4": "hr@1", "rank 10 of 100": "hr@10"}


def main(out: Path = HERE) -> None:
    """Read the results and the published figures, and draw into ``out``."""
    measured = [row for path in sorted(FOLDER.glob("results/*.json")) for row in _measured(path)]
    chance = {row["task"]: row["chance"] for row in measured}
    table = pl.DataFrame([*measured, *_published(chance)], infer_schema_length=None)
    title = "The same candidates, ranked by trained models and by asked ones"
    candidates_plot(table, title=title).save(out / "q5_llm_ranker")


def _measured(path: Path) -> Iterator[dict[str, Any]]:
    result = json.loads(path.read_text(encoding="utf-8"))
    for task, metric in TASKS.items():
        for ranker, found in result["rankers"].items():
            about = {"dataset": result["dataset"], "ranker": ranker, "task": task, "metric": metric}
            numbers = {name: found[task][metric][name] for name in ("low", "high", "chance")}
            value = found[task][metric]["mean"]
            yield {**about, "value": value, **numbers, "published": False}


def _published(chance: dict[str, float]) -> Iterator[dict[str, Any]]:
    told = json.loads((FOLDER / "published.json").read_text(encoding="utf-8"))
    for task, metric in TASKS.items():
        for figure in told["figures"]:
            about = {"dataset": figure["dataset"], "ranker": figure["ranker"]}
            ends = {"low": None, "high": None, "chance": chance[task], "published": True}
            yield {**about, "task": task, "metric": metric, "value": figure[task], **ends}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
