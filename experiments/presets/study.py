"""MicroLens-50k: what the "strong" way of training is worth over "paper", step by step.

Run:     tcf run experiments/presets/study.py --data FOLDER
Cost:    about half an hour on two cores; each of the 8 runs is kept as it ends.
Expect:  "strong" at least 10% above "paper" in NDCG@10, most of it from the loss.

One arm, SASRec + ID; each row changes one thing more. FOLDER is as in experiments/microlens.
"""

from experiments.here import shrunk
from experiments.microlens.study import load
from tcf.study import Arm, RunConfig, SASRecConfig, Study, grid, paper, strong
from tcf.study.config import Preset
from tcf.train import TrainConfig

SEEDS = (0, 1, 2)
FULL_SOFTMAX = TrainConfig(max_epochs=60, monitor="ndcg@10", loss="full_softmax")


def study() -> Study:
    """Return the study: the two presets with three seeds, the steps between them with one."""
    steps = [
        ("paper", paper("SASRec"), SEEDS),
        ("paper, full softmax", Preset(backbone=SASRecConfig(), train=FULL_SOFTMAX), (0,)),
        (
            "paper, full softmax, dropout 0.3",
            Preset(backbone=SASRecConfig(dropout=0.3), train=FULL_SOFTMAX),
            (0,),
        ),
        ("strong", strong("SASRec"), SEEDS),
    ]
    runs: list[RunConfig] = []
    for name, preset, seeds in steps:
        arm = Arm(name=f"ID, {name}", kind="id")
        runs += grid(dataset="MicroLens-50k", arms=[arm], backbones=[preset], seeds=seeds)
    return Study(name="presets", load=load, runs=tuple(runs))


def smoke() -> Study:
    """Return every cell on the small world."""
    return shrunk(study())
