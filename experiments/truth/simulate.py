"""Does the machinery tell the truth? Simulated studies, cell by cell, into results.json.

Run:     python -m experiments.truth.simulate
Cost:    about 40 minutes on two busy cores; each cell is kept as it ends, and a killed run goes on.
Expect:  at five seeds intervals cover 93-97% and tests are wrong 3-7% of the time.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from experiments.truth.cells import Cell, Part
from experiments.truth.curves import SHAPES, curves
from experiments.truth.pairs import pairs
from experiments.truth.tables import tables
from tcf._util import write_json

RESULTS = Path(__file__).parent / "results.json"
PARTS: dict[str, Part] = {"pairs": pairs, "tables": tables, "curves": curves}
RATIOS = (0.3, 1.0, 3.0)
SEEDS = (2, 3, 5, 10)
NUM_STUDIES = 2000
_CHUNK = 50


def plan() -> list[Cell]:
    """Return every cell of the experiment."""
    grid = [(ratio, seeds) for ratio in RATIOS for seeds in SEEDS]
    few = [(1.0, seeds) for seeds in (3, 5)]
    return [
        *(Cell(part, *at) for part in ("pairs", "tables") for at in grid),
        *(Cell("pairs", *at, metric="ndcg@10") for at in few),
        *(
            Cell("curves", *at, shape=name)
            for name, shape in SHAPES.items()
            for at in (grid if shape.everywhere else few)
        ),
    ]


def simulate(cell: Cell, numbers: Iterable[int]) -> dict[str, list[float]]:
    """Run studies of a cell; for each measure: the sum of its outcomes, and of how many studies."""
    totals: dict[str, list[float]] = {}
    for number in numbers:
        for name, value in PARTS[cell.part](cell, number).items():
            _add(totals, name, value, 1)
    return totals


def run_cell(cell: Cell, num_studies: int, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """Run all studies of a cell on the pool."""
    starts = range(0, num_studies, _CHUNK)
    chunks = [range(start, min(start + _CHUNK, num_studies)) for start in starts]
    totals: dict[str, list[float]] = {}
    for found in pool.map(simulate, [cell] * len(chunks), chunks):
        for name, (value, number) in found.items():
            _add(totals, name, value, number)
    measures = {name: [round(value, 6), int(of)] for name, (value, of) in totals.items()}
    return {
        "part": cell.part,
        "metric": cell.metric,
        "shape": cell.shape,
        "ratio": cell.ratio,
        "num_seeds": cell.num_seeds,
        "num_studies": num_studies,
        "measures": measures,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every cell that the results do not have yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=NUM_STUDIES, help="studies a cell")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file to write or go on with")
    parser.add_argument("--only", default="", help="cells whose name holds this")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    results = json.loads(options.results.read_text()) if options.results.exists() else {}
    cells = [cell for cell in plan() if options.only in cell.name and cell.name not in results]
    with ProcessPoolExecutor(options.workers) as pool:
        for number, cell in enumerate(cells, 1):
            begun = time.perf_counter()
            results[cell.name] = run_cell(cell, options.studies, pool)
            write_json(options.results, results)
            seconds = time.perf_counter() - begun
            print(f"{number}/{len(cells)}  {cell.name}  {seconds:.0f} s", file=sys.stderr)


def _add(totals: dict[str, list[float]], name: str, value: float, number: float) -> None:
    entry = totals.setdefault(name, [0.0, 0])
    entry[0] += value
    entry[1] += number


if __name__ == "__main__":
    main()
