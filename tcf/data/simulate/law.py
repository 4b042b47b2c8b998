"""The law of the next item: a softmax over taste and popularity. Draws and oracle both read it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Law:
    """What an interest makes of every item; row 0 is padding.

    Attributes:
        items: ``(num_items + 1, K)`` float64, taste.
        log_popularity: ``(num_days, num_items + 1)`` float64; one row where days make no
            difference. Padding and what is not there yet are ``-inf``.
        focus: Spread of the softmax's logits that taste makes.
        drift: Share of a user's interest that is the last item's taste.
        repeats: Whether a user may take an item twice.
    """

    items: np.ndarray
    log_popularity: np.ndarray
    focus: float
    drift: float
    repeats: bool

    def interest(self, taste: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Return the ``(n, K)`` interests of users of this taste who took these rows last.

        Args:
            taste: ``(n, K)``.
            last: ``(n,)`` rows; 0 for a user who took none.
        """
        mixed = np.sqrt(1 - self.drift) * taste + np.sqrt(self.drift) * self.items[last]
        return np.where(last[:, None] > 0, mixed, taste)

    def query(self, interest: np.ndarray) -> np.ndarray:
        """Return what, times an item's taste, is its logit but for popularity: ``(n, K)``."""
        return interest * (self.focus / np.sqrt(self.items.shape[1]))

    def logits(self, interest: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return ``(n, num_items + 1)`` logits; taste spreads them by about ``focus``.

        Args:
            interest: ``(n, K)``.
            days: ``(n,)`` rows of ``log_popularity``.
        """
        popularity = self.log_popularity
        return self.query(interest) @ self.items.T + (
            popularity[days] if len(popularity) > 1 else popularity[0]
        )


@dataclass(frozen=True)
class Visits:
    """Who comes when, with which taste; what is drawn there is the law's.

    Attributes:
        offsets: ``(num_users + 1,)`` int64, as in `Interactions`.
        user_taste: ``(num_users, K)`` float64, standard normal: for good, or to begin with.
        walked: ``(num_interactions, K)`` float32, the taste at each visit; None: it stays.
        days: ``(num_interactions,)`` int64, row of the law's popularity; None: always the first.
    """

    offsets: np.ndarray
    user_taste: np.ndarray
    walked: np.ndarray | None = None
    days: np.ndarray | None = None

    def at(self, users: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the ``(n, K)`` taste and ``(n,)`` day of these users at these visits."""
        taste = self.user_taste[users] if self.walked is None else self.walked[places]
        days = np.zeros(len(places), np.int64) if self.days is None else self.days[places]
        return taste, days

    def users_at(self, places: np.ndarray) -> np.ndarray:
        """Return the ``(n,)`` user of each visit."""
        return np.searchsorted(self.offsets, places, side="right") - 1
