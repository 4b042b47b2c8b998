"""Small things every room needs: near-miss look-up, atomic writing, hashing, lazy front doors."""

import difflib
import hashlib
import importlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def lookup(table: Mapping[str, T], name: str, what: str) -> T:
    """Return ``table[name]``, or raise a ``ValueError`` that names the near miss.

    Args:
        table: Literal dict of the known values.
        name: What the user typed.
        what: What the table holds, in words, for the message ("backbone").

    Raises:
        ValueError: If ``name`` is not in ``table``.
    """
    if name in table:
        return table[name]
    close = difflib.get_close_matches(name, table, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"{what} must be one of {', '.join(sorted(table))}; got {name!r}{hint}")


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it on a clean exit.

    On an error it is removed. A reader sees the old file or the whole new one, never a part,
    wherever the process is killed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private; results are meant to be read
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that replaces it on a clean exit, as `atomic_write`.

    A folder that was there is removed first: whether it may be is the caller's to know.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.chmod(0o755)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def to_json(value: Any) -> str:
    """Return indented JSON, as `write_json` writes it. A number that is not finite is refused."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. A number that is not finite is refused."""
    text = to_json(value)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def hash_json(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value`` (sorted keys, no spaces), as 64 hex digits."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def differing(here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    """Say in which fields, nested ones too, ``there`` differs; nothing where it does not."""
    ours, theirs = dict(_flat(here)), dict(_flat(there))
    names = sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n))
    shown = "; ".join(f"{name} is {theirs.get(name)}, here {ours.get(name)}" for name in names[:5])
    return f"{shown}; and {len(names) - 5} more" if len(names) > 5 else shown


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, held in value.items():
        if isinstance(held, Mapping):
            yield from _flat(held, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", held


def lazy_exports(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module ``__getattr__`` that imports each name on first use (PEP 562).

    Args:
        package: The package's ``__name__``.
        homes: Exported name -> module inside the package that defines it.
    """

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return __getattr__
