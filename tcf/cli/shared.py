"""What commands have in common: errors in one line, tables, and how a study's file is read."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tcf.errors import DataError, TcfError

if TYPE_CHECKING:
    from tcf.study.config import Study

__all__ = ["load_study", "one_line_errors", "print_rows"]


def load_study(path: Path) -> "Study":
    """Return the study of a Python file.

    Raises:
        DataError: If there is no such file, or it has no ``study()`` that returns a `Study`.
    """
    import runpy

    from tcf.study.config import Study

    if not path.is_file():
        raise DataError(f"{path}: a study file is needed; there is none: check the path")
    make = runpy.run_path(str(path)).get("study")
    made = make() if callable(make) else None
    if not isinstance(made, Study):
        raise DataError(f"{path}: a study file needs `def study() -> Study`; study() gave {made!r}")
    return made


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


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Say what is wrong in one line and exit with 1; a bug keeps its traceback."""
    try:
        yield
    except (TcfError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except RuntimeError as error:
        if not isinstance(error.__cause__, (TcfError, ValueError)):
            raise
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
