"""Does the gain from size grow with data? Prints the fits, writes results.json.

Run: python -m experiments.more_data.analyse   (seconds; reads the records alone)

NDCG@10 = a + b x + c y + d x y, with x and y decimal logarithms of the encoder's parameters without
embeddings and of the users trained on, over their means. Above zero, d says that it grows.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tcf._util import write_json
from tcf.study import Cell, fit_surface, read_cells

HERE = Path(__file__).parent
METRIC = "ndcg@10"


def main(records: Path = HERE / "records", out: Path = HERE / "results.json") -> None:
    """Read the records, fit each data set."""
    groups: dict[str, list[Cell]] = {}
    for cell in read_cells(records):
        if cell.records[0]["config"]["arm"]["kind"] == "model":
            groups.setdefault(cell.dataset.rpartition(", ")[0], []).append(cell)
    found = {dataset: fitted(cells) for dataset, cells in groups.items()}
    for dataset, fit in found.items():
        d = fit["intervals"]["d"]
        print(
            f"{dataset}: tenfold data change what a tenfold size adds by {d['mean']:+.5f} "
            f"[{d['low']:+.5f}, {d['high']:+.5f}], p={fit['p']['d']:.3f}, about {d['about']}"
        )
    write_json(out, {"metric": METRIC, "datasets": found})


def fitted(cells: list[Cell]) -> dict[str, Any]:
    """Fit the cells of a data set over size and data, and tell their means."""
    sizes = [cell.records[0]["vectors"]["parameters"]["without_embeddings"] for cell in cells]
    users = [cell.records[0]["data"]["split"]["training_users"] for cell in cells]
    fit = fit_surface(sizes, users, [cell.values(METRIC) for cell in cells])
    means = [
        {"arm": cell.arm, "parameters": n, "training_users": d, "value": cell.values(METRIC).mean()}
        for cell, n, d in zip(cells, sizes, users, strict=True)
    ]
    return {**asdict(fit), "means": means}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
