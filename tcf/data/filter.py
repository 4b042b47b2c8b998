"""Which users and items stay. Every filter reports what it removed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tcf.data.catalog import Catalog, Interactions
from tcf.data.strings import taken
from tcf.errors import DataError


@dataclass(frozen=True)
class FilterReport:
    """What a filter removed: users, items and interactions, before and after.

    Attributes:
        name: Of the filter; of several together, that of the last.
        settings: As the filter used them, moments in seconds.
        steps: The report of each, where this is of several together.
    """

    users_before: int
    users_after: int
    items_before: int
    items_after: int
    interactions_before: int
    interactions_after: int
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple["FilterReport", ...] = ()

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"kept {self.users_after:,} of {self.users_before:,} users, "
            f"{self.items_after:,} of {self.items_before:,} items, "
            f"{self.interactions_after:,} of {self.interactions_before:,} interactions"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the counts by name, for a record; of several filters those of each as well."""
        counts = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        steps = [{"name": one.name, **one.settings, **one.as_dict()} for one in self.steps]
        return {**counts, **({"filters": steps} if steps else {})}


Filtered = tuple[Catalog, Interactions, FilterReport]
Filter = Callable[[Catalog, Interactions], Filtered]
"""What a filter is once its settings are given, by `functools.partial` say."""


def filter_interactions(
    catalog: Catalog,
    interactions: Interactions,
    *,
    min_interactions: int = 5,
    last: int | None = 23,
) -> Filtered:
    """Keep users with enough interactions and their last ones; drop items nobody kept.

    Args:
        catalog: Items.
        interactions: Users, oldest interaction first.
        min_interactions: Users with fewer are removed, counted before anything is cut.
        last: Only this many latest interactions of each user stay; None keeps all.

    Returns:
        The catalogue with its rows renumbered, the interactions in the new rows, and the counts.

    Raises:
        ValueError: If ``min_interactions`` or ``last`` is below 1.
        DataError: If no user is left.

    Source: Li et al., arXiv 2305.11700 (defaults: at least 5, last 23).
    """
    if min_interactions < 1 or (last is not None and last < 1):
        raise ValueError(
            f"min_interactions and last must be at least 1; got {min_interactions} and {last}"
        )
    counts = interactions.counts()
    kept_users = np.flatnonzero(counts >= min_interactions)
    if not len(kept_users):
        raise DataError(
            f"no user has min_interactions={min_interactions} or more; the longest history has "
            f"{counts.max(initial=0)}: lower min_interactions or check the user column"
        )
    kept = interactions.take(kept_users, last=last)
    settings = {"min_interactions": min_interactions, "last": last}
    return _renumbered(catalog, interactions, kept, name="interactions", settings=settings)


def filter_sample(
    catalog: Catalog, interactions: Interactions, *, num_users: int, seed: int
) -> Filtered:
    """Keep some users, drawn without repetition; drop items nobody kept.

    Args:
        catalog: Items.
        interactions: Of all users; those who are too short for a study are best left out before.
        num_users: How many to draw.
        seed: Draws them.

    Returns, raises: as `filter_interactions`; also ValueError if there are not so many.
    """
    some = sample_users(interactions, num_users=num_users, rng=np.random.default_rng(seed))
    about: dict[str, Any] = {"num_users": num_users, "seed": seed}
    return _renumbered(catalog, interactions, some, name="sample", settings=about)


def sample_users(
    interactions: Interactions, *, num_users: int, rng: np.random.Generator
) -> Interactions:
    """Return the interactions of some users, drawn without repetition; their order stays.

    Args:
        interactions: Of all users; those who are too short for a study are best left out before.
        num_users: How many to draw.
        rng: Draws them.

    Raises:
        ValueError: If there are not so many.
    """
    if not 1 <= num_users <= interactions.num_users:
        raise ValueError(
            f"num_users must be within 1..{interactions.num_users}, the users there are; "
            f"got {num_users}"
        )
    users = np.sort(rng.choice(interactions.num_users, num_users, replace=False))
    return interactions.take(users)


def apply_filters(
    catalog: Catalog, interactions: Interactions, *, filters: Sequence[Filter]
) -> Filtered:
    """Apply filters, one after the other; the report is of all together, with each one's in it.

    Raises:
        ValueError: If there is none.
    """
    if not filters:
        raise ValueError("apply_filters needs at least one filter; got none")
    reports = []
    for one in filters:
        catalog, interactions, report = one(catalog, interactions)
        reports.append(report)
    if len(reports) == 1:
        return catalog, interactions, reports[0]
    before = {name: value for name, value in vars(reports[0]).items() if name.endswith("_before")}
    return catalog, interactions, replace(reports[-1], **before, steps=tuple(reports))


def keep_where(
    catalog: Catalog,
    interactions: Interactions,
    kept: np.ndarray,
    *,
    name: str,
    settings: Mapping[str, Any],
) -> Filtered:
    """Keep some interactions; drop users and items that have none left.

    Args:
        catalog: Items.
        interactions: Users, oldest interaction first.
        kept: ``(num_interactions,)`` bool.
        name: Of the filter, for its report.
        settings: Likewise.

    Raises:
        DataError: If none is kept.
    """
    if not kept.any():
        told = ", ".join(f"{key}={value}" for key, value in settings.items())
        raise DataError(
            f"a filter must leave an interaction; {name} ({told}) leaves none of "
            f"{interactions.num_interactions:,}: loosen it, or look at the data without it"
        )
    left = interactions.where(kept)
    users = np.flatnonzero(left.counts())
    if len(users) < left.num_users:
        ids = taken(left.user_ids, users)
        left = Interactions(ids, left.rows, np.append(0, left.offsets[1:][users]), left.times)
    return _renumbered(catalog, interactions, left, name=name, settings=settings)


def _renumbered(
    catalog: Catalog,
    before: Interactions,
    kept: Interactions,
    *,
    name: str,
    settings: Mapping[str, Any],
) -> Filtered:
    """Drop the items nobody kept, number the rest anew from 1, and report."""
    used = np.zeros(catalog.num_items + 1, bool)
    used[kept.rows] = True
    new_rows = np.cumsum(used, dtype=np.int32)  # row 0 is never used: the first is 1
    kept = replace(kept, rows=new_rows[kept.rows])
    report = FilterReport(
        users_before=before.num_users,
        users_after=kept.num_users,
        items_before=catalog.num_items,
        items_after=int(new_rows[-1]),
        interactions_before=before.num_interactions,
        interactions_after=kept.num_interactions,
        name=name,
        settings=settings,
    )
    return catalog.select(np.flatnonzero(used)), kept, report
