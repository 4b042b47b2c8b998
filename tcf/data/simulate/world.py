"""What was simulated, the truth behind it, and the best ranking there is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tcf.data.catalog import Catalog, Interactions
from tcf.data.simulate.law import Law, Visits
from tcf.data.spans import span_places
from tcf.data.split import Targets

if TYPE_CHECKING:
    from torch import Tensor

_LOWEST = -1e300  # of an item that is not there yet: below every logit, and finite
_CHUNK_USERS = 512


@dataclass(frozen=True)
class World:
    """What was simulated and the truth behind it; row 0 of every item array is padding, all zero.

    Attributes:
        catalog: Items with their titles.
        interactions: Users and what they took, oldest first; with times if the world has days.
        words_taste: ``(num_items + 1, K)`` float64, the part of taste that the bag of words tells.
        order_taste: ``(num_items + 1, K)`` float64, the part that only word order tells.
        private_taste: ``(num_items + 1, K)`` float64, the part that no title tells.
        first_days: ``(num_items + 1,)`` int64, the day on which an item appears; 0: always there.
        law: Of the next item.
        visits: Taste and day of each interaction.
    """

    catalog: Catalog
    interactions: Interactions
    words_taste: np.ndarray = field(repr=False)
    order_taste: np.ndarray = field(repr=False)
    private_taste: np.ndarray = field(repr=False)
    first_days: np.ndarray = field(repr=False)
    law: Law = field(repr=False)
    visits: Visits = field(repr=False)

    @property
    def text_taste(self) -> np.ndarray:
        """``(num_items + 1, K)`` float64, all of taste that a title tells if order is minded."""
        return self.words_taste + self.order_taste

    @property
    def item_taste(self) -> np.ndarray:
        """``(num_items + 1, K)`` float64, mean 0 and mean variance about 1 over items."""
        return self.law.items

    @property
    def user_taste(self) -> np.ndarray:
        """``(num_users, K)`` float64, standard normal: for good, or as the period begins."""
        return self.visits.user_taste

    @property
    def log_popularity(self) -> np.ndarray:
        """``(num_items + 1,)`` float64, of the last day; row 0 is ``-inf``."""
        return self.law.log_popularity[-1]

    @property
    def oracle(self) -> "Oracle":
        """The true logits as a model that `tcf.evaluate.rank_targets` ranks like any other."""
        return Oracle(self)

    def logits(self, places: np.ndarray) -> np.ndarray:
        """Return the true logits of the next item at these visits, given what was taken before.

        Args:
            places: ``(n,)`` places in ``interactions.rows``.

        Returns:
            ``(n, num_items + 1)`` float64; ``-inf`` for padding and for what is not there yet.
            What the user took before keeps its logit.
        """
        users, rows = self.visits.users_at(places), self.interactions.rows
        last = np.where(places > self.interactions.offsets[users], rows[places - 1], 0)
        taste, days = self.visits.at(users, places)
        return self.law.logits(self.law.interest(taste, last), days)

    def oracle_scores(self) -> np.ndarray:
        """Return the true logits of each user's last interaction, given the ones before it.

        Returns:
            ``(num_users, num_items + 1)`` float64; ``-inf`` for padding, what is not there yet and,
            without ``repeats``, what the user had taken before. No ranking has a higher expected
            HR@k than this one.
        """
        return self._scores(np.arange(self.interactions.num_users))

    def _scores(self, users: np.ndarray) -> np.ndarray:
        starts, ends = self.interactions.offsets[users], self.interactions.offsets[users + 1] - 1
        scores = self.logits(ends)
        if not self.law.repeats:
            owners = np.repeat(np.arange(len(users)), ends - starts)
            scores[owners, self.interactions.rows[span_places(starts, ends)]] = -np.inf
        return scores

    def oracle_hr(self, *, k: int) -> float:
        """HR@k of the true logits on each user's last interaction, known items masked.

        Ties, as between titles of the same words, count by their mean over a random order. It is
        the figure of ``rank_targets(world.oracle, leave_one_out(...).test)``, loads no torch, and
        lets users be of fewer than three interactions.

        Raises:
            ValueError: If ``k`` is not between 1 and ``num_items``.
        """
        if not 1 <= k <= self.catalog.num_items:
            raise ValueError(f"k must be between 1 and {self.catalog.num_items} items; got {k}")
        targets, hits = self.interactions.rows[self.interactions.offsets[1:] - 1], 0.0
        for start in range(0, len(targets), _CHUNK_USERS):
            users = np.arange(start, min(start + _CHUNK_USERS, len(targets)))
            scores = self._scores(users)
            own = scores[np.arange(len(users)), targets[users]][:, None]
            better, alike = (scores > own).sum(axis=1), (scores == own).sum(axis=1)
            hits += ((k - better) / alike).clip(0, 1).sum()
        return float(hits / len(targets))


@dataclass(frozen=True)
class Oracle:
    """Who knows the law and every user's taste, and ranks by the true logits: an untrained arm.

    Given the user's known items, no ranking finds the next one within the first ``k`` more often,
    in expectation. It ranks tasks whose target is what the user took next in the world: those of
    any split of the world's interactions whose users are all there.
    """

    world: World

    def score_blocks(self, targets: Targets, *, size: int) -> Iterator["Tensor"]:
        """Yield ``(size, num_items)`` float64 logits, as `tcf.evaluate.BlockRanker` asks.

        Raises:
            ValueError: If a task is not one of the world's own.
        """
        import torch

        places = self._places(targets)
        for start in range(0, len(places), size):
            logits = self.world.logits(places[start : start + size])[:, 1:]
            yield torch.from_numpy(np.maximum(logits, _LOWEST))

    def _places(self, targets: Targets) -> np.ndarray:
        """Find each task's target among the world's interactions."""
        data, num_known = self.world.interactions, targets.ends - targets.starts
        users = np.minimum(targets.users, data.num_users - 1)
        places = np.minimum(data.offsets[users] + num_known, len(data.rows) - 1)
        last = np.where(num_known > 0, targets.rows[targets.ends - 1], 0)
        fits = (users == targets.users) & (num_known < data.counts()[users])
        fits &= data.rows[places] == targets.targets
        fits &= (num_known == 0) | (data.rows[places - 1] == last)
        if not fits.all():
            task = int(np.argmin(fits))
            raise ValueError(
                "the oracle ranks what a user of its own world took next; task "
                f"{task} asks for row {targets.targets[task]} after {num_known[task]} interactions "
                f"of user {targets.users[task]}, which this world does not hold: split "
                "world.interactions without leaving out users or interactions before"
            )
        return places
