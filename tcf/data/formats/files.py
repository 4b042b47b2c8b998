"""Which file of a folder is meant."""

from collections.abc import Sequence
from pathlib import Path

from tcf.errors import DataError


def require_folder(folder: Path) -> None:
    """Raise a DataError unless the path is a folder."""
    if not folder.is_dir():
        raise DataError(f"{folder}: a data folder is needed; there is none: check the path")


def matching(folder: Path, pattern: str, suffixes: Sequence[str] = ("",)) -> list[Path]:
    """Return the files of a folder that match a pattern and end in one of the suffixes."""
    found = (p for p in folder.glob(pattern) if p.is_file() and not p.name.startswith("."))
    return sorted(p for p in found if p.name.endswith(tuple(suffixes)))


def only(folder: Path, patterns: str | Sequence[str], suffixes: Sequence[str] = ("",)) -> Path:
    """Return the one file that matches the first pattern which any file matches.

    Raises:
        DataError: If no file matches, or several match one pattern; says what the folder holds.
    """
    require_folder(folder)
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    for pattern in patterns:
        found = matching(folder, pattern, suffixes)
        if len(found) == 1:
            return found[0]
        if found:
            break
    else:
        found = []
    names = sorted(p.name for p in folder.iterdir())[:8]
    ending = f" ({', '.join(suffixes)})" if any(suffixes) else ""
    raise DataError(
        f"{folder}: exactly one {' or '.join(patterns)}{ending} is needed; found "
        f"{[p.name for p in found] or 'none'}; the folder holds {names or 'nothing'}"
    )
