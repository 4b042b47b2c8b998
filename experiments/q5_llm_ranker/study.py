"""What a language model that is asked is held against: SASRec on item IDs, and popularity.

Run:     tcf run experiments/q5_llm_ranker/study.py   (the simulated world)
         python -m experiments.q5_llm_ranker.rank     (all data sets, and every ranker; see there)
Cost:    seconds; on real data 1 to 10 minutes a data set.
Expect:  SASRec well above popularity.

The settings are the study's ("paper"). `rank` trains the same runs on real data, and asks every
ranker about the same candidates.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tcf.data import Catalog, Interactions, filter_interactions, sample_users
from tcf.data.formats import read_plain
from tcf.data.simulate import simulate
from tcf.errors import DataError
from tcf.study import Arm, Study, grid, paper

SEED = 0
WORLD = "simulated world"
MOST_USERS = 10_000
KINDS = {
    WORLD: "movies",
    "microlens-50k": "videos",
    "ml-latest-small": "movies",
    "online-retail": "products",
}
"""Data set -> what its items are, which chooses the words of a prompt."""

ARMS = [Arm(name="ID", kind="id"), Arm(name="popularity", kind="popularity")]


def study(dataset: str = WORLD) -> Study:
    """Return the study of one data set: SASRec + ID with three seeds, and popularity."""
    load: Callable[[Path | None], tuple[Catalog, Interactions]] = (
        small_world if dataset == WORLD else partial(some_users, dataset)
    )
    runs = grid(dataset=dataset, arms=ARMS, backbones=[paper("SASRec")])
    return Study(name="q5_llm_ranker", load=load, runs=runs)


def small_world(data: Path | None) -> tuple[Catalog, Interactions]:
    """Simulate it; there is no folder to read."""
    return simulate(num_users=300, num_items=400, seed=SEED)


def some_users(dataset: str, data: Path | None) -> tuple[Catalog, Interactions]:
    """Read a data set's folder in ``data``; of more than 10,000 users so many are drawn."""
    if data is None:
        raise DataError("q5_llm_ranker reads the folder of the data sets: name it with --data")
    catalog, interactions, _ = filter_interactions(*read_plain(data / dataset))
    if interactions.num_users > MOST_USERS:
        rng = np.random.default_rng(SEED)
        interactions = sample_users(interactions, num_users=MOST_USERS, rng=rng)
    return catalog, interactions
