"""Drawing what users take, step by step for many users at once."""

from typing import Protocol

import numpy as np

from tcf.data.simulate.clusters import Clusters
from tcf.data.simulate.dials import Sampler
from tcf.data.simulate.law import Law, Visits

_CHUNK_USERS = 512
_CHUNK_MANY = 1 << 20


class Picker(Protocol):
    """Draws one item for each of many users."""

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
        sampler: "scan" looks at every item for every draw and goes on drawing for users who have
            enough, as it always did; "clusters" (`tcf.data.simulate.clusters`) does neither.
        rng: Decides what is taken.
    """
    counts = np.diff(visits.offsets)
    num_users = len(counts)
    scans = sampler == "scan"
    pick: Picker = Scan(law) if scans else Clusters(law, visits, rng=rng)
    size = _CHUNK_USERS if scans else _CHUNK_MANY
    drawn = np.zeros((num_users, num_steps), np.int32)
    for start in range(0, num_users, size):
        users = np.arange(start, min(start + size, num_users))
        for step in range(num_steps):
            here = users if scans else users[counts[users] > step]
            places = visits.offsets[here] + np.minimum(step, counts[here] - 1)
            taste, days = visits.at(here, places)
            last = drawn[here, step - 1] if step else np.zeros(len(here), np.int32)
            taken = drawn[here, :0] if law.repeats else drawn[here, :step]
            drawn[here, step] = pick(law.interest(taste, last), days, taken, rng)
    return drawn[np.arange(num_steps) < counts[:, None]]


class Scan:
    """Draws by looking at every item.

    The largest of logit + Gumbel noise is a draw from the softmax (Gumbel-max trick), and minus the
    log of an exponential variable is Gumbel noise.
    """

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
