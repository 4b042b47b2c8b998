"""How text stands to item IDs in each set of items: prints a table, writes results.json.

Run: python -m experiments.q3_versus_id.analyse   (seconds; reads the records alone)

The margin, 10% of the IDs' mean, was named before any run.
"""

import sys
from pathlib import Path

from tcf._util import write_json
from tcf.study.cells import read_cells
from tcf.study.equivalence import drawable, standings

HERE = Path(__file__).parent
MARGIN = 0.1


def main(out: Path = HERE / "results.json") -> None:
    """Read the records, say how each arm stands."""
    cells, left_out = drawable(read_cells(HERE / "records"))
    table = standings(cells, metric="ndcg@10", margin=MARGIN)
    for row in table.iter_rows(named=True):
        print(
            f"{row['dataset']}: {row['arm']} {row['value']:.4f}, IDs {row['against_value']:.4f}, "
            f"{row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]: {row['verdict']}"
        )
    print(left_out)
    write_json(out, {"margin": MARGIN, "left_out": left_out, "standings": table.to_dicts()})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
