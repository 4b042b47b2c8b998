"""What everything is made of: items with texts and labels, and users with their item rows."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tcf.data.spans import span_places
from tcf.data.strings import Strings, taken
from tcf.errors import DataError


@dataclass(frozen=True)
class Catalog:
    """Items in a fixed order. Row 0 is padding; row ``r`` is the item ``item_ids[r - 1]``.

    Attributes:
        item_ids: The data set's own keys, ``num_items`` distinct strings: a tuple, or the mapped
            column of a prepared data set, which was checked when it was written.
        texts: The text of each item, in the same order, untouched.
        labels: The labels of each item in one string, such as ``"Comedy|Drama"`` (see
            `tcf.data.Labels`), ``""`` where it has none; None where the source was read without.

    Raises:
        DataError: If the lengths differ, an id is there twice, or there is no item.
    """

    item_ids: Sequence[str]
    texts: Sequence[str] = field(repr=False)
    labels: Sequence[str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check that ids are distinct and that each has its text."""
        if len(self.item_ids) != len(self.texts):
            raise DataError(
                f"a catalogue needs one text for each item; "
                f"got {len(self.item_ids)} ids and {len(self.texts)} texts"
            )
        if self.labels is not None and len(self.labels) != len(self.item_ids):
            raise DataError(
                f"a catalogue with labels needs one string of them for each item, '' for none; "
                f"got {len(self.item_ids)} ids and {len(self.labels)} labels"
            )
        if not self.item_ids:
            raise DataError("a catalogue needs at least one item; got none")
        if isinstance(self.item_ids, Strings):
            return
        if len(self._row_of) != len(self.item_ids):
            twice = next(i for row, i in enumerate(self.item_ids, 1) if self._row_of[i] != row)
            raise DataError(f"item ids must be distinct; {twice!r} is there more than once")

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {item_id: row for row, item_id in enumerate(self.item_ids, 1)}

    @property
    def num_items(self) -> int:
        """Number of items, the padding row not counted."""
        return len(self.item_ids)

    @cached_property
    def labels_checksum(self) -> str | None:
        """SHA-256 over the labels in the items' order; None without labels."""
        if self.labels is None:
            return None
        return hashlib.sha256("\0".join(self.labels).encode("utf-8", "surrogatepass")).hexdigest()

    def rows_of(self, item_ids: Sequence[str]) -> np.ndarray:
        """Return the ``(n,)`` int32 row of each id.

        Raises:
            DataError: If an id is not in the catalogue.
        """
        rows = np.fromiter((self._row_of.get(i, 0) for i in item_ids), np.int32, len(item_ids))
        if not rows.all():
            unknown = [i for i, row in zip(item_ids, rows, strict=True) if row == 0]
            raise DataError(
                f"every item id must be in the catalogue; {len(unknown)} of {len(item_ids)} "
                f"are not, the first: {unknown[:3]}"
            )
        return rows

    def select(self, rows: np.ndarray) -> "Catalog":
        """Return the catalogue of these ``(n,)`` rows, renumbered from 1 in the order given."""
        labels = None if self.labels is None else taken(self.labels, rows - 1)
        return Catalog(taken(self.item_ids, rows - 1), taken(self.texts, rows - 1), labels)


@dataclass(frozen=True)
class Interactions:
    """Users and what they took, oldest first, in two flat arrays.

    Attributes:
        user_ids: ``num_users`` distinct strings.
        rows: ``(num_interactions,)`` int32 catalogue rows, user after user, oldest first.
        offsets: ``(num_users + 1,)`` int64; user ``u`` owns ``rows[offsets[u]:offsets[u + 1]]``.
        times: ``(num_interactions,)`` int64 or float64, when each was taken, in seconds, not
            falling within a user; None where the source says only the order.

    Raises:
        DataError: If the offsets or the times do not fit the rows, or the times of a user fall.
    """

    user_ids: Sequence[str] = field(repr=False)
    rows: np.ndarray = field(repr=False)
    offsets: np.ndarray = field(repr=False)
    times: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check that offsets and times fit the rows."""
        if len(self.offsets) != len(self.user_ids) + 1 or self.offsets[-1] != len(self.rows):
            raise DataError(
                f"offsets must hold num_users + 1 = {len(self.user_ids) + 1} values ending at "
                f"num_interactions = {len(self.rows)}; "
                f"got {len(self.offsets)} ending at {self.offsets[-1]}"
            )
        if self.times is not None and not isinstance(self.times, np.memmap):
            self._check(self.times)

    def _check(self, times: np.ndarray) -> None:
        if len(times) != len(self.rows) or times.dtype not in (np.int64, np.float64):
            raise DataError(
                f"times must be int64 or float64, one for each of {len(self.rows)} interactions; "
                f"got {len(times)} of {times.dtype}"
            )
        within = np.ones(max(len(times) - 1, 0), bool)
        starts = self.offsets[1:-1]
        within[starts[(starts > 0) & (starts < len(times))] - 1] = False
        falls = np.flatnonzero(within & ~(times[1:] >= times[:-1]))  # a NaN counts as a fall
        if len(falls):
            user = int(np.searchsorted(self.offsets, falls[0], side="right")) - 1
            raise DataError(
                f"the interactions of a user must be oldest first; those of user "
                f"{self.user_ids[user]!r} are not: {times[falls[0]]} comes before "
                f"{times[falls[0] + 1]}: sort them by time"
            )

    @property
    def num_users(self) -> int:
        """Number of users."""
        return len(self.user_ids)

    @property
    def num_interactions(self) -> int:
        """Number of (user, item, time) events."""
        return len(self.rows)

    def counts(self, kept: np.ndarray | None = None) -> np.ndarray:
        """Return the ``(num_users,)`` int64 number of interactions of each user.

        Args:
            kept: ``(num_interactions,)`` bool; only those are counted. None: all.
        """
        counts = np.diff(self.offsets)
        if kept is not None:
            some = counts > 0  # reduceat knows no empty span
            counts[some] = np.add.reduceat(kept, self.offsets[:-1][some], dtype=np.int64)
        return counts

    def take(self, users: np.ndarray, *, last: int | None = None) -> "Interactions":
        """Return the interactions of these ``(n,)`` users, in the order given.

        Args:
            users: Indices, each at most once.
            last: Only this many latest interactions of each user; None takes all.
        """
        ends, lengths = self.offsets[1:][users], self.counts()[users]
        lengths = lengths if last is None else np.minimum(lengths, last)
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        places = span_places(ends - lengths, ends)
        ids = taken(self.user_ids, users)
        return Interactions(ids, self.rows[places], offsets, self.times_at(places))

    def where(self, kept: np.ndarray) -> "Interactions":
        """Return the interactions where ``(num_interactions,)`` bool is True; all users stay."""
        offsets = np.concatenate(([0], np.cumsum(self.counts(kept))))
        return Interactions(self.user_ids, self.rows[kept], offsets, self.times_at(kept))

    def times_at(self, places: np.ndarray) -> np.ndarray | None:
        """Return the ``(n,)`` times of the interactions at these places; None without times."""
        return None if self.times is None else self.times[places]

    def users(self) -> np.ndarray:
        """Return the ``(num_interactions,)`` int64 user index of each interaction."""
        return np.repeat(np.arange(self.num_users), self.counts())

    def item_counts(self, num_items: int) -> np.ndarray:
        """Return the ``(num_items + 1,)`` int64 interactions of each row; row 0 has none."""
        return np.bincount(self.rows, minlength=num_items + 1)
