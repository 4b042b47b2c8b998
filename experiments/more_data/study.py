"""Does the gain from a larger encoder grow with the amount of data to train on?

Run:     tcf run experiments/more_data/study.py --data FOLDER
         ... --smoke        the simulated world and two tiny models, in seconds
         ... --form paper   six sizes of OPT on MIND
Cost:    about an hour on two cores, estimated, a minute a run; each is kept as it ends. The
         ladder comes first: experiments/here.py.
Expect:  open. `analyse.py` fits size and data together.

FOLDER is as in experiments/q1_scaling. A quarter of the users is tested and a tenth decides when to
stop, none of whom is trained on; of the others 10%, 30% and 100% are, each sample within the next.
So every cell ranks the same items for the same users, and differs in size and data alone. An epoch
of fewer users is shorter: all may make as many steps, and wait as many for something better.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from experiments.here import (
    LADDER,
    SEED,
    Load,
    encoders,
    ladder_arms,
    loader,
    shrunk,
    small_world,
)
from experiments.q1_scaling.study import PAPER, published
from tcf.data import Catalog, Counts, Interactions, Split, split_by_user
from tcf.encode.ladder import Recipe, Size, train_ladder
from tcf.study import Arm, SASRecConfig, Study, grid
from tcf.train import TrainConfig

DATASETS = ("microlens-50k", "online-retail")
"""Those with users enough that a tenth is something to train on."""
SHARES = (0.1, 0.3, 1.0)
TEST, VALIDATION = 0.25, 0.1
OPT = ("opt-125m", "opt-350m", "opt-1.3b", "opt-2.7b", "opt-6.7b", "opt-13b")


def study() -> tuple[Study, ...]:
    """Return a study for each data set and share of its users: the ladder and IDs, three seeds."""
    return tuple(_here(dataset, share) for dataset in DATASETS for share in SHARES)


def nested(catalog: Catalog, interactions: Interactions, *, share: float) -> Split:
    """Hold users out, and train on a share of the others; a smaller share is part of a larger."""
    split = split_by_user(catalog, interactions, seed=SEED, validation=VALIDATION, test=TEST)
    counts = split.train.counts()
    order = np.random.default_rng([SEED, 1]).permutation(np.flatnonzero(counts))
    kept = np.zeros(len(counts), bool)
    kept[order[: round(share * len(order))]] = True
    about = {**split.report.settings, "training_share": share, "training_users": int(kept.sum())}
    return replace(
        split,
        train=split.train.where(np.repeat(kept, counts)),
        report=replace(split.report, settings=about),
    )


def _here(dataset: str, share: float, sizes: Sequence[Size] = tuple(LADDER)) -> Study:
    return _study(dataset, share, ladder_arms(sizes), loader(dataset), encoders=encoders)


def _study(
    dataset: str,
    share: float,
    arms: Sequence[Arm],
    load: Load,
    encoders: Callable[[Sequence[str], Catalog, Path], Mapping[str, Path]] | None = None,
) -> Study:
    train = TrainConfig(max_epochs=round(30 / share), patience=round(5 / share))
    return Study(
        name="more_data",
        load=load,
        encoders=encoders,
        split=partial(nested, share=share),
        runs=grid(
            dataset=f"{dataset}, {share:.0%} of the users",
            arms=[Arm(name="ID", kind="id"), *arms],
            backbones=[(SASRecConfig(), train)],
        ),
    )


def smoke() -> tuple[Study, ...]:
    """Return the smallest and the largest of the ladder at each share, on the small world."""
    return tuple(_small(share) for share in SHARES)


def _small(share: float) -> Study:
    planned = _here("simulated world", share, [LADDER[0], LADDER[-1]])
    small = shrunk(planned)
    named = zip(small.runs, (config.dataset for config in planned.runs), strict=False)
    runs = tuple(c.model_copy(update={"dataset": dataset}) for c, dataset in named)
    return replace(small, runs=runs, encoders=_two_sizes)


def _two_sizes(names: Sequence[str], catalog: Catalog, cache: Path) -> Mapping[str, Path]:
    sizes = [Size(16, 1, 2), Size(32, 1, 4)]
    made = train_ladder(
        small_world(None)[0].texts,
        folder=cache / "ladders" / "two",
        recipe=Recipe(num_tokens=2_000, vocab_size=300),
        sizes=sizes,
        seed=SEED,
        progress=False,
    )
    return {LADDER[0].name: made[sizes[0].name], LADDER[-1].name: made[sizes[1].name]}


def paper() -> tuple[Study, ...]:
    """Return six sizes of OPT at each share of MIND's users."""
    arms = [Arm(name=name, kind="model", family="OPT", encoder=name, dtype="auto") for name in OPT]
    return tuple(_paper("mind-large", share, arms) for share in SHARES)


def _paper(dataset: str, share: float, arms: Sequence[Arm]) -> Study:
    planned = _study(dataset, share, arms, partial(published, dataset))
    whole, trained = PAPER[dataset], share * (1 - TEST - VALIDATION)
    assert whole.users is not None and whole.interactions is not None
    users, interactions = round(trained * whole.users), round(trained * whole.interactions)
    return replace(planned, expected=Counts(users, whole.items, interactions, about=True))
