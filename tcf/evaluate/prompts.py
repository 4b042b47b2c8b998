"""What a language model is asked: templates of plain text, one a task and kind of item."""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np

from tcf._util import lookup
from tcf.data.catalog import Catalog
from tcf.errors import DataError

__all__ = ["Prompt", "label_of", "load_prompt", "read_prompt", "titles_of"]

Task = Literal["choose", "rank", "continue"]
FIELDS = {
    "choose": {"history", "candidates", "label"},
    "rank": {"history", "candidates", "count", "label"},
    "continue": {"history"},
}
"""Task -> what its template may name in braces; history, and candidates where listed, it must."""


@dataclass(frozen=True)
class Prompt:
    """A template and the task it is for.

    Attributes:
        name: For records.
        task: ``"choose"`` one of the candidates, ``"rank"`` the best of them, ``"continue"`` the
            history with a title, which sees no candidates.
        template: Text with named fields in braces.
    """

    name: str
    task: Task
    template: str

    def __post_init__(self) -> None:
        known = lookup(FIELDS, self.task, "task")
        try:
            parts = list(string.Formatter().parse(self.template))
        except ValueError as error:
            raise DataError(f"{self.name}: a template cannot be read: {error}") from None
        found = {name for _, name, _, _ in parts if name is not None}
        needed = known & {"history", "candidates"}
        if not needed <= found <= known:
            raise DataError(
                f"{self.name}: a template for {self.task!r} must hold {sorted(needed)} and may "
                f"hold {sorted(known - needed)}; found {sorted(found)}"
            )

    def fill(
        self, history: Sequence[str], candidates: Sequence[str] = (), *, num_wanted: int = 1
    ) -> str:
        """Return the prompt of one user: titles of the history, oldest first, and candidates.

        A title goes on one line, whatever whitespace it holds.
        """
        lines = [_line(title) for title in history]
        asked = [
            f"{label_of(place, len(candidates))}. {_line(title)}"
            for place, title in enumerate(candidates)
        ]
        labels = [str(place + 1) for place in range(num_wanted)]
        label = label_of(0, len(candidates)) if self.task == "choose" else f"[{', '.join(labels)}]"
        known = {
            "history": "\n".join(f"- {line}" for line in lines),
            "candidates": "\n".join(asked),
            "count": num_wanted,
            "label": label,
        }
        return self.template.format(**known)


def load_prompt(task: Task, kind: str) -> Prompt:
    """Return a template that comes with the package.

    Args:
        task: See `Prompt`.
        kind: What items are: ``"movies"``, ``"videos"`` or ``"products"``.

    Raises:
        ValueError: If there is none for this task and kind.
    """
    folder = files("tcf.evaluate") / "templates"
    names = {p.name.removesuffix(".txt"): p for p in folder.iterdir() if p.name.endswith(".txt")}
    name = f"{task}_{kind}"
    return Prompt(name, task, lookup(names, name, "prompt template").read_text(encoding="utf-8"))


def read_prompt(path: str | Path, *, task: Task) -> Prompt:
    """Return the template of a file of one's own.

    Raises:
        DataError: If its fields are not those of the task.
    """
    path = Path(path)
    return Prompt(path.stem, task, path.read_text(encoding="utf-8"))


def label_of(place: int, num_candidates: int) -> str:
    """Return what a candidate is called: a letter among up to ten, and else a number from 1."""
    return string.ascii_uppercase[place] if num_candidates <= 10 else str(place + 1)


def titles_of(catalog: Catalog, rows: np.ndarray) -> list[str]:
    """Return the texts of item rows."""
    return [str(catalog.texts[row - 1]) for row in rows.tolist()]


def _line(title: str) -> str:
    return re.sub(r"\s+", " ", title).strip()
