"""Archives, unpacked without trust: no path or link out of the folder, no bomb, all or nothing."""

import errno
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from tcf.errors import DataError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_CHUNK_BYTES = 1 << 20
_ALWAYS_FINE_BYTES = 10_000_000  # below it, no ratio is suspicious
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # zipfile: a compression that it does not know
)


@dataclass(frozen=True)
class _Member:
    """A regular file of an archive."""

    name: str
    num_bytes: int
    open: Callable[[], IO[bytes] | None]


def is_archive(name: str) -> bool:
    """Return whether a file of this name is unpacked; a lone ``.gz`` is not: readers take it."""
    return name.endswith(SUFFIXES)


def unpack(
    archive: Path,
    folder: Path,
    *,
    max_files: int = 10_000,
    max_bytes: int = 500_000_000_000,
    max_ratio: float = 100.0,
) -> dict[str, int]:
    """Unpack a zip or tar archive; a folder that holds all of it is left out of the paths.

    Everything is written to a folder beside and moved when all of it is there. Owners, times and
    permissions of the archive are ignored.

    Args:
        archive: ``.zip``, ``.tar``, ``.tar.gz``, ``.tgz``, ``.tar.bz2`` or ``.tar.xz``.
        folder: Where its files go.
        max_files: An archive with more is refused.
        max_bytes: An archive that unpacks to more is refused.
        max_ratio: An archive that unpacks to so many times its own size is refused.

    Returns:
        Path inside the folder -> size in bytes, for each file.

    Raises:
        DataError: If the archive is damaged, encrypted, holds links, devices, paths out of the
            folder or one path twice, exceeds a limit, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    budget = min(max_bytes, max(_ALWAYS_FINE_BYTES, int(archive.stat().st_size * max_ratio)))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as scratch:
        try:
            sizes = _write(archive, Path(scratch), max_files, budget)
            return _move(Path(scratch), folder, sizes)
        except (OSError, *_DAMAGED) as error:
            raise _named(error, archive) from error


def _write(archive: Path, scratch: Path, max_files: int, budget: int) -> dict[PurePosixPath, int]:
    sizes: dict[PurePosixPath, int] = {}
    taken: set[str] = set()
    left = budget
    with _members(archive) as members:
        for member in members:
            path = _safe(archive, member.name)
            if path is None:
                continue
            if str(path).casefold() in taken:
                raise DataError(f"{archive}: {member.name!r} is in the archive twice")
            taken.add(str(path).casefold())
            if len(taken) > max_files:
                raise DataError(f"{archive}: at most {max_files:,} files are unpacked; it has more")
            out = scratch / path
            out.parent.mkdir(parents=True, exist_ok=True)
            _check_space(archive, scratch, member.num_bytes)
            sizes[path] = _copy(archive, member, out, left, budget)
            left -= sizes[path]
    if not sizes:
        raise DataError(f"{archive}: an archive must hold files; it holds none")
    return sizes


def _copy(archive: Path, member: _Member, out: Path, left: int, budget: int) -> int:
    """Write a member and return its size, whatever the archive says of it."""
    size, opened = 0, member.open()
    assert opened is not None, "a regular file can be read"
    with opened as source, open(out, "xb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > left:
                raise DataError(
                    f"{archive}: unpacked it may have {budget:,} bytes, and it has more: is it "
                    "what it should be?"
                )
            target.write(chunk)
    if size != member.num_bytes:
        raise DataError(
            f"{archive}: {member.name!r} must have {member.num_bytes:,} bytes; got {size:,}"
        )
    return size


def _safe(archive: Path, name: str) -> PurePosixPath | None:
    """Return the path of a member; None for the litter of file managers.

    Raises:
        DataError: If it could lead out of the folder.
    """
    path = PurePosixPath(name)
    bad = path.is_absolute() or ".." in path.parts or not path.parts
    if bad or "\\" in name or ":" in name or not name.isprintable():
        raise DataError(f"{archive}: paths must stay in the folder; the archive has {name!r}")
    litter = path.parts[0] == "__MACOSX" or path.name.startswith("._") or path.name == ".DS_Store"
    return None if litter else path


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            yield _of_zip(archive, opened)
    else:
        with tarfile.open(archive, "r:*") as opened:
            yield _of_tar(archive, opened)


def _of_zip(archive: Path, opened: zipfile.ZipFile) -> Iterator[_Member]:
    for info in opened.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            continue
        if kind not in (0, stat.S_IFREG):
            raise DataError(f"{archive}: only files are unpacked; {info.filename!r} is a link")
        if info.flag_bits & 1:
            raise DataError(f"{archive}: {info.filename!r} is encrypted")
        yield _Member(info.filename, info.file_size, partial(opened.open, info))


def _of_tar(archive: Path, opened: tarfile.TarFile) -> Iterator[_Member]:
    for info in opened:
        if info.isdir():
            continue
        if not info.isreg() or info.issparse():
            raise DataError(
                f"{archive}: only files are unpacked; {info.name!r} is a link, a device or sparse"
            )
        yield _Member(info.name.removeprefix("./"), info.size, partial(opened.extractfile, info))
    while opened.fileobj is not None and opened.fileobj.read(_CHUNK_BYTES):
        pass  # to its end: what compressed it keeps its checksum there


def _move(scratch: Path, folder: Path, sizes: dict[PurePosixPath, int]) -> dict[str, int]:
    """Move every file to its place, without the folder that holds them all."""
    tops = {path.parts[0] for path in sizes}
    skip = int(len(tops) == 1 and all(len(path.parts) > 1 for path in sizes))
    moved = {}
    for path, size in sizes.items():
        inside = PurePosixPath(*path.parts[skip:])
        (folder / inside).parent.mkdir(parents=True, exist_ok=True)
        os.replace(scratch / path, folder / inside)
        moved[str(inside)] = size
    return moved


def _check_space(archive: Path, scratch: Path, needed: int) -> None:
    free = shutil.disk_usage(scratch).free
    if needed > free:
        raise DataError(f"{archive}: unpacking needs {needed:,} more bytes; {free:,} are free")


def _named(error: Exception, archive: Path) -> DataError:
    """Return what stopped the unpacking: the disk, or the archive."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(f"{archive}: no space is left on the disk to unpack it")
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(f"{archive}: cannot be unpacked: {error}")
    why = (str(error) or type(error).__name__).splitlines()[0].rstrip(":")
    return DataError(f"{archive}: the archive cannot be read ({why}): is it whole? Fetch it again")
