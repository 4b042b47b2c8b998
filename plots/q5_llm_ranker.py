"""Draws plots/q5_llm_ranker.svg and .csv from the committed results: python plots/q5_llm_ranker.py.

The published figures are of other data sets and stand below ours, open.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from tcf.plot import grouped_plot

HERE = Path(__file__).parent
EXPERIMENTS = HERE.parent / "experiments"
TASKS = {"choose 1 of 4": "hr@1", "rank 10 of 100": "hr@10"}
NAMES = {"prompted": "{encoder}, asked", "frozen": "SASRec + {encoder}, frozen"}


def main(out: Path = HERE) -> None:
    """Read the results and the published figures, and draw into ``out``."""
    results = sorted((EXPERIMENTS / "q5_llm_ranker").glob("results/*.json"))
    measured = [row for path in results for row in _measured(path)]
    chance = {row["panel"]: row["chance"] for row in measured}
    published = json.loads((EXPERIMENTS / "published" / "figures.json").read_text("utf-8"))
    others = pl.DataFrame(list(_published(published["figures"], chance)))
    table = pl.concat([pl.DataFrame(measured), others], how="diagonal")
    title = "The same candidates, ranked by trained models and by asked ones"
    grouped_plot(table, title=title).save(out / "q5_llm_ranker")


def _measured(path: Path) -> Iterator[dict[str, Any]]:
    result = json.loads(path.read_text(encoding="utf-8"))
    for task, metric in TASKS.items():
        for ranker, found in result["rankers"].items():
            about = {"panel": task, "metric": metric, "group": result["dataset"], "name": ranker}
            numbers = {name: found[task][metric][name] for name in ("low", "high", "chance")}
            yield {**about, "value": found[task][metric]["mean"], **numbers}


def _published(figures: list[dict[str, Any]], chance: dict[str, float]) -> Iterator[dict[str, Any]]:
    tasks = {"chatgpt4rec-1of4": "choose 1 of 4", "chatgpt4rec-10of100": "rank 10 of 100"}
    for figure in figures:
        task = tasks.get(figure["study"])
        if task is None or figure["mode"] not in NAMES:
            continue
        name = NAMES[figure["mode"]].format(**figure)
        about = {"panel": task, "metric": figure["metric"], "group": figure["dataset"]}
        ends = {"chance": chance[task], "published": True}
        yield {**about, "name": name, "value": figure["value"], **ends}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
