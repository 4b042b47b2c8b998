"""What a run leaves behind for every later question: each user's rank and ties."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Ledger:
    """Each user's result, in the order of the split's ranking tasks.

    Attributes:
        rank: ``(n,)`` int32; 1 + the number of candidates with a higher score than the target.
        ties: ``(n,)`` int32; other candidates with exactly the target's score.
    """

    rank: np.ndarray = field(repr=False)
    ties: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self.rank)
