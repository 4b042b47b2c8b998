"""Data sets by name, into a folder: fetched, verified and unpacked, or told what to do by hand."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tcf._util import write_json
from tcf.data.dataset import DataFile, DataSet
from tcf.data.datasets import find_dataset
from tcf.data.fetch import Report, fetch
from tcf.data.formats.tables import PathLike
from tcf.data.partial import Digests
from tcf.data.unpack import is_archive, unpack
from tcf.errors import DataError

_NOTES = ".tcf-download.json"  # what is done already; a dot keeps it from the readers


def download_dataset(
    dataset: str | DataSet, folder: PathLike, *, part: str | None = None, progress: bool = True
) -> DataSet:
    """Fetch a data set's files into a folder of its own, verify and unpack them.

    Whatever is there already is not fetched again: a file that was done, and the beginning of one
    whose download was killed. Archives that were fetched are removed once they are unpacked.

    Args:
        dataset: One of ``DATASETS``, or such an object.
        folder: Of this data set alone; made if it is not there.
        part: Of a data set that has parts: ``"All_Beauty"``.
        progress: Show a bar on stderr.

    Returns:
        What is known of the data set: its licence, what to cite.

    Raises:
        ValueError: If there is no such data set or part.
        DataError: If it is to be fetched by hand (says how), no address gives a file whole, a file
            is there that is not the published one, or another process is at it.
    """
    found, folder = find_dataset(dataset), Path(folder)
    files = found.files_of(part)
    _check_by_hand(found, files, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        notes = _Notes.read(folder)
        notes.check(found.title, part)
        for file in files:
            if not notes.hold(file.name):
                _bring(file, folder, progress=progress, note=partial(notes.add, file.name))
            (folder / f".{file.name}").unlink(missing_ok=True)
    return found


def _check_by_hand(found: DataSet, files: tuple[DataFile, ...], folder: Path) -> None:
    """Raise a DataError that says what to do, unless it is done."""
    notes = _Notes.read(folder)
    missing = [f for f in files if not notes.hold(f.name) and not (folder / f.name).is_file()]
    if found.by_hand and (missing or not files):
        raise DataError(
            f"{found.title} cannot be downloaded for you ({found.licence}). By hand: "
            f"{found.by_hand}; the folder is {folder}"
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder; two downloads into one would write one file at once."""
    try:
        with FileLock(folder / ".tcf-download.lock", timeout=0):
            yield
    except Timeout as error:
        raise DataError(f"{folder}: another process downloads into this folder") from error


@dataclass
class _Notes:
    """What a folder holds already, as it was noted there."""

    folder: Path
    dataset: str | None = None
    part: str | None = None
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "_Notes":
        """Return the notes of a folder, empty ones where there are none."""
        try:
            return cls(folder, **json.loads((folder / _NOTES).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls(folder)
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f"{folder / _NOTES}: the notes of the last download cannot be read: {error}: "
                "remove this file"
            ) from error

    def check(self, title: str, part: str | None) -> None:
        """Take a folder for one data set, or raise a DataError if it holds another."""
        if self.dataset is not None and (self.dataset, self.part) != (title, part):
            held, asked = (
                " ".join(filter(None, pair)) for pair in ((self.dataset, self.part), (title, part))
            )
            raise DataError(
                f"{self.folder}: a folder is of one data set; it holds {held}, and {asked} is "
                "asked for: give another folder"
            )
        self.dataset, self.part = title, part

    def hold(self, name: str) -> bool:
        """Return whether everything that a file became is there, with its size."""
        if name not in self.files:
            return False
        holds = self.files[name]["holds"].items()
        paths = [(self.folder / inside, size) for inside, size in holds]
        return all(path.is_file() and path.stat().st_size == size for path, size in paths)

    def add(self, name: str, about: dict[str, Any]) -> None:
        """Note a file as done."""
        self.files[name] = about
        held = {"dataset": self.dataset, "part": self.part, "files": self.files}
        write_json(self.folder / _NOTES, held)


def _bring(
    file: DataFile, folder: Path, *, progress: bool, note: Callable[[dict[str, Any]], None]
) -> None:
    """Fetch a file, or take the one that is there; unpack it, note it, give it its name.

    What was fetched bears a dot before its name until it is noted, so that after a kill at any
    moment the next call knows its own work from a file that somebody placed there.
    """
    placed, fetched = folder / file.name, folder / f".{file.name}"
    source = placed if placed.exists() else fetched
    if source.exists():
        sha256 = _verified(file, source, ours=source is fetched)
    else:
        with _bar(file.name, progress) as report:
            sha256 = fetch(file, fetched, report=report)
    if is_archive(file.name):
        inside = unpack(source, folder / file.folder)
        holds = {str(Path(file.folder) / name): size for name, size in inside.items()}
        note({"sha256": sha256, "holds": holds})
    else:
        note({"sha256": sha256, "holds": {file.name: source.stat().st_size}})
        os.replace(source, placed)


def _verified(file: DataFile, path: Path, *, ours: bool) -> str:
    """Return the SHA-256 of a file that was there before, from a killed call or placed by hand.

    Raises:
        DataError: If it is not the published one, or nothing can tell and it could be fetched.
    """
    digests = Digests(file.checksum)
    digests.add(path)
    size = path.stat().st_size
    wrong = digests.wrong()
    if file.num_bytes not in (None, size):
        wrong = f"it must have {file.num_bytes:,} bytes; it has {size:,}"
    if wrong is None and file.addresses and not file.checksum and not ours:
        wrong = "no checksum is published by which to tell what it is"
    if wrong:
        raise DataError(f"{path}: a file is there already, and {wrong}: move it away")
    return digests.sha256


@contextmanager
def _bar(name: str, shown: bool) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task(name, total=None)
        yield lambda there, total: bar.update(task, completed=there, total=total)
