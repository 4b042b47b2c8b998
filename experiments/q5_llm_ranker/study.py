"""What a language model that is asked is held against: SASRec on item IDs, and popularity.

Run:     tcf run experiments/q5_llm_ranker/study.py   (the simulated world)
         python -m experiments.q5_llm_ranker.rank     (all data sets, and every ranker; see there)
Cost:    seconds; on real data 1 to 10 minutes a data set.
Expect:  SASRec well above popularity.

The settings are the study's ("paper"). `rank` trains the same runs on real data, and asks every
ranker about the same candidates.
"""

from experiments.here import WORLD, loader, shrunk
from tcf.study import Arm, Study, grid, paper

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
    runs = grid(dataset=dataset, arms=ARMS, backbones=[paper("SASRec")])
    return Study(name="q5_llm_ranker", load=loader(dataset), runs=runs)


def smoke() -> Study:
    """Return every cell on the small world, one epoch, one seed."""
    return shrunk(study())
