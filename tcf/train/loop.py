"""fit(): the one training loop."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from tcf.data.batches import Batch
from tcf.data.split import Split
from tcf.evaluate.metrics import metric
from tcf.evaluate.ranking import rank_targets
from tcf.model.layers import Drawing
from tcf.model.losses import Loss
from tcf.model.recommender import Recommender
from tcf.train.config import TrainConfig
from tcf.train.examples import log_popularity, loss_of, num_batches, training_batches
from tcf.train.optimizer import Optimizer
from tcf.train.progress import Line, progress_line

__all__ = ["EpochRecord", "History", "fit"]


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
    model: Recommender,
    split: Split,
    config: TrainConfig,
    *,
    seed: int,
    loss: Loss | None = None,
    progress: bool = True,
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
        loss: In place of the one that ``config`` names.
        progress: Show a live line on stderr.

    Raises:
        ValueError: If the loss or a score stops being finite.
    """
    sampling, dropout = np.random.SeedSequence(seed).spawn(2)
    rng = np.random.default_rng(sampling)
    loss = loss or loss_of(config)
    log_shares = log_popularity(split).to(model.device)
    size = num_batches(model, split, config)
    optimizer = Optimizer(model, config, loss=loss, num_batches=size)
    epochs: list[EpochRecord] = []
    best, best_epoch, best_state = -1.0, 0, {}
    layers = [module for module in model.modules() if isinstance(module, Drawing)]
    for layer, state in zip(layers, dropout.generate_state(len(layers)), strict=True):
        layer.reseed(int(state))
    with progress_line(
        config.monitor, num_batches=size, max_epochs=config.max_epochs, shown=progress
    ) as line:
        while len(epochs) < config.max_epochs:
            began = time.perf_counter()
            batches = training_batches(model, split, config, rng, loss=loss)
            mean = _train_epoch(
                model, optimizer, batches, log_shares, loss, line, epoch=len(epochs) + 1
            )
            trained = time.perf_counter()
            value = float(metric(rank_targets(model, split.validation), config.monitor).mean())
            ended = time.perf_counter()
            epochs.append(EpochRecord(mean, value, trained - began, ended - trained))
            if value > best:
                best, best_epoch = value, len(epochs)
                best_state = {name: v.clone() for name, v in model.state_dict().items()}
            line.epoch(value, epoch=len(epochs), best=best, best_epoch=best_epoch)
            if config.patience is not None and len(epochs) - best_epoch >= config.patience:
                break
    model.load_state_dict(best_state)
    out_of_patience = config.patience is not None and len(epochs) - best_epoch >= config.patience
    return History(epochs, best_epoch, hit_epoch_limit=not out_of_patience)


def _train_epoch(
    model: Recommender,
    optimizer: Optimizer,
    batches: Iterator[Batch],
    log_popularity: Tensor,
    loss: Loss,
    line: Line,
    *,
    epoch: int,
) -> float:
    model.train()
    total, done = torch.zeros((), dtype=torch.float64), 0
    for batch in batches:
        batch = batch.to(model.device)
        optimizer.refresh(batch)
        value = model.loss(batch, log_popularity=log_popularity, loss=loss)
        value.backward()
        optimizer.step()
        total += value.detach().cpu()
        done += 1
        line.step(float(total) / done, epoch=epoch, done=done)
    optimizer.rows.flush()
    mean = float(total) / max(done, 1)
    if not np.isfinite(mean):
        raise ValueError(
            f"the training loss must stay finite; it became {mean}: lower learning_rate"
        )
    return mean
