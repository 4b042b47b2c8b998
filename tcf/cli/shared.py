"""What commands have in common: errors in one line, tables, and how a study's file is read."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tcf.errors import DataError, TcfError

if TYPE_CHECKING:
    from tcf.study.config import Study

__all__ = [
    "load_studies",
    "load_study",
    "one_line_errors",
    "print_rows",
    "read_texts",
    "spell_seconds",
]


def load_studies(path: Path, *, form: str = "study") -> "tuple[Study, ...]":
    """Return the studies of a Python file: one a data set.

    The file may import what lies beside it as ``experiments.here`` from a checkout: the nearest
    folder above it that holds a ``pyproject.toml`` is where imports begin.

    Args:
        path: The file.
        form: Name of its function that returns a `Study` or several: ``study``, and by convention
            ``smoke`` for a form of seconds, offline, and ``paper`` for the published settings.

    Raises:
        DataError: If there is no such file, or it has no such function.
    """
    import runpy

    from tcf.study.config import Study

    if not path.is_file():
        raise DataError(f"{path}: a study file is needed; there is none: check the path")
    with _importing_from(path.resolve()):
        there = runpy.run_path(str(path))
        if form != "study" and not callable(there.get(form)):
            raise DataError(f"{path}: has no form {form!r}: it must define `def {form}() -> Study`")
        made = there[form]() if callable(there.get(form)) else None
    given = made if isinstance(made, tuple) else (made,)
    studies = tuple(one for one in given if isinstance(one, Study))
    if not studies or len(studies) < len(given):
        raise DataError(f"{path}: a study file needs `def {form}() -> Study`; it gave {made!r}")
    return studies


def load_study(path: Path, *, dataset: str | None = None) -> "Study":
    """Return the study of a Python file, of several the one of a data set.

    Raises:
        DataError: As `load_studies`, or if it is not one.
    """
    studies = load_studies(path)
    named = {run.dataset: one for one in studies for run in one.runs}
    if len(studies) == 1:
        return studies[0]
    if dataset in named:
        return named[dataset]
    raise DataError(
        f"{path}: one study is needed, of a data set among {', '.join(named)}; got {dataset!r}"
    )


@contextmanager
def _importing_from(path: Path) -> Iterator[None]:
    root = next((one for one in path.parents if (one / "pyproject.toml").is_file()), path.parent)
    before = list(sys.path)
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        sys.path[:] = before


def read_texts(path: Path, template: str) -> list[str]:
    """Return the lines of a .txt file, blank ones too, or the texts of an items file or a data set.

    Args:
        path: The file; or a folder with an items file, or with the files of a known format.
        template: Of an item's text.

    Raises:
        DataError: If it cannot be read as what it is.
    """
    from tcf.data.formats import read_folder, read_items

    if path.is_dir():
        items = sorted(path.glob("items.*"))
        catalog = read_items(items[0], text=template) if len(items) == 1 else None
        return list((catalog or read_folder(path, text=template)[0]).texts)
    if path.suffix != ".txt":
        return list(read_items(path, text=template).texts)
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path}: a UTF-8 file with a text a line is needed; {error}") from error


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str) -> None:
    """Print a table; what is no terminal gets wide lines."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(*columns, title=Text(title))
    for row in rows:
        shown.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(shown)


def spell_seconds(seconds: float) -> str:
    """Return a time in seconds, minutes, hours or days."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Say what is wrong in one line and exit with 1; a bug keeps its traceback."""
    try:
        yield
    except (TcfError, ValueError) as error:
        typer.echo(f"error: {_in_a_line(error)}", err=True)
        raise typer.Exit(1) from error
    except RuntimeError as error:
        if not isinstance(error.__cause__, (TcfError, ValueError)):
            raise
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def _in_a_line(error: Exception) -> str:
    """Return what an error says; of a config's, what is wrong first."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    said = first["msg"].removeprefix("Value error, ")
    return f"{where}: {said}; got {first['input']!r}" if where else said
