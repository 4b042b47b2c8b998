"""A cell of the simulation: what is varied, and the studies drawn in it, each from its number."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from experiments.truth.law import Draw, Law

LEVEL = 0.15  # the metric of the arm that others are compared with
RESAMPLES = 199  # where a function lets one choose, to save time


@dataclass(frozen=True)
class Cell:
    """One setting and the question asked in it.

    Attributes:
        part: Which question: a key of `simulate.PARTS`.
        ratio: Noise of seeds over noise of users, in the mean of one run.
        num_seeds: Runs of each arm.
        metric: ``"hr@10"`` or ``"ndcg@10"``.
        shape: Of the curve, a key of `curves.SHAPES`; empty elsewhere.
    """

    part: str
    ratio: float
    num_seeds: int
    metric: str = "hr@10"
    shape: str = ""

    @property
    def name(self) -> str:
        """Its key in the results."""
        what = f"{self.part}, {self.shape}" if self.shape else self.part
        return f"{what}, {self.metric}, noise {self.ratio:g}, {self.num_seeds} seeds"

    @cached_property
    def law(self) -> Law:
        """The law of this metric."""
        return Law(self.metric)

    @cached_property
    def seed_noise(self) -> float:
        """Spread of the seed effects."""
        return self.law.seed_noise_of(self.ratio, level=LEVEL)

    def effect_of(self, level: float, *, sensitivity: float = 1.0) -> float:
        """Effect of the arm with this mean over seeds and users.

        Args:
            level: The mean.
            sensitivity: The arm's own seed noise over the cell's.
        """
        return self.law.effect_of(level, seed_noise=sensitivity * self.seed_noise)

    @cached_property
    def errors(self) -> tuple[float, float]:
        """Standard errors of a difference of two arms: of users; of users and seeds."""
        return self.law.difference_errors(
            self.effect_of(LEVEL), seed_noise=self.seed_noise, num_seeds=self.num_seeds
        )

    def rng(self, number: int, stream: int = 0) -> np.random.Generator:
        """Return the generator of a study: its own, whatever else is run."""
        return np.random.default_rng([zlib.crc32(self.name.encode()), number, stream])

    def draw(self, effects: np.ndarray, rng: np.random.Generator, **settings: Any) -> Draw:
        """Draw a study with these arms; ``settings`` as in `Law.draw`."""
        settings = {"seed_noise": self.seed_noise, **settings}
        return self.law.draw(effects, num_seeds=self.num_seeds, rng=rng, **settings)


Outcomes = dict[str, float]
Part = Callable[[Cell, int], Outcomes]
"""A part takes a cell and the number of a study and says, by name, what came true (1.0) or not."""
