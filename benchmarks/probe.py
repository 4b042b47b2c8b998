"""What a process holds and reads (Linux), a memory limit of its own, and files out of the cache."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "PeakAnonymous",
    "anonymous_bytes",
    "drop_from_page_cache",
    "join_group",
    "limited_memory",
    "peak_bytes",
    "read_bytes",
    "run_arm",
]

_CGROUPS = Path("/sys/fs/cgroup")


def anonymous_bytes() -> int:
    """Return the anonymous memory that this process holds now: not files, mapped or cached."""
    return 1024 * int(_field("/proc/self/status", "RssAnon").removesuffix("kB"))


def peak_bytes() -> int:
    """Return the most memory that this process has held, from its own start on.

    What `getrusage` calls so is never less than its parent held when it was forked.
    """
    return 1024 * int(_field("/proc/self/status", "VmHWM").removesuffix("kB"))


def read_bytes() -> int:
    """Return the bytes that this process has caused to be fetched from storage so far."""
    return int(_field("/proc/self/io", "read_bytes"))


def _field(file: str, name: str) -> str:
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{name}:")).partition(":")[2]


class PeakAnonymous:
    """Watches, as a context, how far anonymous memory rises above where it stood at the start."""

    def __init__(self, *, every_seconds: float = 0.01) -> None:
        self._every = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.start_bytes = self.peak_bytes = 0

    def __enter__(self) -> "PeakAnonymous":
        self.start_bytes = self.peak_bytes = anonymous_bytes()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def above_start_bytes(self) -> int:
        """How far the peak is above the start."""
        return self.peak_bytes - self.start_bytes

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            self.peak_bytes = max(self.peak_bytes, anonymous_bytes())


def drop_from_page_cache(folder: Path) -> None:
    """Make the next reading of a folder's files come from the disk."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # pages not yet written would stay
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


@contextmanager
def limited_memory(limit_bytes: int) -> Iterator[Path]:
    """A memory cgroup that processes can join, gone afterwards. Needs the right to make one.

    Page cache counts towards the limit, and the kernel takes it back when room is needed.
    """
    first = "memory" in (_CGROUPS / "cgroup.controllers").read_text().split() if _v2() else False
    parent = _CGROUPS if first else _CGROUPS / "memory"
    group = parent / f"tcf-benchmark-{os.getpid()}"
    group.mkdir()
    try:
        if first:
            (parent / "cgroup.subtree_control").write_text("+memory")
            (group / "memory.max").write_text(str(limit_bytes))
            (group / "memory.swap.max").write_text("0")
        else:
            (group / "memory.limit_in_bytes").write_text(str(limit_bytes))
        yield group
    finally:
        group.rmdir()


def _v2() -> bool:
    return (_CGROUPS / "cgroup.controllers").is_file()


def join_group(group: str | None) -> None:
    """Put this process under a limit of `limited_memory`; None leaves it alone."""
    if group is not None:
        (Path(group) / "cgroup.procs").write_text(str(os.getpid()))


def run_arm(module: str, arm: str, **options: Any) -> dict[str, Any]:
    """Run ``python -m module --arm arm`` in a process of its own; return the JSON it ends with.

    Raises:
        RuntimeError: If it fails; with what it said.
    """
    command = [sys.executable, "-m", module, "--arm", arm]
    for name, value in options.items():
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])
