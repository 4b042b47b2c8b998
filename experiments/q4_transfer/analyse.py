"""What a transfer gives: prints factors and the matrix of transfers, writes results.json.

Run: python -m experiments.q4_transfer.analyse   (seconds; reads the records alone)
"""

import sys
from pathlib import Path

import polars as pl

from tcf._util import write_json
from tcf.study import factors, read_cells, transfer_table

HERE = Path(__file__).parent
METRICS = ("hr@10", "ndcg@10")


def main(records: Path = HERE / "records", out: Path = HERE / "results.json") -> None:
    """Read the records; say how far each arm is above chance, and what it has of a trained one."""
    cells = read_cells(records)
    matrix = transfer_table(cells, metrics=METRICS)
    trained = matrix["arm"].unique(maintain_order=True)
    told = pl.concat(factors(cells, against=arm, metrics=METRICS) for arm in ("chance", *trained))
    for row in told.iter_rows(named=True):
        ends = "no hit at all"
        if row["low"] is not None:
            ends = f"[{row['low']:.3g}, {row['high']:.3g}], {row['interval_about']}"
        print(
            f"{row['dataset']}: {row['arm']} {row['metric']} {row['value']:.4f}, "
            f"{row['factor']:.3g} times {row['against']} {ends}"
        )
    write_json(out, {"factors": told.to_dicts(), "matrix": matrix.to_dicts()})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
