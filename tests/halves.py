"""Two platforms that share a language: halves of one world, with other items and other users."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tcf.data.catalog import Catalog, Interactions
from tcf.data.filter import filter_interactions, keep_where
from tcf.data.simulate import simulate
from tcf.study import Arm, SASRecConfig, Study, grid
from tcf.train import TrainConfig

TEXT = Arm(name="text", kind="static", encoder="hashed-ngrams")
TRAIN = TrainConfig(max_epochs=4, patience=None, batch_size=16, learning_rate=5e-3)


def half(which: int, _data: Path | None) -> tuple[Catalog, Interactions]:
    """The items and users of one half: about 200 users and 150 items."""
    catalog, taken = simulate(
        num_users=400,
        num_items=300,
        seed=0,
        text_share=0.9,
        word_order_share=0.0,
        popularity_skew=0.3,
        focus=4.0,
        min_interactions=14,
        max_interactions=30,
    )
    mine = (taken.rows % 2 == which) & (taken.users() % 2 == which)
    kept = keep_where(catalog, taken, mine, name="half", settings={})[:2]
    return filter_interactions(*kept)[:2]  # so that a study leaves nobody out


def as_same_people(_data: Path | None) -> tuple[Catalog, Interactions]:
    """The other half's items, as if its users were those of the first."""
    (catalog, taken), (_, ours) = half(1, None), half(0, None)
    number = min(taken.num_users, ours.num_users)
    some = taken.take(np.arange(number))
    return catalog, Interactions(ours.user_ids[:number], some.rows, some.offsets)


def study(arms: Sequence[Arm], **settings: Any) -> Study:
    """A study of the second half that may be transferred to from the first."""
    backbones = settings.pop("backbones", [(SASRecConfig(max_history=8), TRAIN)])
    seeds = settings.pop("seeds", (0,))
    runs = grid(dataset="B", arms=arms, backbones=backbones, seeds=seeds, dim=16)
    changed = {"load": partial(half, 1), "sources": {"A": partial(half, 0)}, **settings}
    return Study(name="halves", runs=runs, metrics=("hr@10",), **changed)
