"""The four settings that each side tries: drawn once from one space, the same for both."""

from typing import Any

import numpy as np

__all__ = ["TRIALS", "trials"]

FIXED = {"dim": 64, "max_history": 20, "batch_size": 64, "max_epochs": 60, "patience": 5}
SPACE: dict[str, list[Any]] = {
    "loss": ["sampled_softmax", "gbce"],
    "num_negatives": [128, 256],
    "learning_rate": [5e-4, 1e-3, 2e-3],
    "dropout": [0.1, 0.2, 0.3, 0.5],
    "num_layers": [1, 2, 3],
    "num_heads": [1, 2, 4],
}
NUM_TRIALS = 4


def trials(*, seed: int) -> list[dict[str, Any]]:
    """Return distinct settings drawn from the space; both losses come up equally often."""
    rng = np.random.default_rng(seed)
    made: list[dict[str, Any]] = []
    while len(made) < NUM_TRIALS:
        drawn = {name: values[rng.integers(len(values))] for name, values in SPACE.items()}
        drawn["loss"] = SPACE["loss"][len(made) % len(SPACE["loss"])]
        if FIXED | drawn not in made:
            made.append(FIXED | drawn)
    return made


TRIALS = trials(seed=0)
