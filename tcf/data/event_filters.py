"""Interactions by when they were and whether they were there before."""

from typing import Literal

import numpy as np
import polars as pl

from tcf.data.catalog import Catalog, Interactions
from tcf.data.filter import Filtered, keep_where
from tcf.data.moments import Moment, moment, times_of


def filter_times(
    catalog: Catalog,
    interactions: Interactions,
    *,
    start: Moment | None = None,
    end: Moment | None = None,
) -> Filtered:
    """Keep the interactions of a time window: from ``start`` on, and before ``end``.

    Args:
        catalog: Items.
        interactions: With times.
        start: A `Moment`; None: from the first.
        end: The first moment that is outside; None: to the last.

    Returns, raises: as `filter_interactions`; also DataError if there are no times, and ValueError
    if the window is empty.
    """
    times = times_of(interactions)
    given = {"start": start, "end": end}
    bounds = {name: moment(interactions, at) for name, at in given.items() if at is not None}
    low, high = bounds.get("start", -np.inf), bounds.get("end", np.inf)
    if low >= high:
        raise ValueError(f"a time window must end after its start; got {start!r} to {end!r}")
    kept = (times >= low) & (times < high)
    return keep_where(catalog, interactions, kept, name="times", settings=bounds)


def filter_duplicates(
    catalog: Catalog,
    interactions: Interactions,
    *,
    which: Literal["consecutive", "any"] = "any",
    keep: Literal["first", "last"] = "first",
) -> Filtered:
    """Keep one of the interactions of a user with the same item.

    Args:
        catalog: Items.
        interactions: Users, oldest interaction first.
        which: ``"consecutive"``: of those that follow one another; ``"any"``: of all.
        keep: The first of them, or the last.

    Returns, raises: as `filter_interactions`.
    """
    if which not in ("consecutive", "any") or keep not in ("first", "last"):
        raise ValueError(
            "which must be 'consecutive' or 'any' and keep 'first' or 'last'; "
            f"got {which!r} and {keep!r}"
        )
    if which == "consecutive":
        kept = (_first_of_runs if keep == "first" else _last_of_runs)(interactions)
    else:
        pairs = _pairs(interactions)
        kept = (
            pairs.is_first_distinct() if keep == "first" else pairs.is_last_distinct()
        ).to_numpy()
    settings = {"which": which, "keep": keep}
    return keep_where(catalog, interactions, kept, name="duplicates", settings=settings)


def _first_of_runs(interactions: Interactions) -> np.ndarray:
    """Return where a row differs from the one before it, or is a user's first."""
    rows, starts = interactions.rows, interactions.offsets[:-1]
    first = np.ones(len(rows), bool)
    first[1:] = rows[1:] != rows[:-1]
    first[starts[starts < len(rows)]] = True
    return first


def _last_of_runs(interactions: Interactions) -> np.ndarray:
    return np.append(_first_of_runs(interactions), True)[1:]


def _pairs(interactions: Interactions) -> pl.Series:
    """Return a number for each interaction, the same for the same user and item."""
    pairs = interactions.users()
    pairs *= int(interactions.rows.max(initial=0)) + 1
    pairs += interactions.rows
    return pl.Series(pairs)
