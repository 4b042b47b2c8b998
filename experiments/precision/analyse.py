"""What a precision changes in NDCG@10, user by user: prints a table, writes results.json.

Run: python -m experiments.precision.analyse   (seconds; reads the records alone)

The margin, 2% of float32's mean, was named before any run.
"""

import sys
from pathlib import Path

from tcf._util import write_json
from tcf.study.cells import Cell, read_cells
from tcf.study.equivalence import standings

HERE = Path(__file__).parent
MARGIN = 0.02


def main(records: Path = HERE / "records", out: Path = HERE / "results.json") -> None:
    """Read the records, hold each precision against float32 of the same arm."""
    groups: dict[str, list[Cell]] = {}
    for cell in read_cells(records):
        groups.setdefault(reference(cell), []).append(cell)
    rows = [
        row
        for against, cells in groups.items()
        for row in standings(cells, against=against, margin=MARGIN).to_dicts()
    ]
    for row in rows:
        print(
            f"{row['dataset']}, {row['backbone'] or 'untrained'}: {row['arm']} {row['value']:.4f}, "
            f"{row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}] from float32, "
            f"about {row['interval_about']}: {row['verdict']}"
        )
    write_json(out, {"metric": "ndcg@10", "margin": MARGIN, "standings": rows})


def reference(cell: Cell) -> str:
    """Return the name of the arm that differs from a cell's in the precision alone."""
    arm = cell.records[0]["config"]["arm"]
    return cell.arm.replace(f", {arm.get('quantization') or arm['dtype']}", ", float32")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
