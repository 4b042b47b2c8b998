"""Interactions -> Split(train, validation, test)."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np

from tcf.data.catalog import Catalog, Interactions
from tcf.errors import DataError


@dataclass(frozen=True)
class Targets:
    """One ranking task a user: find the target among all items but the user's known ones.

    Task ``n`` knows ``rows[starts[n]:ends[n]]``, oldest first; a model's input is the last
    ``max_history`` of them, and all of them are masked in the ranking (never the target itself).

    Attributes:
        users: ``(n,)`` int64 user index.
        targets: ``(n,)`` int32 row to predict.
        rows: Flat int32 rows, shared with the other parts of the split.
        starts: ``(n,)`` int64.
        ends: ``(n,)`` int64.
        times: ``(n,)`` when each target was taken, in seconds; None where that is not known. No
            part of a split's checksum: what is ranked does not depend on it.
    """

    users: np.ndarray
    targets: np.ndarray
    rows: np.ndarray = field(repr=False)
    starts: np.ndarray = field(repr=False)
    ends: np.ndarray = field(repr=False)
    times: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """Return the number of tasks."""
        return len(self.users)

    @cached_property
    def target_in_history(self) -> np.ndarray:
        """``(n,)`` bool: the target is also among the user's known items."""
        task = np.repeat(np.arange(len(self)), self.ends - self.starts)
        found = np.zeros(len(self), bool)
        found[task[self._known() == self.targets[task]]] = True
        return found

    def alone(self) -> "Targets":
        """Return the same tasks over rows of their own: what no task knows is not in them."""
        ends = np.cumsum(self.ends - self.starts)
        starts = ends - (self.ends - self.starts)
        return Targets(self.users, self.targets, self._known(), starts, ends, self.times)

    def _known(self) -> np.ndarray:
        """Return the known rows of every task, task after task."""
        lengths = self.ends - self.starts
        first = np.concatenate(([0], np.cumsum(lengths)[:-1])) if len(self) else lengths
        return self.rows[np.arange(lengths.sum()) + np.repeat(self.starts - first, lengths)]


@dataclass(frozen=True)
class Split:
    """A data set cut for training, model choice and the one final reading.

    Attributes:
        catalog: Items; every part's rows point into it.
        train: What models learn from.
        validation: What settings and the stopping epoch are chosen on.
        test: Read once a run.
    """

    catalog: Catalog
    train: Interactions
    validation: Targets
    test: Targets

    @property
    def num_items(self) -> int:
        """Number of items, the padding row not counted."""
        return self.catalog.num_items

    @property
    def num_users(self) -> int:
        """Number of users."""
        return self.train.num_users

    def without_test(self) -> "Split":
        """Return what a search for settings may see: its test part is None, and no row of it left.

        Whoever asks it for a test target fails at once.
        """
        nothing = cast(Targets, None)
        return Split(self.catalog, self.train, self.validation.alone(), test=nothing)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over ids and every array: two splits with one checksum rank the same things."""
        digest = hashlib.sha256()
        for names in (self.catalog.item_ids, self.train.user_ids):
            digest.update("\0".join(names).encode("utf-8", "surrogatepass") + b"\1")
        arrays = [self.train.rows, self.train.offsets]
        for part in (self.validation, self.test):
            arrays += [part.users, part.targets, part.rows, part.starts, part.ends]
        for array in arrays:
            digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes() + b"\1")
        return digest.hexdigest()


def leave_one_out(catalog: Catalog, interactions: Interactions) -> Split:
    """Hold out each user's last item for the test and the one before it for validation.

    The validation item is part of the known items, and so of the input, at the test.

    Raises:
        DataError: If a user has fewer than three interactions.

    Source: Li et al., arXiv 2305.11700.
    """
    counts = interactions.counts()
    if len(counts) == 0 or counts.min() < 3:
        short = int(np.argmin(counts)) if len(counts) else None
        found = (
            "there is no user"
            if short is None
            else f"user {interactions.user_ids[short]!r} has {counts[short]}"
        )
        raise DataError(
            "leave-one-out needs at least 3 interactions of every user (train, validation, test); "
            f"{found}: call filter_interactions(min_interactions=3) or more first"
        )
    rows, starts, ends = interactions.rows, interactions.offsets[:-1], interactions.offsets[1:]
    held_out = np.zeros(len(rows), bool)
    held_out[ends - 1] = held_out[ends - 2] = True
    train_offsets = np.concatenate(([0], np.cumsum(counts - 2)))
    users = np.arange(interactions.num_users)
    times = interactions.times
    when = [None if times is None else times[at] for at in (~held_out, ends - 2, ends - 1)]
    return Split(
        catalog,
        Interactions(interactions.user_ids, rows[~held_out], train_offsets, when[0]),
        validation=Targets(users, rows[ends - 2], rows, starts, ends - 2, when[1]),
        test=Targets(users, rows[ends - 1], rows, starts, ends - 1, when[2]),
    )
