"""Which users and items stay. Every filter reports what it removed."""

from dataclasses import asdict, dataclass, replace

import numpy as np

from tcf.data.catalog import Catalog, Interactions
from tcf.errors import DataError


@dataclass(frozen=True)
class FilterReport:
    """What a filter removed: users, items and interactions, before and after."""

    users_before: int
    users_after: int
    items_before: int
    items_after: int
    interactions_before: int
    interactions_after: int

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"kept {self.users_after:,} of {self.users_before:,} users, "
            f"{self.items_after:,} of {self.items_before:,} items, "
            f"{self.interactions_after:,} of {self.interactions_before:,} interactions"
        )

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name, for a record."""
        return asdict(self)


def filter_interactions(
    catalog: Catalog,
    interactions: Interactions,
    *,
    min_interactions: int = 5,
    last: int | None = 23,
) -> tuple[Catalog, Interactions, FilterReport]:
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
    kept_rows = np.unique(kept.rows)
    kept = replace(kept, rows=(np.searchsorted(kept_rows, kept.rows) + 1).astype(np.int32))
    report = FilterReport(
        users_before=interactions.num_users,
        users_after=kept.num_users,
        items_before=catalog.num_items,
        items_after=len(kept_rows),
        interactions_before=interactions.num_interactions,
        interactions_after=kept.num_interactions,
    )
    return catalog.select(kept_rows), kept, report


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
