"""Lines of a user, a tab and item ids separated by spaces, oldest first -> interactions."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tcf.data.catalog import Catalog, Interactions
from tcf.data.formats.events import group, rows_of
from tcf.data.formats.tables import Table, require_file
from tcf.data.formats.texts import Missing
from tcf.errors import DataError


@dataclass(frozen=True)
class Histories:
    """What the lines say.

    Attributes:
        path: The file.
        users: One a line.
        items: All ids, line after line.
        lengths: ``(num_lines,)`` int64 ids of each line.
        skipped: Lines before the first of them: 1 for a header.
    """

    path: Path
    users: pl.Series
    items: pl.Series
    lengths: np.ndarray
    skipped: int = 0

    def at(self, interaction: int) -> str:
        """Name the line that an id stands in."""
        line = int(np.searchsorted(np.cumsum(self.lengths), interaction, side="right"))
        return f"{self.path}:{line + 1 + self.skipped}"

    def first_items(self) -> list[str]:
        """Return the ids of the first line."""
        return self.items[: int(self.lengths[0])].to_list()

    def without_first(self) -> "Histories":
        """Return all but the first line, which is a header."""
        first = int(self.lengths[0])
        return Histories(self.path, self.users[1:], self.items[first:], self.lengths[1:], 1)


def read_histories(path: Path) -> Histories:
    """Read the lines, the first one included, whatever it holds.

    Raises:
        DataError: If the file cannot be read or a line is not a user, a tab and ids.
    """
    lines = read_lines(path)
    parts = lines.str.splitn("\t", 2).struct.unnest()
    users, ids = parts["field_0"], parts["field_1"].str.strip_chars(" ")
    malformed = (users.str.strip_chars() == "") | ids.is_null() | (ids == "")
    malformed |= ids.str.contains("\t", literal=True)
    _refuse(path, lines, malformed, "a line needs a user, a tab and item ids separated by spaces")
    _refuse(path, lines, lines.str.contains("\0", literal=True), "a line holds no NUL character")
    ids = ids.str.replace_all(" +", " ").str.split(" ")
    return Histories(path, users, ids.explode(), ids.list.len().cast(pl.Int64).to_numpy())


def read_lines(path: Path) -> pl.Series:
    """Return a file's lines without their ends and without a byte-order mark.

    Raises:
        DataError: If it is empty, not UTF-8 or damaged.
    """
    require_file(path)
    try:
        lines = pl.read_lines(path).to_series()
    except (pl.exceptions.PolarsError, OSError, EOFError, UnicodeError, zlib.error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if "utf" in reason.lower():
            raise DataError(
                f"{path}: the text must be UTF-8; {reason}: convert the file"
            ) from error
        raise DataError(f"{path}: the file cannot be read: {reason}") from error
    if lines.is_empty():
        raise DataError(f"{path}: the file is empty; it needs a line for each user")
    if lines[0].startswith("\ufeff"):
        lines = lines.scatter(0, lines[0].removeprefix("\ufeff"))
    return lines


def interactions_of_histories(
    histories: Histories, catalog: Catalog, *, missing: Missing = "error"
) -> Interactions:
    """Return the interactions, users in the order of the lines.

    Raises:
        DataError: If a user has two lines, or an item is unknown (unless dropped).
    """
    again = ~histories.users.is_first_distinct()
    if again.any():
        line = int(again.arg_true()[0]) + 1 + histories.skipped
        raise DataError(
            f"{histories.path}:{line}: a user needs one line; {again.sum()} come again, first "
            f"{histories.users[int(again.arg_true()[0])]!r}"
        )
    table = Table(pl.DataFrame({"item": histories.items}), str(histories.path), histories.at)
    rows = rows_of(table, catalog, "item", missing)
    users = np.repeat(np.arange(len(histories.users)), histories.lengths)[rows > 0]
    kept, numbers = np.unique(users, return_inverse=True)
    names = histories.users[kept.tolist()].to_list() if len(kept) < len(histories.users) else None
    return group(names or histories.users.to_list(), numbers, rows[rows > 0])


def _refuse(path: Path, lines: pl.Series, bad: pl.Series, rule: str) -> None:
    if bad.any():
        row = int(bad.arg_true()[0])
        raise DataError(f"{path}:{row + 1}: {rule}; got {lines[row][:60]!r}")
