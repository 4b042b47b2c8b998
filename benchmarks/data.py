"""Reading, indexing and splitting 1 to 100 million interactions, against plain Polars.

    python -m benchmarks.data [--repeats 5] [--largest 100_000_000] [--folder FOLDER]

The files are CSV: users and items with text ids, 25 interactions a user on average, rows in the
order of time with users mixed. ``tcf``: `read_folder`, `filter_interactions` (at least 5), and
`leave_one_out`; then the prepared form is written and opened again. ``polars``: the whole file read
as text, ids joined, rows sorted, users with fewer than 5 left out and the last two rows of each cut
off; up to 10 million rows, as its memory would not do for more. Arms take turns, each in a process
of its own, whose peak memory counts all that it holds. Figures go to results/data.json.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.probe import peak_bytes, run_arm
from tcf.data import (
    filter_interactions,
    leave_one_out,
    open_prepared,
    read_folder,
    write_prepared,
)

SIZES = (1_000_000, 10_000_000, 100_000_000)
PEER_LIMIT = 10_000_000
BLOCK = 5_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--folder", type=Path, help="for the files, 2.7 GB at the largest")
    parser.add_argument("--arm", choices=("tcf", "reopen", "polars"))
    arguments = parser.parse_args()
    if arguments.arm:
        print(json.dumps(measured(arguments.arm, arguments.folder)))
        return
    from benchmarks.report import write_result  # loads torch, whose memory is not the arms'

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        sizes = [size for size in SIZES if size <= arguments.largest]
        write_result("data", {f"{n:,}": compare(Path(folder), n, arguments.repeats) for n in sizes})


def compare(folder: Path, num_interactions: int, repeats: int) -> dict[str, Any]:
    """Figures of one size."""
    from benchmarks.report import median_ratio, spread

    data = folder / str(num_interactions)
    write_files(data, num_interactions)
    arms = ["tcf", "reopen", *(["polars"] if num_interactions <= PEER_LIMIT else [])]
    turns: dict[str, list[dict[str, Any]]] = {arm: [] for arm in arms}
    for _ in range(repeats):
        for arm, done in turns.items():
            done.append(run_arm("benchmarks.data", arm, folder=data))
            print(f"{num_interactions:,}", arm, done[-1], flush=True)
    figures: dict[str, Any] = {}
    for arm, done in turns.items():
        figures[arm] = {
            name: spread([turn[name] for turn in done], digits=3)
            for name in done[0]
            if name != "peak_megabytes"
        }
        figures[arm]["peak_megabytes"] = max(turn["peak_megabytes"] for turn in done)
    figures["rows_per_second"] = round(num_interactions / figures["tcf"]["seconds"]["median"])
    if "polars" in turns:
        for name in ("seconds", "processor_seconds"):
            over, under = ([turn[name] for turn in turns[arm]] for arm in ("polars", "tcf"))
            figures[f"ratio_of_{name}"] = median_ratio(over, under)
    return figures


def write_files(folder: Path, num_interactions: int) -> None:
    """Write items.csv and interactions.csv."""
    rng = np.random.default_rng(0)
    num_users, num_items = num_interactions // 25, max(1000, num_interactions // 500)
    folder.mkdir()
    items = pl.DataFrame({"item_id": np.arange(num_items)}).select(
        item_id="i" + pl.col("item_id").cast(pl.String),
        title="A title of some words, number " + pl.col("item_id").cast(pl.String),
    )
    items.write_csv(folder / "items.csv")
    with open(folder / "interactions.csv", "wb") as file:
        for first in range(0, num_interactions, BLOCK):
            size = min(BLOCK, num_interactions - first)
            events = pl.DataFrame(
                {
                    "user_id": rng.integers(num_users, size=size),
                    "item_id": (num_items * rng.random(size) ** 2.5).astype(np.int64),
                    "timestamp": 1_400_000_000 + 3 * (first + np.arange(size)),
                }
            )
            events = events.with_columns(
                user_id="u" + pl.col("user_id").cast(pl.String),
                item_id="i" + pl.col("item_id").cast(pl.String),
            )
            events.write_csv(file, include_header=first == 0)


def measured(arm: str, folder: Path) -> dict[str, Any]:
    """Do an arm's work in this process."""
    began, worked = time.perf_counter(), time.process_time()
    steps = {"tcf": by_tcf, "reopen": reopened, "polars": by_polars}[arm](folder)
    return {
        "seconds": round(time.perf_counter() - began, 3),
        "processor_seconds": round(time.process_time() - worked, 3),
        **steps,
        "peak_megabytes": round(peak_bytes() / 1e6),
    }


def by_tcf(folder: Path) -> dict[str, float]:
    """Read, split, and write the prepared form."""
    began = time.perf_counter()
    data = read_folder(folder)
    read = time.perf_counter()
    split = leave_one_out(*filter_interactions(*data, last=None)[:2])
    cut = time.perf_counter()
    assert len(split.test) == split.num_users
    write_prepared(folder.with_name(f"{folder.name}-prepared"), *data)
    times = {"read": read - began, "split": cut - read, "prepare": time.perf_counter() - cut}
    return {f"{name}_seconds": round(seconds, 3) for name, seconds in times.items()}


def reopened(folder: Path) -> dict[str, float]:
    """Open the prepared form."""
    catalog, interactions = open_prepared(folder.with_name(f"{folder.name}-prepared"))
    assert catalog.num_items and interactions.num_interactions == int(folder.name)
    return {}


def by_polars(folder: Path) -> dict[str, float]:
    """The peer: the same arrays, as one would get them with Polars alone."""
    items = pl.read_csv(folder / "items.csv").with_row_index("row", offset=1)
    events = pl.read_csv(folder / "interactions.csv", infer_schema=False)
    events = events.join(items.select("item_id", "row"), on="item_id", how="left")
    events = events.with_columns(pl.col("timestamp").cast(pl.Int64))
    events = events.filter(pl.len().over("user_id") >= 5)
    events = events.sort("user_id", "timestamp", maintain_order=True)
    from_end = pl.int_range(pl.len(), 0, -1).over("user_id")
    train = events.filter(from_end > 2)
    rows, counts = train["row"].to_numpy(), train["user_id"].rle().struct.field("len").to_numpy()
    assert counts.sum() == len(rows) == len(events) - 2 * events["user_id"].n_unique()
    return {}


if __name__ == "__main__":
    main()
