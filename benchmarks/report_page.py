"""The page of a hundred runs of 50,000 users, neighbour lists found, by the command itself.

    python -m benchmarks.report_page [--repeats 5]

The records of ``experiments/microlens`` thrice, as three data sets, the last 11 of 111 left out:
100 runs in six panels. The lists of 5,000 items under each encoder are of random vectors; finding
them is what is not measured. Wall clock and processor seconds are of the whole process, interpreter
and imports included. Figures go to results/report_page.json.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import spread, write_result
from tcf._util import write_json
from tcf.report.neighbours import MAX_ITEMS, NUM_NEIGHBOURS, nearest
from tcf.study.cells import read_cells

RECORDS = Path(__file__).parents[1] / "experiments" / "microlens" / "records"
COPIES, NUM_RUNS = "abc", 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_records(folder / "records")
        write_lists(folder)
        turns = [page(folder) for _ in range(repeats + 1)][1:]
        result: dict[str, Any] = {
            "runs": len(list((folder / "records").glob("*.json"))),
            "seconds": spread([turn[0] for turn in turns]),
            "processor_seconds": spread([turn[1] for turn in turns]),
            "bytes": (folder / "report.html").stat().st_size,
        }
    print(result)
    write_result("report_page", result)


def copy_records(folder: Path) -> None:
    """Write every record and ledger once for each copy, under a data set of its own."""
    folder.mkdir()
    for path in RECORDS.glob("*.json"):
        for copy in COPIES:
            record = json.loads(path.read_text(encoding="utf-8"))
            record["config"]["dataset"] += f" {copy}"
            record["fingerprint"] = copy + record["fingerprint"][1:]
            write_json(folder / f"{copy}-{path.name}", record)
            ledger = path.with_suffix(".parquet")
            shutil.copy(ledger, folder / f"{copy}-{ledger.name}")
    for path in sorted(folder.glob("*.json"))[NUM_RUNS:]:
        path.unlink()
        path.with_suffix(".parquet").unlink()
    for path in RECORDS.glob("split-*.parquet"):
        shutil.copy(path, folder)


def write_lists(folder: Path) -> None:
    """Leave in the cache what `tcf report --study` would have found."""
    cells = [cell for cell in read_cells(folder / "records") if cell.records[0]["vectors"]]
    lists = folder / "cache" / "neighbours" / f"{cells[0].checksum[:16]}-{MAX_ITEMS}"
    titles = [f"item {n}, whose title is as long as one of MicroLens" for n in range(MAX_ITEMS)]
    write_json(lists / "items.json", {"num_items": 19_158, "titles": titles})
    rng = np.random.default_rng(0)
    for key in {cell.records[0]["vectors"]["key"] for cell in cells}:
        found = nearest(rng.normal(size=(MAX_ITEMS, 64)), k=NUM_NEIGHBOURS)
        np.save(lists / f"{key[:32]}.npy", found, allow_pickle=False)


def page(folder: Path) -> tuple[float, float]:
    """Return the seconds and processor seconds of the command."""
    command = [sys.executable, "-m", "tcf", "report", str(folder / "records")]
    command += ["--out", str(folder / "report.html"), "--cache", str(folder / "cache")]
    command += ["--study", str(RECORDS.parent / "study.py")]
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{seconds:.2f} s, {worked:.2f} s of the processor", flush=True)
    return seconds, worked


if __name__ == "__main__":
    main()
