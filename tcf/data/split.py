"""Interactions -> Split(train, validation, test)."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from tcf.data.catalog import Catalog, Interactions
from tcf.data.spans import span_places
from tcf.errors import DataError


@dataclass(frozen=True)
class Targets:
    """Ranking tasks: find the target among all items but the user's known ones.

    A user has one task, none, or several (`split_by_time`); they are in the users' order. Task
    ``n`` knows ``rows[starts[n]:ends[n]]``, oldest first; a model's input is the last
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

    @property
    def one_a_user(self) -> bool:
        """Whether no user has several tasks."""
        return len(np.unique(self.users)) == len(self)

    @cached_property
    def target_in_history(self) -> np.ndarray:
        """``(n,)`` bool: the target is also among the user's known items."""
        task = np.repeat(np.arange(len(self)), self.ends - self.starts)
        found = np.zeros(len(self), bool)
        found[task[self._known() == self.targets[task]]] = True
        return found

    def take(self, tasks: np.ndarray | slice) -> "Targets":
        """Return some of the tasks: where ``(n,)`` bool is True, those of indices, or a slice."""
        mine = (part[tasks] for part in (self.users, self.targets, self.starts, self.ends))
        users, targets, starts, ends = mine
        times = None if self.times is None else self.times[tasks]
        return Targets(users, targets, self.rows, starts, ends, times)

    def alone(self) -> "Targets":
        """Return the same tasks over rows of their own: what no task knows is not in them."""
        ends = np.cumsum(self.ends - self.starts)
        starts = ends - (self.ends - self.starts)
        return Targets(self.users, self.targets, self._known(), starts, ends, self.times)

    def _known(self) -> np.ndarray:
        """Return the known rows of every task, task after task."""
        return self.rows[span_places(self.starts, self.ends)]


@dataclass(frozen=True)
class SplitReport:
    """How a split was made, and what it left out.

    Attributes:
        name: Of the way of splitting.
        settings: As it used them, moments in seconds.
        left_out: Number of interactions or tasks by what they are.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say it in a line."""
        told = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        out = ", ".join(f"{number:,} {what}" for what, number in self.left_out.items() if number)
        return f"{self.name}{f' ({told})' if told else ''}{f'; left out: {out}' if out else ''}"

    def as_dict(self) -> dict[str, Any]:
        """Return it for a record."""
        left_out = {"left_out": dict(self.left_out)} if self.left_out else {}
        return {"name": self.name, **self.settings, **left_out}


LEAVE_ONE_OUT = SplitReport("leave one out")
"""Of a split that has no settings and leaves nothing out."""


@dataclass(frozen=True)
class Split:
    """A data set cut for training, model choice and the one final reading.

    Attributes:
        catalog: Items; every part's rows point into it.
        train: What models learn from. Every user is in it; one that is held out has no row.
        validation: What settings and the stopping epoch are chosen on.
        test: Read once a run.
        report: How it was made. No part of the checksum: what is ranked is.
    """

    catalog: Catalog
    train: Interactions
    validation: Targets
    test: Targets
    report: SplitReport = SplitReport("one's own")

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
        return replace(self, validation=self.validation.alone(), test=nothing)

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
    trained = np.ones(len(rows), bool)
    trained[ends - 1] = trained[ends - 2] = False
    users = np.arange(interactions.num_users)
    when = [interactions.times_at(at) for at in (ends - 2, ends - 1)]
    return Split(
        catalog,
        interactions.where(trained),
        validation=Targets(users, rows[ends - 2], rows, starts, ends - 2, when[0]),
        test=Targets(users, rows[ends - 1], rows, starts, ends - 1, when[1]),
        report=LEAVE_ONE_OUT,
    )


def drop_tasks(
    split: Split, *, repeated: bool = False, cold_items: bool = False, new_users: bool = False
) -> Split:
    """Return the split without some of its tasks; its report counts them.

    Args:
        split: Any.
        repeated: Leave out tasks whose target is among the user's known items.
        cold_items: Leave out tasks whose target no training interaction is of.
        new_users: Leave out tasks of users without a training interaction, whom a model that
            knows users by their IDs, such as DSSM, knows nothing of.

    Raises:
        DataError: If no validation task or no test task is left.

    Source: on repeated targets, Anderson et al., The Dynamics of Repeat Consumption, WWW 2014.
    """
    trained_items = split.train.item_counts(split.num_items) > 0
    trained_users = split.train.counts() > 0
    tests: dict[str, tuple[bool, Callable[[Targets], np.ndarray]]] = {
        "repeated targets": (repeated, lambda part: part.target_in_history),
        "cold targets": (cold_items, lambda part: ~trained_items[part.targets]),
        "new users": (new_users, lambda part: ~trained_users[part.users]),
    }
    left_out, parts = dict(split.report.left_out), {}
    for name, part in (("validation", split.validation), ("test", split.test)):
        dropped = np.zeros(len(part), bool)
        for what, (wanted, test) in tests.items():
            if wanted:
                found = test(part) & ~dropped
                left_out[f"{name}: {what}"] = int(found.sum())
                dropped |= found
        parts[name] = part.take(~dropped)
    return checked(replace(split, **parts, report=replace(split.report, left_out=left_out)))


def checked(split: Split) -> Split:
    """Return a split that holds something in every part.

    Raises:
        DataError: If it does not.
    """
    sizes = {
        "training interaction": split.train.num_interactions,
        "validation task": len(split.validation),
        "test task": len(split.test),
    }
    for what, size in sizes.items():
        if not size:
            raise DataError(
                f"a split needs at least one {what}; {split.report} has none: change its settings"
            )
    return split
