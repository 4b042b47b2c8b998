"""What changes with time: when users come, their taste, items' popularity, items that are new."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tcf.data.simulate.law import Visits

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Timeline:
    """What time makes of users and items.

    Attributes:
        visits: Taste and day of each interaction.
        seconds: ``(num_interactions,)`` int64 since the first day began; None without time.
        first_days: ``(num_items + 1,)`` int64, the day on which an item appears.
        log_popularity: ``(num_days, num_items + 1)`` float64; one row if all days are alike.
    """

    visits: Visits
    seconds: np.ndarray | None
    first_days: np.ndarray
    log_popularity: np.ndarray


def make_timeline(
    user_taste: np.ndarray,
    counts: np.ndarray,
    log_popularity: np.ndarray,
    *,
    num_days: int | None,
    taste_walk: float,
    popularity_walk: float,
    new_items: float,
    new_after: float,
    rngs: Mapping[str, np.random.Generator],
) -> Timeline:
    """Lay out the visits and what changes between them; the dials are those of `simulate_world`.

    Args:
        user_taste: ``(num_users, K)``, as the period begins.
        counts: ``(num_users,)`` visits of each user.
        log_popularity: ``(num_items + 1,)``, as the period begins.
        num_days: Length of the period; None: there is no time.
        taste_walk: As of `walked_taste`.
        popularity_walk: As of `popularity_by_day`.
        new_items: As of `first_days`.
        new_after: As of `first_days`.
        rngs: Streams by name.
    """
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    first, by_day = np.zeros(len(log_popularity), np.int64), log_popularity[None]
    if num_days is None:
        return Timeline(Visits(offsets, user_taste), None, first, by_day)
    seconds = visit_seconds(counts, num_days=num_days, rng=rngs["times"])
    walked, days = None, None
    if taste_walk:
        walked = walked_taste(
            *(user_taste, seconds, offsets),
            num_days=num_days,
            walk=taste_walk,
            rng=rngs["taste_walk"],
        )
    if new_items:
        first = first_days(
            len(first) - 1,
            num_days=num_days,
            share=new_items,
            after=new_after,
            rng=rngs["new_items"],
        )
    if new_items or popularity_walk:
        days = seconds // DAY_SECONDS
        by_day = popularity_by_day(
            log_popularity,
            first,
            num_days=num_days,
            walk=popularity_walk,
            rng=rngs["popularity_walk"],
        )
    return Timeline(Visits(offsets, user_taste, walked, days), seconds, first, by_day)


def visit_seconds(counts: np.ndarray, *, num_days: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``(num_interactions,)`` int64 seconds since the first day began, rising by user.

    Each visit falls anywhere in the period, all moments alike.

    Args:
        counts: ``(num_users,)`` visits of each user.
        num_days: Length of the period.
        rng: Decides them.
    """
    users = np.repeat(np.arange(len(counts)), counts)
    moments = np.sort(users + rng.random(len(users))) - users
    seconds = (moments * (num_days * DAY_SECONDS)).astype(np.int64)
    return np.minimum(seconds, num_days * DAY_SECONDS - 1)


def walked_taste(
    user_taste: np.ndarray,
    seconds: np.ndarray,
    offsets: np.ndarray,
    *,
    num_days: int,
    walk: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the ``(num_interactions, K)`` float32 taste of each visit: a stationary random walk.

    Tastes of one user at two moments have correlation ``(1 - walk) ** gap``, the gap in periods of
    ``num_days``: an Ornstein-Uhlenbeck process, standard normal at any moment.

    Args:
        user_taste: ``(num_users, K)``, the taste as the period begins.
        seconds: As of `visit_seconds`.
        offsets: ``(num_users + 1,)``.
        num_days: Length of the period.
        walk: In [0, 1].
        rng: Decides the steps.

    Source: Uhlenbeck & Ornstein, Physical Review 36 (1930).
    """
    counts, starts = np.diff(offsets), offsets[:-1]
    taste = user_taste.copy()
    path = np.empty((len(seconds), taste.shape[1]), np.float32)
    before = np.zeros(len(counts), np.int64)
    for step in range(int(counts.max())):
        users = np.flatnonzero(counts > step)
        now = seconds[starts[users] + step]
        kept = (1 - walk) ** ((now - before[users]) / (num_days * DAY_SECONDS))
        fresh = rng.standard_normal((len(users), taste.shape[1]))
        taste[users] = kept[:, None] * taste[users] + np.sqrt(1 - kept**2)[:, None] * fresh
        path[starts[users] + step] = taste[users]
        before[users] = now
    return path


def first_days(
    num_items: int, *, num_days: int, share: float, after: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the ``(num_items + 1,)`` int64 day on which each item appears; 0 for most.

    Args:
        num_items: Of the catalogue.
        num_days: Length of the period.
        share: Of the items that are new: they appear on a day of the rest of the period, all days
            alike.
        after: Part of the period, in [0, 1), in which none of them appears; the first day is.
        rng: Decides which and when.
    """
    born = np.zeros(num_items + 1, np.int64)
    new = rng.permutation(num_items)[: round(share * num_items)] + 1
    first = max(1, int(np.ceil(after * num_days)))
    if len(new):
        born[new] = rng.integers(first, num_days, len(new))
    return born


def popularity_by_day(
    log_popularity: np.ndarray,
    born: np.ndarray,
    *,
    num_days: int,
    walk: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return ``(num_days, num_items + 1)`` float64: a random walk from day to day, once it is born.

    Args:
        log_popularity: ``(num_items + 1,)``, that of the first day.
        born: As of `first_days`.
        num_days: Length of the period.
        walk: Spread of what the last day's is away from the first day's.
        rng: Decides the steps.
    """
    steps = rng.standard_normal((num_days, len(born)))
    steps[0] = 0
    changed = log_popularity + walk / np.sqrt(max(num_days - 1, 1)) * steps.cumsum(axis=0)
    return np.where(np.arange(num_days)[:, None] < born, -np.inf, changed)
