"""Moments of a data set: seconds, ISO dates, or a share of its interactions."""

from datetime import UTC, datetime

import numpy as np

from tcf.data.catalog import Interactions
from tcf.errors import DataError

__all__ = ["Moment", "moment", "times_of"]

Moment = int | float | str
"""Seconds since 1970, an ISO date or date and time (UTC where it names no zone), or ``"90%"``: the
first moment that has so much of a data set's interactions before it."""


def times_of(interactions: Interactions) -> np.ndarray:
    """Return the ``(num_interactions,)`` times, in seconds.

    Raises:
        DataError: If the source says only the order, or there is no interaction.
    """
    if interactions.times is None or not len(interactions.times):
        found = "there is no interaction" if interactions.times is not None else "these have none"
        raise DataError(
            f"times of interactions are needed; {found}: read a source that says when each was "
            "taken, or take a filter and a split that need only the order"
        )
    return interactions.times


def moment(interactions: Interactions, value: Moment) -> float:
    """Return a moment in seconds.

    Of ``"90%"`` it is the time of the interaction that has 90% of all before it, by time, so that
    at most 90% are earlier than it: fewer where several share that time.

    Args:
        interactions: With times.
        value: A `Moment`.

    Raises:
        ValueError: If it is no moment.
        DataError: If the interactions have no times.
    """
    times = times_of(interactions)
    if not isinstance(value, str):
        seconds = float(value)
        if not np.isfinite(seconds):
            raise ValueError(f"a moment must be finite; got {value!r}")
        return seconds
    try:
        if value.endswith("%"):
            return _with_share_before(times, float(value[:-1]) / 100)
        parsed = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(
            "a moment is a number of seconds, an ISO date such as '2016-01-31' or a share of the "
            f"interactions from '0%' to below '100%'; got {value!r}"
        ) from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _with_share_before(times: np.ndarray, share: float) -> float:
    if not 0 <= share < 1:
        raise ValueError(f"{share} is no share")
    place = int(share * len(times))
    return float(np.partition(times, place)[place])
