"""What this machine has to run an encoder with: free memory, and how fast it multiplies and reads.

Memory is read, not tried, and costs nothing; the two rates are short probes that only a plan takes.
"""

import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Memory",
    "Rates",
    "disk_rate",
    "free_host_memory",
    "free_memory",
    "machine_name",
    "measure_rates",
    "product_rate",
]

_PROBE_SECONDS = 0.3
_PROBE_BYTES = 128 * 2**20
_PROBE_SIDE = 4096
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = ("memory.max", "memory.current", "inactive_file")


@dataclass(frozen=True)
class Memory:
    """Bytes that can still be taken.

    Attributes:
        host: Of the machine, or of the smallest memory cgroup that this process is in.
        cuda: Of each CUDA device.
    """

    host: int
    cuda: tuple[int, ...] = ()


@dataclass(frozen=True)
class Rates:
    """What the machine does a second.

    Attributes:
        product: Floating-point operations of ``torch.mm``.
        disk: Bytes read from a file that is not in the page cache.
    """

    product: float
    disk: float


def machine_name() -> str:
    """Return the architecture and the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        found = (x.partition(":")[2].strip() for x in lines if x.startswith("model name"))
        processor = next(found, "")
    except OSError:  # not Linux
        processor = platform.processor()
    return f"{platform.machine()} {processor}".strip()


def measure_rates(*, dtype: str, device: str, shape: tuple[int, int, int], where: Path) -> Rates:
    """Measure both in about a second; arguments as in `product_rate` and `disk_rate`."""
    return Rates(product_rate(dtype=dtype, device=device, shape=shape), disk_rate(where))


def free_memory() -> Memory:
    """Return the memory that is free now."""
    import torch

    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    return Memory(free_host_memory(), tuple(torch.cuda.mem_get_info(n)[0] for n in devices))


def free_host_memory(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes that can be taken before the machine swaps or a cgroup's limit is met.

    Args:
        proc: Where the kernel says which cgroups this process is in.
        cgroups: Where their files are; of version 1, 2 or both.
    """
    import psutil

    return max(0, min([psutil.virtual_memory().available, *_cgroups(proc, cgroups)]))


def product_rate(*, dtype: str, device: str, shape: tuple[int, int, int]) -> float:
    """Return the FLOP/s of ``torch.mm`` of ``(rows, inner) x (inner, columns)`` on this device.

    Args:
        dtype: Number format of both.
        device: Torch device.
        shape: Rows, inner and columns, each cut at 4,096.
    """
    import torch

    rows, inner, columns = (max(1, min(side, _PROBE_SIDE)) for side in shape)
    kind = getattr(torch, dtype)
    left = torch.ones(rows, inner, dtype=kind, device=device)
    right = torch.ones(inner, columns, dtype=kind, device=device)
    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    best = float("inf")
    began = time.perf_counter()
    while True:
        start = time.perf_counter()
        torch.mm(left, right)
        wait()
        now = time.perf_counter()
        best = min(best, max(now - start, 1e-9))
        if now - began >= _PROBE_SECONDS:
            return 2.0 * rows * inner * columns / best


def disk_rate(where: Path) -> float:
    """Return the bytes a second that reading gives, from a file dropped from the page cache.

    Args:
        where: The file to read some of; or a folder, in which a file is made for the purpose and
            removed, or in the folder for temporary files if it cannot be written.
    """
    if where.is_file():
        with open(where, "rb", buffering=0) as file:
            return _read_rate(file.fileno(), min(where.stat().st_size, _PROBE_BYTES))
    folder = where if os.access(where, os.W_OK) else None
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        part = os.urandom(2**20)
        for _ in range(_PROBE_BYTES // 2 // len(part)):
            file.write(part)
        os.fsync(file.fileno())
        file.seek(0)
        return _read_rate(file.fileno(), _PROBE_BYTES // 2)


def _read_rate(file: int, num_bytes: int) -> float:
    if hasattr(os, "posix_fadvise"):  # not on macOS, where the rate is then the cache's
        os.posix_fadvise(file, 0, num_bytes, os.POSIX_FADV_DONTNEED)
    start = time.perf_counter()
    read = 0
    while read < num_bytes and (part := len(os.read(file, 8 * 2**20))):
        read += part
    return read / max(time.perf_counter() - start, 1e-9)


def _cgroups(proc: Path, root: Path) -> Iterator[int]:
    """What is left in each memory cgroup around this process. File cache that can go counts."""
    try:
        lines = (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            base, names = root / "memory", _V1
        elif not controllers:
            base, names = root, _V2
        else:
            continue
        inner = base / path.strip("/")
        for folder in (inner, *inner.parents):
            yield from _left(folder, names)
            if folder == base:
                break


def _left(folder: Path, names: tuple[str, str, str]) -> Iterator[int]:
    limit, usage, cache = names
    try:
        most = (folder / limit).read_text(encoding="utf-8").strip()
        used = int((folder / usage).read_text(encoding="utf-8"))
        stat = (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
    except OSError:
        return  # no limit can be set here, or the folder lies outside what a container sees
    if most == "max":
        return
    droppable = next((int(s.split()[1]) for s in stat if s.startswith(f"{cache} ")), 0)
    yield int(most) - (used - droppable)
