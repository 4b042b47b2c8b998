"""The examples that a backbone and a loss learn from."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from tcf._util import lookup
from tcf.data.batches import (
    Batch,
    cloze_batches,
    last_batches,
    pair_batches,
    sequence_batches,
)
from tcf.data.columns import BatchColumns, CatalogColumns, Columns, SampledColumns
from tcf.data.split import Split
from tcf.model.backbone import Backbone
from tcf.model.losses import LOSSES, Loss
from tcf.model.recommender import Recommender
from tcf.train.config import TrainConfig

__all__ = [
    "check_users",
    "log_popularity",
    "loss_of",
    "num_batches",
    "reads_catalog",
    "training_batches",
]

_WHOLE_FROM = 1 / 8  # draws an item


def loss_of(config: TrainConfig) -> Loss:
    """Return the loss that a config names.

    Raises:
        ValueError: If there is none of this name, or it draws no negatives and is told how many.
    """
    loss = lookup(LOSSES, config.loss, "loss")
    if config.num_negatives is not None and loss.candidates != "drawn":
        raise ValueError(
            f"num_negatives is for losses that draw them; {config.loss!r} draws none, "
            f"got {config.num_negatives}: leave it out"
        )
    return loss


def training_batches(
    model: Recommender, split: Split, config: TrainConfig, rng: np.random.Generator, *, loss: Loss
) -> Iterator[Batch]:
    """Return an epoch of the examples that the model's backbone learns from.

    Args:
        model: Says which examples, and how long a history.
        split: Its training part is used.
        config: Says how many at a time.
        rng: Decides the order, then what is hidden; negatives are drawn from a child of it.
        loss: Says what the predictions choose among.
    """
    backbone = model.backbone
    columns = _columns(model, config, rng, loss=loss)
    if backbone.examples == "pairs":
        return pair_batches(split.train, batch_size=config.batch_size, rng=rng, columns=columns)
    settings = {
        "max_history": backbone.max_history,
        "batch_size": config.batch_size,
        "rng": rng,
        "columns": columns,
    }
    if backbone.examples == "cloze":
        return cloze_batches(split.train, hidden_share=backbone.hidden_share, **settings)
    if backbone.examples == "last":
        return last_batches(split.train, **settings)
    return sequence_batches(split.train, **settings)


def check_users(backbone: Backbone | type[Backbone], split: Split) -> None:
    """Check that there is something to learn from, of every user who is known from training alone.

    Raises:
        ValueError: If no user has enough training interactions for an example, or a backbone that
            learns from pairs is asked for users without any.
    """
    counts = split.train.counts()
    pairs = backbone.examples == "pairs"
    if not (counts >= (1 if pairs else 2)).any():
        raise ValueError(
            f"training on {backbone.examples} needs a user with {1 if pairs else 2} training "
            f"interactions or more; {split.report} has none"
        )
    if not pairs:
        return
    parts = {"validation": split.validation, "test": split.test}  # of the test part the users alone
    for part, tasks in parts.items():
        unknown = 0 if tasks is None else int((counts[tasks.users] == 0).sum())
        if unknown:
            name = (backbone if isinstance(backbone, type) else type(backbone)).__name__
            raise ValueError(
                f"{name} knows the users of its training alone; {unknown} of {len(tasks)} "
                f"{part} tasks are of users without a training interaction ({split.report}): "
                "drop_tasks(split, new_users=True), or take a backbone that reads histories, "
                "such as SASRec"
            )


def num_batches(model: Recommender, split: Split, config: TrainConfig) -> int:
    """Return the number of batches of an epoch."""
    if model.backbone.examples == "pairs":
        examples = split.train.num_interactions
    else:
        examples = int((split.train.counts() >= 2).sum())
    return -(-examples // config.batch_size)


def log_popularity(split: Split) -> Tensor:
    """Return ``(num_items + 1,)`` log shares of the training interactions.

    An item without any is never a slot of a batch, so what it gets does not matter.
    """
    counts = torch.from_numpy(split.train.item_counts(split.num_items))
    return (counts.clamp(min=1) / split.train.num_interactions).log().float()


def reads_catalog(model: Recommender, config: TrainConfig, *, loss: Loss) -> bool:
    """Return whether a step reads the whole item table, and so updates every row of it.

    A loss over the catalogue does, and a model whose vectors come from all items. Drawn negatives
    do where a batch has so many of them that updating the rows they name one by one costs more
    (docs/decisions/0015), and the tower hands out its table as it is.
    """
    if model.reads_all:
        return True
    if loss.candidates != "drawn":
        return loss.candidates == "catalog"
    # each user has one prediction at least
    num_drawn = config.batch_size * _num_negatives(config, loss=loss)
    return model.tower.is_table and num_drawn >= model.tower.num_items * _WHOLE_FROM


def _columns(
    model: Recommender, config: TrainConfig, rng: np.random.Generator, *, loss: Loss
) -> Columns:
    if loss.candidates == "catalog":
        return CatalogColumns()
    num_items = model.tower.num_items
    if loss.candidates == "batch":
        return BatchColumns(num_items)
    return SampledColumns(
        num_items,
        num_negatives=_num_negatives(config, loss=loss),
        rng=rng.spawn(1)[0],  # its own: how many are drawn does not change the examples' order
        whole=reads_catalog(model, config, loss=loss),
    )


def _num_negatives(config: TrainConfig, *, loss: Loss) -> int:
    return config.num_negatives or loss.num_negatives or 1
