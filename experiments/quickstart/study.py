"""Quickstart: does a bigger language model help where the right answer is known?

Run:     make quickstart   (or: tcf run experiments/quickstart/study.py)
Cost:    about four minutes on two cores, offline; the second call takes seconds.
Expect:  the curve rises and flattens; bag-of-words TF-IDF is hard to beat; ID is far ahead.

A simulated world (`tcf.data.simulate`): titles carry 70% of what makes items alike, half of it in
words and half in word order; the rest only user behaviour can tell. A ladder of six small language
models is trained from scratch on the catalogue's own titles and read like any hub model.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.here import shrunk
from tcf.data.catalog import Catalog, Interactions
from tcf.data.simulate import simulate
from tcf.encode.ladder import Recipe, Size, train_ladder
from tcf.study import Arm, DSSMConfig, SASRecConfig, Study, grid
from tcf.train import TrainConfig

SEED = 0
# Six sizes, about 2.5 times apart: a 100-fold range of parameters without embeddings.
SIZES = (
    Size(16, 1, 2),
    Size(24, 1, 3),
    Size(40, 1, 5),
    Size(64, 1, 8),
    Size(72, 2, 9),
    Size(96, 3, 12),
)
RECIPE = Recipe(
    num_epochs=8,
    vocab_size=1024,
    max_tokens=128,
    part_tokens=None,
    rule="root_width",
    base_width=32,
    weight_decay=0.01,
)


def study() -> Study:
    """Return the study: six sizes, TF-IDF, random weights, ID and popularity, three seeds."""
    ladder = [
        Arm(name=size.name, kind="model", family="ladder", encoder=size.name) for size in SIZES
    ]
    arms = [
        Arm(name="ID", kind="id"),
        Arm(name="TF-IDF", kind="static", encoder="tfidf-svd"),
        Arm(name="random weights", kind="random", encoder="random"),
        *ladder,
        Arm(name="popularity", kind="popularity"),
    ]
    backbones = [
        (SASRecConfig(), TrainConfig(max_epochs=12, patience=3, batch_size=32, learning_rate=3e-3)),
        (DSSMConfig(), TrainConfig(max_epochs=8, patience=3, batch_size=256, learning_rate=1e-2)),
    ]
    return Study(
        name="quickstart",
        load=load,
        encoders=train_encoders,
        runs=grid(dataset="simulated world", arms=arms, backbones=backbones),
    )


def load(data: Path | None) -> tuple[Catalog, Interactions]:
    """Simulate the world; there is no folder to read."""
    return simulate(num_users=1000, num_items=2500, seed=SEED)


def train_encoders(names: Sequence[str], catalog: Catalog, cache: Path) -> Mapping[str, Path]:
    """Train the members wanted on the catalogue's titles, or find them in the cache."""
    return train_ladder(
        catalog.texts,
        folder=cache / "ladders" / "quickstart",
        recipe=RECIPE,
        seed=SEED,
        sizes=[size for size in SIZES if size.name in names],
        random_member="random" in names,
    )


def smoke() -> Study:
    """Return every cell on a smaller world."""
    return shrunk(study())
