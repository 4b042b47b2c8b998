"""Every backbone, loss and tower in every combination: which cells keep the contract, and how long.

    python -m benchmarks.contract

The result is ``results/contract.json``; the exit status is 1 if a cell fails.
"""

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.report import write_result
from tests import cells

TESTS = Path(__file__).parents[1] / "tests" / "contract"


class Outcomes:
    """Collects what became of each test, and the processor seconds of each cell."""

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            spent = dict(report.user_properties).get("cpu_seconds")
            if isinstance(spent, float):
                self.seconds[report.nodeid.rpartition("::")[2]] = spent
        if report.failed:
            self.failed.append(report.nodeid.rpartition("::")[2])


def main() -> int:
    outcomes, began = Outcomes(), time.perf_counter()
    workers = str(os.cpu_count() or 1)
    status = pytest.main([str(TESTS), "-m", "", "-n", workers], plugins=[outcomes])
    seconds = outcomes.seconds  # of the cells that kept the contract
    if not seconds or len(seconds) + len(outcomes.failed) < len(cells.CELLS):
        print(f"{len(cells.CELLS)} cells were to run; {len(seconds)} did", file=sys.stderr)
        return int(status) or 1
    slowest = max(seconds, key=seconds.__getitem__)
    write_result(
        "contract",
        {
            "backbones": list(cells.BACKBONES),
            "losses": list(cells.LOSS_SETTINGS),
            "towers": list(cells.TOWERS),
            "num_cells": len(cells.CELLS),
            "num_pairwise": len(cells.pairwise_cover(cells.CELLS)),
            "num_failed": len(outcomes.failed),
            "failed": sorted(outcomes.failed),
            "seconds": round(time.perf_counter() - began, 1),
            "workers": int(workers),
            "mean_cell_cpu_seconds": round(sum(seconds.values()) / len(seconds), 2),
            "slowest_cell": slowest,
            "slowest_cell_cpu_seconds": round(seconds[slowest], 2),
        },
    )
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
