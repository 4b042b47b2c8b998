"""Token states between blocks, packed without padding: in memory, on disk, and safe to kill.

::

    <work>/checkpoint.json          what the states belong to, and how many blocks they have passed
           plan.npy                 (2, num_texts): positions in order, and the batch of each
           states-0.bin, -1.bin     (num_rows, width) before and after a block, in turn
           pooled-<layer>-<pooling>.bin     (num_texts, width) float32

A block writes into the file that does not hold its input; once that file is safe on disk, the
checkpoint, replaced in one step, says so. So a kill at any moment costs at most one block.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from tcf._util import atomic_write, write_json
from tcf.errors import EncoderError

__all__ = ["Checkpoint", "PackedStates", "RowFile", "working_folder"]


class RowFile:
    """A ``(num_rows, width)`` matrix in a file, read and written in runs of rows.

    Args:
        path: Made, with room for all rows, where it is not there yet.
        shape: ``(num_rows, width)``.
        dtype: Number format.

    Raises:
        EncoderError: If the disk has no room for it.
    """

    def __init__(self, path: Path, shape: tuple[int, int], dtype: torch.dtype) -> None:
        self.path, self._width, self._dtype = path, shape[1], dtype
        self._row_bytes = shape[1] * dtype.itemsize
        size = shape[0] * self._row_bytes
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            if os.fstat(self._file).st_size != size:
                os.ftruncate(self._file, size)
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(self._file, 0, size)  # a full disk shows now, not in hours
        except OSError as error:
            raise _no_room(path, size, error) from error

    def read(self, start: int, stop: int) -> Tensor:
        """Return the rows ``start`` to ``stop``."""
        rows = torch.empty(stop - start, self._width, dtype=self._dtype)
        target = _bytes(rows)
        done = 0
        while done < len(target):
            done += os.preadv(self._file, [target[done:]], start * self._row_bytes + done)
        return rows

    def write(self, start: int, rows: Tensor) -> None:
        """Put rows where row ``start`` is and after it.

        Raises:
            EncoderError: If the disk does not take them.
        """
        source = _bytes(rows.contiguous())
        done = 0
        try:
            while done < len(source):
                done += os.pwrite(self._file, source[done:], start * self._row_bytes + done)
        except OSError as error:
            raise _no_room(self.path, len(source), error) from error

    def sync(self) -> None:
        """Return once everything written is on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file, which stays."""
        os.close(self._file)


class PackedStates:
    """The states of all texts of a pass, before a block and after it.

    Args:
        folder: Where files go.
        shape: ``(num_rows, width)``, one row a token.
        dtype: The run's number format.
        in_memory: Keep what is read next in memory, once.
        on_disk: Keep files; without them, no block can be taken up again.
        current: Which of the two files holds the states now.
        filled: Whether it does, left there by an earlier run.
    """

    def __init__(
        self,
        folder: Path,
        shape: tuple[int, int],
        dtype: torch.dtype,
        *,
        in_memory: bool,
        on_disk: bool,
        current: int = 0,
        filled: bool = False,
    ) -> None:
        self.current = current
        self._files: list[RowFile] = []
        if on_disk:
            self._files = [RowFile(folder / f"states-{n}.bin", shape, dtype) for n in (0, 1)]
        self._rows: Tensor | None = None
        if in_memory:
            self._rows = torch.empty(shape, dtype=dtype)
            step = max(1, 2**24 // max(1, shape[1] * dtype.itemsize))
            for start in range(0, shape[0] if filled else 0, step):
                stop = min(start + step, shape[0])
                self._rows[start:stop] = self._files[current].read(start, stop)

    def read(self, start: int, stop: int) -> Tensor:
        """Return ``(stop - start, width)`` states that enter the block."""
        if self._rows is not None:
            return self._rows[start:stop]
        return self._files[self.current].read(start, stop)

    def write(self, start: int, rows: Tensor) -> None:
        """Keep states that left the block, in the place of those that entered it."""
        if self._rows is not None:
            self._rows[start : start + len(rows)] = rows
        if self._files:
            self._files[1 - self.current].write(start, rows)

    def turn(self) -> None:
        """End a block: what was written is on disk, and is what is read from now on."""
        if self._files:
            self._files[1 - self.current].sync()
        self.current = 1 - self.current

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


class Checkpoint:
    """How far a pass has come, in a folder that only one process uses at a time.

    Args:
        folder: Where it is kept; ``None`` keeps none.
        key: Hash of everything that shapes the states; one with another key is thrown away.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._folder, self._key = folder, key
        self.kept = folder is not None

    def load(self) -> tuple[list[np.ndarray], dict[str, Any]] | None:
        """Return the batches and facts of a pass that was stopped, if there is one of this key."""
        if self._folder is None:
            return None
        facts: Any
        try:
            facts = json.loads((self._folder / "checkpoint.json").read_text(encoding="utf-8"))
            if facts.pop("key") != self._key:
                return None
            plan = np.load(self._folder / "plan.npy", allow_pickle=False)
            cuts = np.flatnonzero(np.diff(plan[1])) + 1
            return np.split(plan[0], cuts), facts
        except (OSError, ValueError, KeyError, AttributeError, IndexError, TypeError):
            return None  # none yet, or torn by a crash of the whole machine: begin anew

    def begin(self, batches: list[np.ndarray]) -> None:
        """Forget what was there, and keep the batches of a new pass."""
        if self._folder is None:
            return
        self.clear()
        numbers = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
        with atomic_write(self._folder / "plan.npy") as temporary, open(temporary, "wb") as file:
            np.save(file, np.stack([np.concatenate(batches), numbers]), allow_pickle=False)

    def save(self, facts: dict[str, Any]) -> None:
        """Say how far the pass has come, in one step."""
        if self._folder is not None:
            write_json(self._folder / "checkpoint.json", {"key": self._key, **facts})

    def clear(self) -> None:
        """Remove the checkpoint and the files it speaks of."""
        if self._folder is None:
            return
        (self._folder / "checkpoint.json").unlink(missing_ok=True)
        for pattern in ("states-*.bin", "pooled-*.bin", "plan.npy", ".*.tmp"):
            for path in self._folder.glob(pattern):
                path.unlink(missing_ok=True)


@contextmanager
def working_folder(work: Path | None, spill: Path) -> Iterator[Path]:
    """Yield the folder that a pass may write to: ``work``, locked, or ``spill``, removed after.

    Raises:
        EncoderError: If it cannot be written, or another process uses it.
    """
    folder = work or spill
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise EncoderError(
            f"{folder}: one process at a time can stream into a folder, and one does; wait for it, "
            "or give this one another"
        ) from None
    except OSError as error:
        raise EncoderError(f"{folder} must be a folder that can be written ({error})") from error
    try:
        yield folder
    finally:
        lock.release()
        if work is None:
            shutil.rmtree(spill)


def _bytes(rows: Tensor) -> memoryview:
    return rows.view(-1).view(torch.uint8).numpy().data


def _no_room(path: Path, size: int, error: OSError) -> EncoderError:
    return EncoderError(
        f"{path.parent} must take {size:,} bytes of states between blocks; it does not ({error}). "
        "Give a folder with more room, or encode fewer texts at a time"
    )
