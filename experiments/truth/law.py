"""A law of ranks whose means are known, and ledgers drawn from it. No training.

The latent score of user u under arm a with seed s is

    eta = difficulty_u + effect_a + interaction_au + seed_effect_as + logistic noise_asu

and the rank is ``exp(log(num_items) - eta)``, rounded up and cut to 1..num_items. Difficulty is the
user's own under every arm, the interaction the user's own under every seed of an arm, both normal;
the noise is of one run and user. Given everything but the noise, P(rank <= k) is a logistic
function, so a population mean of HR@k or NDCG@k is a one-dimensional integral over a normal.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.optimize import root_scalar
from scipy.special import expit

from tcf.evaluate.ledger import Ledger
from tcf.evaluate.metrics import metric

# An evenly spaced sum is exact to rounding for a smooth function against a normal density.
_NODES = np.linspace(-9, 9, 181)
_WEIGHTS = np.exp(-(_NODES**2) / 2) * 0.1 / np.sqrt(2 * np.pi)


@dataclass(frozen=True)
class Law:
    """The world that ledgers are drawn from.

    The two spreads give the correlations of per-user HR@10 that the committed runs of SASRec on
    MicroLens-50k have: about 0.65 between seeds of an arm, 0.4 between arms.

    Attributes:
        metric: ``"hr@k"`` or ``"ndcg@k"``, whose means are asked for.
        difficulty: Standard deviation over users of what all arms share.
        interaction: Standard deviation over users of what the seeds of an arm share.
        num_users: Users of a study, the same for all its arms and seeds.
        num_items: Items ranked.
    """

    metric: str = "hr@10"
    difficulty: float = 4.0
    interaction: float = 2.0
    num_users: int = 1500
    num_items: int = 20_000

    def run_mean(self, effect: np.ndarray | float, *, seed_noise: float = 0.0) -> np.ndarray:
        """Population mean over users of runs of these effects, any shape.

        Args:
            effect: Effect of the arm, plus that of the seed where ``seed_noise`` is 0.
            seed_noise: Standard deviation of the seed effects to average over: the arm's mean.
        """
        return self._mean(effect, np.hypot(self._users, seed_noise))

    def effect_of(self, level: float, *, seed_noise: float = 0.0) -> float:
        """Effect of the arm whose population mean over seeds and users is ``level``."""
        return _root(
            lambda effect: float(self.run_mean(effect, seed_noise=seed_noise)) - level, (-60, 60)
        )

    def seed_spread(self, effect: float, *, seed_noise: float) -> float:
        """Standard deviation over seeds of a run's population mean."""
        means = self.run_mean(effect + seed_noise * _NODES)
        return float(np.sqrt(_WEIGHTS @ (means - _WEIGHTS @ means) ** 2))

    def user_error(self, effect: float) -> float:
        """Standard error over users of one run's mean."""
        square = self._mean(effect, self._users, squared=True)
        return float(np.sqrt((square - self.run_mean(effect) ** 2) / self.num_users))

    def seed_noise_of(self, ratio: float, *, level: float) -> float:
        """Spread of seed effects at which seeds make ``ratio`` times the noise that users make.

        A run's population mean then varies over seeds by ``ratio`` times the standard error over
        users of a run's mean, in an arm whose mean is ``level``.
        """
        effect = self.effect_of(level)
        wanted = ratio * self.user_error(effect)
        return _root(lambda noise: self.seed_spread(effect, seed_noise=noise) - wanted, (0, 30))

    def difference_errors(
        self, effect: float, *, seed_noise: float, num_seeds: int
    ) -> tuple[float, float]:
        """Standard error of the difference of two arms of one effect, each a mean over its seeds.

        Returns:
            What users alone make, for these trained models; and users and seeds together.
        """
        seeds = 2 * self.seed_spread(effect, seed_noise=seed_noise) ** 2 / num_seeds
        one = self._mean(effect, np.hypot(self._users, seed_noise), squared=True)
        arm = self._second_moment(effect, shared=self._users, rest=seed_noise)
        both = self._second_moment(
            effect, shared=self.difficulty, rest=np.hypot(self.interaction, seed_noise)
        )
        within = 2 * (one / num_seeds + arm * (1 - 1 / num_seeds) - both)
        users = float(within - seeds) / self.num_users
        return np.sqrt(users), np.sqrt(users + seeds)

    def draw(
        self,
        effects: np.ndarray,
        *,
        seed_noise: float | np.ndarray,
        num_seeds: int,
        rng: np.random.Generator,
        shared_seeds: bool = False,
    ) -> "Draw":
        """Draw the ledgers of a study.

        Args:
            effects: ``(num_arms,)`` float, of the arms.
            seed_noise: Standard deviation of the seed effects, one number or ``(num_arms, 1)``.
            num_seeds: Runs of each arm.
            rng: Of everything drawn.
            shared_seeds: Whether all arms get the same seed effects, so that equal arms are equal
                as trained models too.
        """
        effects = np.asarray(effects, dtype=np.float64)
        shape = (len(effects), num_seeds, self.num_users)
        drawn = rng.standard_normal((1 if shared_seeds else shape[0], num_seeds))
        seeds = np.broadcast_to(seed_noise * drawn, shape[:2])
        users = self.difficulty * rng.standard_normal(self.num_users)
        users = users + self.interaction * rng.standard_normal((shape[0], 1, self.num_users))
        eta = users + (effects[:, None] + seeds)[:, :, None] + rng.logistic(size=shape)
        ranks = np.ceil(np.exp(np.log(self.num_items) - eta)).clip(1, self.num_items)
        return Draw(ranks.astype(np.int32), effects[:, None] + seeds, law=self)

    @property
    def _users(self) -> float:
        return float(np.hypot(self.difficulty, self.interaction))

    @cached_property
    def _gains(self) -> np.ndarray:
        kind, _, k = self.metric.partition("@")
        places = np.arange(1, int(k) + 1)
        return np.ones(int(k)) if kind == "hr" else 1 / np.log2(1 + places)

    def _given(self, eta: np.ndarray, *, squared: bool = False) -> np.ndarray:
        """Expected gain (or its square) of a user whose latent score without noise is ``eta``."""
        gains = self._gains**2 if squared else self._gains
        total = np.zeros(np.shape(eta))
        for place, step in enumerate(gains - np.append(gains[1:], 0.0), 1):
            if step:  # P(rank <= place)
                total += step * expit(eta - np.log(self.num_items) + np.log(place))
        return total

    def _mean(
        self, effect: np.ndarray | float, spread: float, *, squared: bool = False
    ) -> np.ndarray:
        """Mean of `_given` over a normal of this centre and spread; the shape of ``effect``."""
        eta = np.asarray(effect, dtype=np.float64)[..., None] + spread * _NODES
        return self._given(eta, squared=squared) @ _WEIGHTS

    def _second_moment(self, effect: float, *, shared: float, rest: float) -> float:
        """E[x y] of two gains that share a part of this spread and differ in the rest."""
        return float(self._mean(effect + shared * _NODES, rest) ** 2 @ _WEIGHTS)


@dataclass(frozen=True)
class Draw:
    """A study's ledgers and the effects of its runs.

    Attributes:
        ranks: ``(num_arms, num_seeds, num_users)`` int32.
        effects: ``(num_arms, num_seeds)`` float64, of arm and seed.
        law: It was drawn from.
    """

    ranks: np.ndarray = field(repr=False)
    effects: np.ndarray = field(repr=False)
    law: Law

    @cached_property
    def values(self) -> np.ndarray:
        """``(num_arms, num_seeds, num_users)`` float64, the law's metric as `tcf` computes it."""
        flat = self.ranks.ravel()
        return metric(Ledger(flat, np.zeros_like(flat)), self.law.metric).reshape(self.ranks.shape)

    @cached_property
    def trained_means(self) -> np.ndarray:
        """``(num_arms,)`` float64, population mean of these trained models, over their seeds."""
        return self.law.run_mean(self.effects).mean(axis=1)


def _root(function: Callable[[float], float], bracket: tuple[float, float]) -> float:
    return float(root_scalar(function, bracket=bracket).root)
