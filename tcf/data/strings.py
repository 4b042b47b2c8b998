"""A column of strings that stays in its file until one of them is asked for."""

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
import polars as pl

__all__ = ["Strings", "taken"]


class Strings(Sequence[str]):
    """Strings of a prepared data set; they were checked when it was written.

    Args:
        column: Of strings, without nulls.
    """

    def __init__(self, column: pl.Series):
        self._column = column

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._column)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "Strings": ...
    def __getitem__(self, place: int | slice) -> "str | Strings":
        """Return one, or those of a slice."""
        if isinstance(place, slice):
            return Strings(self._column[place])
        return self._column[int(place)]

    def __iter__(self) -> Iterator[str]:
        """Go through them all."""
        return iter(self._column)

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence holds the same strings in the same order."""
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # as a list has none

    def __repr__(self) -> str:
        """Say how many there are and show the first."""
        return f"Strings({len(self):,}: {self._column[:3].to_list()}...)"

    def take(self, places: np.ndarray) -> "Strings":
        """Return those at these ``(n,)`` places."""
        return Strings(self._column.gather(pl.Series(places)))


def taken(strings: Sequence[str], places: np.ndarray) -> Sequence[str]:
    """Return the strings at these ``(n,)`` places: a tuple of a tuple."""
    if isinstance(strings, Strings):
        return strings.take(places)
    return tuple(map(strings.__getitem__, places.tolist()))
