"""One JSON and one ledger a run; every table is read from them. Loads no torch."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tcf._util import atomic_write, to_json, write_json
from tcf.data.catalog import Catalog
from tcf.data.split import Split
from tcf.errors import DataError
from tcf.evaluate.ledger import Ledger
from tcf.evaluate.metrics import metric
from tcf.evaluate.stats import bootstrap_mean

if TYPE_CHECKING:
    from tcf.study.arms import Arm
    from tcf.study.build import ItemText
    from tcf.study.config import RunConfig
    from tcf.train.loop import History

SCHEMA = 1
MAX_RECORD_BYTES = 20_000


def record_path(folder: Path, config: "RunConfig", *, fingerprint: str) -> Path:
    """Where a run's record lies; its ledger lies beside it as ``.parquet``."""
    return folder / f"{_slug(config.name)}-{fingerprint[:12]}.json"


def search_path(folder: Path, config: "RunConfig", *, fingerprint: str) -> Path:
    """Where the search for the settings of a cell's runs lies: in ``tuning/`` of the records."""
    return folder / "tuning" / f"{_slug(config.cell)}-{fingerprint[:12]}.json"


def split_path(folder: Path, checksum: str) -> Path:
    """Where the ledger of a split lies."""
    return folder / f"split-{checksum[:12]}.parquet"


def write_ledger(path: Path, ledger: Ledger) -> None:
    """Write ranks and ties as Parquet, atomically; no id and no text is in it."""
    _write_parquet(path, pl.DataFrame({"rank": ledger.rank, "ties": ledger.ties}))


def read_ledger(path: str | PathLike[str]) -> Ledger:
    """Read a run's ledger.

    Raises:
        DataError: If the file is missing or is no ledger.
    """
    path = Path(path)
    try:
        frame = pl.read_parquet(path, columns=["rank", "ties"])
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path}: a rank ledger is needed ({reason}): run the study again"
        ) from error
    return Ledger(frame["rank"].to_numpy(), frame["ties"].to_numpy())


def write_split_ledger(path: Path, split: Split) -> None:
    """Write what slices need to know of each test target: training count, history length, seen."""
    test = split.test
    counts = split.train.item_counts(split.num_items)
    columns = {
        "target_train_count": counts[test.targets].astype(np.int32),
        "history_length": (test.ends - test.starts).astype(np.int32),
        "target_in_history": test.target_in_history,
    }
    _write_parquet(path, pl.DataFrame(columns))


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a run's record, atomically: its presence says that the run is finished."""
    size = len(to_json(record).encode())
    if size > MAX_RECORD_BYTES:
        raise AssertionError(f"a record holds at most {MAX_RECORD_BYTES} bytes; this has {size}")
    write_json(path, record)


def summarize(ledger: Ledger, metrics: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the mean of each metric with its 95% interval over users (new users, same models)."""
    summary = {}
    for name in metrics:
        interval = bootstrap_mean(metric(ledger, name), seed=0)
        summary[name] = {
            "mean": interval.mean,
            "low": interval.low,
            "high": interval.high,
            "num_users": len(ledger),
        }
    return summary


def learned_from(part: Split | None) -> dict[str, int]:
    """Return how many users and interactions of the target a run with a share learned from."""
    if part is None:
        return {"users": 0, "interactions": 0}
    users = int((part.train.counts() > 0).sum())
    return {"users": users, "interactions": part.train.num_interactions}


def about_labels(arm: "Arm", catalog: Catalog) -> dict[str, str | None]:
    """Return what the data part of a record tells of the items' labels, where a run reads them."""
    return {"labels": catalog.labels_checksum} if arm.reads_labels else {}


def about_vectors(embeddings: "ItemText | None", model: Any) -> dict[str, Any] | None:
    """Return what a record tells of a run's item vectors; None without text.

    Of a tower of semantic IDs it tells the share of items that have all their codes in common with
    another.
    """
    if embeddings is None:
        return None
    about = {
        "key": embeddings.key,
        "encoder": embeddings.manifest["name"],
        "width": embeddings.width,
        "parameters": embeddings.manifest["parameters"],
    }
    if transforms := embeddings.manifest.get("transforms"):
        about["transforms"] = transforms
    tower: Any = getattr(model, "tower", None)
    tower = getattr(tower, "text", tower)  # of one beside IDs
    if (sharing := getattr(tower, "num_sharing", None)) is not None:
        about["sharing_codes"] = round(sharing / tower.num_items, 6)
    return about


def about_history(history: "History | None") -> dict[str, Any] | None:
    """Return what a record tells of a training; None without one."""
    if history is None:
        return None
    return {
        "best_epoch": history.best_epoch,
        "hit_epoch_limit": history.hit_epoch_limit,
        "epochs": [
            {
                "loss": round(epoch.loss, 6),
                "validation": round(epoch.validation, 6),
                "train_seconds": round(epoch.train_seconds, 2),
                "evaluate_seconds": round(epoch.evaluate_seconds, 2),
            }
            for epoch in history.epochs
        ],
    }


def read_record(path: str | PathLike[str]) -> dict[str, Any]:
    """Read one record.

    Raises:
        DataError: If the file cannot be read, or is no record of this version.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: a run record must be JSON: {error}: remove it and run again"
        ) from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema") if isinstance(record, dict) else type(record).__name__
        raise DataError(f"{path}: a run record of schema {SCHEMA} is needed; found {found}")
    return record


def read_records(
    folder: str | PathLike[str], *, say: Callable[[str], None] | None = None
) -> dict[Path, dict[str, Any]]:
    """Read every record of a folder, in the order of the file names.

    Args:
        folder: With run records.
        say: Takes a line for each file that is no record, which is then left out; None: raise.

    Returns:
        Each file and what is in it.

    Raises:
        DataError: If there is no file, two records are of one data set, backbone, arm and seed, or,
            without ``say``, a file is no record of this version.
    """
    found: dict[Path, dict[str, Any]] = {}
    cells: dict[tuple, str] = {}
    for path in _record_paths(Path(folder)):
        try:
            record = read_record(path)
        except DataError as error:
            if say is None:
                raise
            say(f"left out: {error}")
            continue
        config = record["config"]
        backbone = (config["backbone"] or {}).get("name")
        cell = (config["dataset"], backbone, config["arm"]["name"], config["seed"])
        if cell in cells:
            raise DataError(
                f"{folder}: one record for each of data set, backbone, arm and seed; {cell} has "
                f"two, {cells[cell][:12]} and {record['fingerprint'][:12]}: remove the outdated one"
            )
        cells[cell] = record["fingerprint"]
        found[path] = record
    return found


def _record_paths(folder: Path) -> list[Path]:
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise DataError(
            f"{folder}: a folder with run records is needed; it holds none: `tcf run` first"
        )
    return paths


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _write_parquet(path: Path, frame: pl.DataFrame) -> None:
    with atomic_write(path) as temporary:
        frame.write_parquet(temporary, compression="zstd", compression_level=19)
