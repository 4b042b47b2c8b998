"""Drawing what users take, step by step for many users at once."""

from typing import Protocol

import numpy as np

from tcf.data.simulate.dials import Sampler
from tcf.data.simulate.law import Law, Visits

_FAR = 1e30  # stands for infinity where it is multiplied
_CACHE_BYTES = 1 << 20  # weights at a time: what stays in a core's own cache


class Picker(Protocol):
    """Draws one item for each of some users; it is best to call it with ``num_users`` of them."""

    num_users: int

    def __call__(
        self,
        interest: np.ndarray,
        days: np.ndarray,
        taken: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Return ``(n,)`` rows for ``(n, K)`` interests, ``(n,)`` days, ``(n, step)`` rows."""
        ...


def draw(
    law: Law, visits: Visits, *, num_steps: int, sampler: Sampler, rng: np.random.Generator
) -> np.ndarray:
    """Return ``(num_interactions,)`` int32 rows, user after user.

    Args:
        law: Of the next item.
        visits: Who comes when.
        num_steps: The most interactions that a user may have.
        sampler: "gumbel" goes on drawing for users who have enough, as it always did; "inverse"
            does not.
        rng: Decides what is taken.
    """
    counts = np.diff(visits.offsets)
    num_users, always = len(counts), sampler == "gumbel"
    pick: Picker = Gumbel(law) if always else Inverse(law)
    drawn = np.zeros((num_users, num_steps), np.int32)
    for start in range(0, num_users, pick.num_users):
        users = np.arange(start, min(start + pick.num_users, num_users))
        for step in range(num_steps):
            here = users if always else users[counts[users] > step]
            if not len(here):
                break
            places = visits.offsets[here] + np.minimum(step, counts[here] - 1)
            taste, days = visits.at(here, places)
            last = drawn[here, step - 1] if step else np.zeros(len(here), np.int32)
            taken = drawn[here, :0] if law.repeats else drawn[here, :step]
            drawn[here, step] = pick(law.interest(taste, last), days, taken, rng)
    return drawn[np.arange(num_steps) < counts[:, None]]


class Gumbel:
    """Draws the largest of logit + Gumbel noise, which is a draw from the softmax.

    Minus the log of an exponential variable is Gumbel noise.
    """

    num_users = 512

    def __init__(self, law: Law):
        self.law = law

    def __call__(
        self,
        interest: np.ndarray,
        days: np.ndarray,
        taken: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Return ``(n,)`` rows, none of those taken."""
        keys = self.law.logits(interest, days).astype(np.float32)
        noise = rng.standard_exponential(keys.shape, dtype=np.float32)
        keys -= np.log(np.maximum(noise, np.finfo(np.float32).tiny, out=noise), out=noise)
        keys[np.arange(len(keys))[:, None], taken] = -np.inf
        return keys.argmax(axis=1)


class Inverse:
    """Draws by inverting the sum of the softmax's weights, in float32 and within the cache.

    Sums of blocks of items first, then within the block that is hit: a running sum over all items
    takes several times as long and is less exact.
    """

    def __init__(self, law: Law):
        self.law = law
        num_items = len(law.items) - 1
        self._step = round(num_items**0.5)
        self._num_blocks = -(-num_items // self._step)
        width = self._step * self._num_blocks
        self.num_users = max(16, _CACHE_BYTES // (4 * width))
        # Taste and, behind it, log popularity of the day; what fills the last block has no weight.
        self._items = np.zeros((law.items.shape[1] + 1, width), np.float32)
        self._items[:-1, :num_items] = law.items[1:].T
        self._popularity = np.full((len(law.log_popularity), width), -np.inf, np.float32)
        self._popularity[:, :num_items] = law.log_popularity[:, 1:]
        self._alike = len(law.log_popularity) == 1
        if self._alike:
            self._items[-1] = np.maximum(self._popularity[0], -_FAR)

    def __call__(
        self,
        interest: np.ndarray,
        days: np.ndarray,
        taken: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Return ``(n,)`` rows, none of those taken."""
        query = np.ones((len(interest), len(self._items)), np.float32)
        query[:, :-1] = self.law.query(interest)
        weights = query @ self._items
        if not self._alike:
            weights += self._popularity[days]
        weights -= weights.max(axis=1, keepdims=True)
        np.exp(weights, out=weights)
        everyone = np.arange(len(weights))
        weights[everyone[:, None], taken - 1] = 0
        blocks = weights.reshape(len(weights), self._num_blocks, self._step)
        sums = blocks.sum(axis=2).cumsum(axis=1, dtype=np.float64)
        limits = rng.random(len(weights)) * sums[:, -1]
        block = (sums <= limits[:, None]).sum(axis=1)
        limits -= np.where(block > 0, sums[everyone, block - 1], 0)
        within = blocks[everyone, block].cumsum(axis=1, dtype=np.float64)
        limits = np.minimum(limits, np.nextafter(within[:, -1], 0))  # rounding: within the block
        return block * self._step + (within <= limits[:, None]).sum(axis=1) + 1
