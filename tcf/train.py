"""fit(): the one training loop."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from tcf.data.batches import Batch, pair_batches, sequence_batches
from tcf.data.split import Split
from tcf.evaluate.metrics import metric
from tcf.evaluate.ranking import rank_targets
from tcf.model.layers import Dropout
from tcf.model.recommender import Recommender
from tcf.optimizer import RowAdamW

__all__ = ["EpochRecord", "History", "TrainConfig", "fit", "log_popularity", "training_batches"]

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class TrainConfig(BaseModel):
    """How a recommender is trained. The defaults are the study's ("paper").

    Attributes:
        max_epochs: Epochs at the most.
        patience: Stop after this many epochs without a better ``monitor``; None runs them all.
        monitor: Validation metric that decides the epoch kept.
        batch_size: Users (SASRec) or user-item pairs (DSSM) a step.
        learning_rate: Of AdamW, constant.
        weight_decay: On every parameter, biases and norms too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_epochs: Count = 30
    patience: Count | None = 5
    monitor: str = "hr@10"
    batch_size: Count = 64
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.1


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: mean training loss, validation metric, and seconds spent on each."""

    loss: float
    validation: float
    train_seconds: float
    evaluate_seconds: float


@dataclass(frozen=True)
class History:
    """What happened in training.

    Attributes:
        epochs: One record an epoch.
        best_epoch: 1-based epoch whose state was restored.
        hit_epoch_limit: Training ended at ``max_epochs`` and not for want of progress, so that more
            epochs might have given a better model.
    """

    epochs: list[EpochRecord] = field(repr=False)
    best_epoch: int
    hit_epoch_limit: bool


def fit(
    model: Recommender, split: Split, config: TrainConfig, *, seed: int, progress: bool = True
) -> History:
    """Train until validation stops improving, and leave the model in its best state.

    The same seed, machine and number of threads give the same bytes on CPU. No global generator is
    touched.

    Args:
        model: Changed in place.
        split: Trains on ``split.train``, chooses the epoch on ``split.validation``; the test part
            is not looked at.
        config: How.
        seed: Decides the order of the examples and the dropout, each by its own child seed.
        progress: Show a live line on stderr.

    Raises:
        ValueError: If the loss or a score stops being finite.
    """
    sampling, dropout = np.random.SeedSequence(seed).spawn(2)
    rng = np.random.default_rng(sampling)
    log_shares = log_popularity(split).to(model.device)
    optimizer = _Optimizer(model, config)
    epochs: list[EpochRecord] = []
    best, best_epoch, best_state = -1.0, 0, {}
    layers = [module for module in model.modules() if isinstance(module, Dropout)]
    for layer, state in zip(layers, dropout.generate_state(len(layers)), strict=True):
        layer.reseed(int(state))
    with _progress_line(config, shown=progress) as show:
        while len(epochs) < config.max_epochs:
            began = time.perf_counter()
            loss = _train_epoch(
                model, optimizer, training_batches(model, split, config, rng), log_shares
            )
            trained = time.perf_counter()
            value = float(metric(rank_targets(model, split.validation), config.monitor).mean())
            ended = time.perf_counter()
            epochs.append(EpochRecord(loss, value, trained - began, ended - trained))
            if value > best:
                best, best_epoch = value, len(epochs)
                best_state = {name: v.clone() for name, v in model.state_dict().items()}
            show(epochs, best, best_epoch)
            if config.patience is not None and len(epochs) - best_epoch >= config.patience:
                break
    model.load_state_dict(best_state)
    out_of_patience = config.patience is not None and len(epochs) - best_epoch >= config.patience
    return History(epochs, best_epoch, hit_epoch_limit=not out_of_patience)


class _Optimizer:
    """AdamW over all parameters; the tables by rows, the rest by torch."""

    def __init__(self, model: Recommender, config: TrainConfig):
        tables = [m for m in model.modules() if isinstance(m, nn.Embedding) and m.sparse]
        inside = {id(table.weight) for table in tables}
        dense = [p for p in model.parameters() if p.requires_grad and id(p) not in inside]
        lr, weight_decay = config.learning_rate, config.weight_decay
        self.rows = RowAdamW(tables, lr=lr, weight_decay=weight_decay)
        self.dense = (
            torch.optim.AdamW(dense, lr=lr, weight_decay=weight_decay, fused=True)
            if dense
            else None
        )
        self._of_users = [table is getattr(model.backbone, "table", None) for table in tables]

    def refresh(self, batch: Batch) -> None:
        """Bring the table rows that the batch reads up to date."""
        for number, of_users in enumerate(self._of_users):
            self.rows.refresh(number, batch.users.unique() if of_users else batch.rows)

    def step(self) -> None:
        self.rows.step()
        if self.dense is not None:
            self.dense.step()
            self.dense.zero_grad()


def _train_epoch(
    model: Recommender, optimizer: _Optimizer, batches: Iterator[Batch], log_popularity: Tensor
) -> float:
    model.train()
    total, num_batches = torch.zeros((), dtype=torch.float64), 0
    for batch in batches:
        batch = batch.to(model.device)
        optimizer.refresh(batch)
        loss = model.loss(batch, log_popularity=log_popularity)
        loss.backward()
        optimizer.step()
        total += loss.detach().cpu()
        num_batches += 1
    optimizer.rows.flush()
    mean = float(total) / max(num_batches, 1)
    if not np.isfinite(mean):
        raise ValueError(
            f"the training loss must stay finite; it became {mean}: lower learning_rate"
        )
    return mean


def training_batches(
    model: Recommender, split: Split, config: TrainConfig, rng: np.random.Generator
) -> Iterator[Batch]:
    """Return an epoch of the examples that the model's backbone learns from."""
    if model.backbone.examples == "pairs":
        return pair_batches(split.train, batch_size=config.batch_size, rng=rng)
    return sequence_batches(
        split.train,
        max_history=model.backbone.max_history,
        batch_size=config.batch_size,
        rng=rng,
    )


def log_popularity(split: Split) -> Tensor:
    """Return ``(num_items + 1,)`` log shares of the training interactions.

    An item without any is never a slot of a batch, so what it gets does not matter.
    """
    counts = torch.from_numpy(split.train.item_counts(split.num_items))
    return (counts.clamp(min=1) / split.train.num_interactions).log().float()


@contextmanager
def _progress_line(config: TrainConfig, *, shown: bool):
    """Yield a function that shows the last epoch on a live line."""
    if not shown:
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("train"), BarColumn(), TextColumn("{task.description}"))
    with Progress(
        *columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("", total=config.max_epochs)

        def show(epochs: list[EpochRecord], best: float, best_epoch: int) -> None:
            last = epochs[-1]
            text = (
                f"epoch {len(epochs)}: loss {last.loss:.4f}, {config.monitor} {last.validation:.4f}"
                f" (best {best:.4f} at {best_epoch})"
            )
            bar.update(task, completed=len(epochs), description=text)

        yield show
