"""Does a ranker prefer a place in the list to what stands there?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chisquare

__all__ = ["PositionBias", "order_agreement", "position_bias"]


@dataclass(frozen=True)
class PositionBias:
    """How often each place was chosen.

    Attributes:
        counts: One a place.
        statistic: Chi-square of the counts against equal ones; it has one degree of freedom less
            than there are places.
        p: Of the hypothesis that each place is chosen as often; candidates in random order make it
            true of every ranker that reads them alone. NaN-free: 1 where nothing was chosen.
    """

    counts: tuple[int, ...]
    statistic: float
    p: float

    @property
    def shares(self) -> tuple[float, ...]:
        """Shares of the readable answers; 0 where there is none."""
        total = max(1, sum(self.counts))
        return tuple(count / total for count in self.counts)


def position_bias(chosen: ArrayLike, *, num_candidates: int) -> PositionBias:
    """Count choices by place, over candidates whose order was drawn at random.

    Args:
        chosen: ``(n,)`` int, 0-based place of each task's first choice; -1 where there is none.
        num_candidates: Places.

    Raises:
        ValueError: If a place is out of range.

    Source: Pearson (1900); of language models, Zheng et al., arXiv 2309.03882.
    """
    places = np.asarray(chosen, np.int64)
    if places.size and not -1 <= places.min() <= places.max() < num_candidates:
        raise ValueError(
            f"places must be within 0..{num_candidates - 1}, or -1 for none; got "
            f"{places.min()} to {places.max()}"
        )
    counts = np.bincount(places[places >= 0], minlength=num_candidates)
    statistic, p = chisquare(counts) if counts.sum() else (0.0, 1.0)
    return PositionBias(tuple(counts.tolist()), float(statistic), float(p))


def order_agreement(chosen_rows: Sequence[ArrayLike]) -> float:
    """Return the share of pairs of orders in which a task's choice is the same item.

    Args:
        chosen_rows: For each of at least two orders, ``(n,)`` item rows; 0 where there is none,
            which agrees with nothing.

    Raises:
        ValueError: If there are fewer than two orders or no task.
    """
    rows = np.asarray(chosen_rows, np.int64)
    if rows.ndim != 2 or len(rows) < 2 or not rows.shape[1]:
        raise ValueError(
            f"agreement needs at least two orders of the same tasks; got shape {rows.shape}"
        )
    first, second = np.triu_indices(len(rows), 1)
    return float(((rows[first] == rows[second]) & (rows[first] > 0)).mean())
