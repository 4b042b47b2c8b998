"""The runs of a folder as cells: one data set, backbone and arm over its seeds. Loads no torch."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tcf.errors import DataError
from tcf.evaluate.ledger import Ledger
from tcf.evaluate.metrics import metric
from tcf.study.records import read_ledger, read_record, read_records, split_path

__all__ = ["Cell", "find_cell", "open_pair", "read_cells"]


@dataclass(frozen=True)
class Cell:
    """An arm under a backbone on a data set: its runs, one a seed, and what each user got.

    Attributes:
        dataset, backbone, arm: Its names; no backbone where nothing is trained.
        paths: ``(num_seeds,)`` records' files, by seed.
        records: Likewise, what is in them.
    """

    dataset: str
    backbone: str | None
    arm: str
    paths: tuple[Path, ...] = field(repr=False)
    records: tuple[dict[str, Any], ...] = field(repr=False)

    @property
    def name(self) -> str:
        """Name for people, as `tcf run` shows it."""
        return "/".join(x for x in (self.dataset, self.backbone, self.arm) if x)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each run."""
        return tuple(record["config"]["seed"] for record in self.records)

    @property
    def checksum(self) -> str:
        """Of the split that all runs ranked."""
        return self.records[0]["data"]["checksum"]

    def run(self, seed: int) -> "Cell":
        """Return the run of one seed, alone.

        Raises:
            ValueError: If there is none.
        """
        if seed not in self.seeds:
            have = ", ".join(map(str, self.seeds))
            raise ValueError(f"{self.name} has the seeds {have}; got {seed}")
        at = self.seeds.index(seed)
        return replace(self, paths=(self.paths[at],), records=(self.records[at],))

    @cached_property
    def ledgers(self) -> tuple[Ledger, ...]:
        """Ranks and ties of each run."""
        return tuple(read_ledger(path.with_suffix(".parquet")) for path in self.paths)

    @cached_property
    def split(self) -> pl.DataFrame:
        """What slices need to know of each user's target.

        Raises:
            DataError: If the split's ledger is missing or damaged, or has other users.
        """
        path = split_path(self.paths[0].parent, self.checksum)
        try:
            split = pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{path}: the ledger of the split is needed for slices ({reason}): run the study "
                "again, which writes it"
            ) from error
        if len(split) != len(self.ledgers[0]):
            raise DataError(
                f"{path}: the ledger of the split must have the {len(self.ledgers[0]):,} users of "
                f"the runs; it has {len(split):,}: remove it and run the study again"
            )
        return split

    def values(self, name: str) -> np.ndarray:
        """Return a metric of every run and user, such as ``"ndcg@10"``.

        Returns:
            ``(num_seeds, num_users)`` float64, users in the order of the split.
        """
        if name not in self._values:
            self._values[name] = np.stack([metric(ledger, name) for ledger in self.ledgers])
        return self._values[name]

    @cached_property
    def _values(self) -> dict[str, np.ndarray]:
        return {}


def read_cells(
    folder: str | PathLike[str],
    *,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> list[Cell]:
    """Read a folder of records and ledgers; what is damaged or missing is named and left out.

    Args:
        folder: With the records of a study.
        say: Takes a line for each run that is left out, with the reason.

    Returns:
        Cells in the order of the file names, the runs of each by seed.

    Raises:
        DataError: If no run is left, two records are of one run, or the runs of a data set come
            from different splits or under different ``numbers``: they are no one comparison.
    """
    folder = Path(folder)
    found: dict[tuple[str, str | None, str], list[tuple[int, Path, dict[str, Any]]]] = {}
    for path, record in read_records(folder, say=say).items():
        if (problem := _ledger_problem(path, record)) is not None:
            say(f"left out: {problem}")
            continue
        found.setdefault(_names(record), []).append((record["config"]["seed"], path, record))
    if not found:
        raise DataError(f"{folder}: no run has both a record and a ledger: run the study again")
    cells = []
    for names, runs in found.items():
        _, paths, records = zip(*sorted(runs, key=lambda run: run[0]), strict=True)
        cells.append(Cell(*names, paths=paths, records=records))
    _check_alike(folder, cells)
    return cells


def find_cell(cells: Sequence[Cell], name: str) -> Cell:
    """Return the cell of a name such as ``"MicroLens-50k/SASRec/ID"``; what tells it is enough.

    Raises:
        ValueError: If no cell has this name, or end of a name, or more than one has.
    """
    found = [cell for cell in cells if cell.name == name] or [
        cell for cell in cells if cell.name.endswith(f"/{name}")
    ]
    if len(found) == 1:
        return found[0]
    names = "; ".join(cell.name for cell in found or cells)
    raise ValueError(f"{name!r} must name one cell; it names {len(found)} of: {names}")


def open_pair(a: str, b: str) -> tuple[Cell, Cell]:
    """Return two runs, or two arms over their seeds, named as a user names them.

    Each is a record's file, which is one run; or a folder of records with the name of a cell after
    it, such as ``"records/SASRec/ID"``, which is all its runs, or one, if ``/seed 0`` stands
    behind. What ``b`` leaves out is as in ``a``: a name alone is looked for in the same folder, and
    in a folder alone the same name is looked for.

    Raises:
        DataError: If there is no such file or folder, or as `read_cells`.
        ValueError: If a name is not that of one cell there.
    """
    first, name = _open(a)
    return first, _open(b, folder=first.paths[0].parent, name=name)[0]


def _open(where: str, *, folder: Path | None = None, name: str = "") -> tuple[Cell, str]:
    """Return a cell and the name it goes by; folder and name stand in for what is left out."""
    path = Path(where)
    if path.is_file():
        record = read_record(path)
        if (problem := _ledger_problem(path, record)) is not None:
            raise DataError(problem)
        cell = Cell(*_names(record), paths=(path,), records=(record,))
        return cell, f"{cell.name}/seed {cell.seeds[0]}"
    there = next(one for one in (path, *path.parents) if one.is_dir())
    if there != path:
        name = path.relative_to(there).as_posix()
        if folder is not None and (there == Path() or not any(there.glob("*.json"))):
            there, name = folder, where
    if not any(there.glob("*.json")):
        raise DataError(
            f"{where!r} must be a record's file, or a folder of records with the name of a cell "
            f"after it, as in 'records/SASRec/ID'; the folder {str(there)!r} has no record"
        )
    cells = read_cells(there)
    if not name:
        names = "; ".join(cell.name for cell in cells)
        raise ValueError(f"{where!r} is a folder: name one of its cells after it, of: {names}")
    one = re.fullmatch(r"(.+)/seed (\d+)", name)
    try:
        cell = find_cell(cells, one[1] if one else name)
        return (cell.run(int(one[2])) if one else cell), name
    except ValueError as error:
        raise ValueError(f"{there}: {error}") from error


def _names(record: dict[str, Any]) -> tuple[str, str | None, str]:
    config = record["config"]
    return config["dataset"], (config["backbone"] or {}).get("name"), config["arm"]["name"]


def _ledger_problem(path: Path, record: dict[str, Any]) -> str | None:
    """Say what is wrong with a run's ledger without reading all of it."""
    ledger = path.with_suffix(".parquet")
    try:
        rows = pl.scan_parquet(ledger).select(pl.len()).collect().item()
    except (OSError, pl.exceptions.PolarsError) as error:
        return f"{ledger}: a rank ledger is needed ({str(error).splitlines()[0]})"
    told = {value["num_users"] for value in record["metrics"].values()}
    if told and told != {rows}:
        return f"{ledger}: it has {rows} users, its record says {sorted(told)}: not its ledger"
    return None


def _check_alike(folder: Path, cells: Sequence[Cell]) -> None:
    """Raise unless all runs of a data set ranked the same targets under the same rules."""
    for what, of in (
        ("one split", lambda record: record["data"]["checksum"][:12]),
        ("the same numbers", lambda record: record.get("numbers", 1)),
    ):
        told: dict[str, dict[Any, str]] = {}
        for cell in cells:
            for path, record in zip(cell.paths, cell.records, strict=True):
                told.setdefault(cell.dataset, {}).setdefault(of(record), path.name)
        for dataset, values in told.items():
            if len(values) > 1:
                rows = ", ".join(f"{value} ({name})" for value, name in values.items())
                raise DataError(
                    f"{folder}: the runs of {dataset!r} must come from {what}; found {rows}: "
                    "move the outdated records away"
                )
