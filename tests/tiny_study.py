"""A study of a few seconds: `tcf run tests/tiny_study.py`."""

from pathlib import Path

from tcf.data.catalog import Catalog, Interactions
from tcf.data.filter import filter_interactions
from tcf.study import Arm, DSSMConfig, SASRecConfig, Study, grid
from tcf.train import TrainConfig
from tests import worlds

TRAIN = TrainConfig(max_epochs=2, patience=None, batch_size=32, learning_rate=1e-2)
ARMS = (
    Arm(name="ID", kind="id"),
    Arm(name="TF-IDF", kind="static", encoder="tfidf-svd"),
    Arm(name="popularity", kind="popularity"),
)


def load(_data: Path | None) -> tuple[Catalog, Interactions]:
    split = worlds.block_split(num_users=60)
    lengths = split.train.counts()
    assert (lengths == 7).all()
    whole = worlds.interactions(split.test.rows.reshape(60, 9))
    return filter_interactions(split.catalog, whole)[:2]


def study(
    *, max_epochs: int = 2, seeds: tuple[int, ...] = (0,), arms: tuple[Arm, ...] = ARMS
) -> Study:
    """Return five runs a seed: two arms under two backbones, and popularity."""
    train = TRAIN.model_copy(update={"max_epochs": max_epochs})
    return Study(
        name="tiny",
        load=load,
        runs=grid(
            dataset="blocks",
            arms=arms,
            backbones=[(SASRecConfig(max_history=5), train), (DSSMConfig(), train)],
            seeds=seeds,
            dim=8,
        ),
        metrics=("hr@10", "ndcg@10"),
    )
