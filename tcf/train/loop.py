"""fit(): the one training loop."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tcf._checkpoint import Checkpoint
from tcf.data.split import Split
from tcf.evaluate.metrics import metric
from tcf.evaluate.ranking import rank_targets
from tcf.model.losses import Loss
from tcf.model.recommender import Recommender
from tcf.train.checkpoint import identity_of
from tcf.train.config import TrainConfig
from tcf.train.examples import check_users, loss_of, num_batches
from tcf.train.progress import Line, progress_line
from tcf.train.ranks import Ranks, rank_over
from tcf.train.run import EpochRecord, Run

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["EpochRecord", "History", "fit"]


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

    @property
    def seconds(self) -> float:
        """What training took, over all its parts where it was left and gone on with."""
        return sum(epoch.train_seconds + epoch.evaluate_seconds for epoch in self.epochs)


def fit(
    model: Recommender,
    split: Split,
    config: TrainConfig,
    *,
    seed: int,
    loss: Loss | None = None,
    progress: bool = True,
    checkpoint: Path | None = None,
    checkpoint_every_seconds: float = 60,
    accelerator: "Accelerator | None" = None,
) -> History:
    """Train until validation stops improving, and leave the model in its best state.

    The same seed, machine and number of threads give the same bytes on CPU, wherever a training is
    killed and goes on from its checkpoint. No global generator is touched.

    Args:
        model: Changed in place.
        split: Trains on ``split.train``, chooses the epoch on ``split.validation``; of the test
            part nothing is looked at but who its users are, where a model knows users by IDs.
        config: How.
        seed: Decides the order of the examples and the dropout, each by its own child seed.
        loss: In place of the one that ``config`` names.
        progress: Show a live line on stderr.
        checkpoint: A file. What it holds is gone on with; it is written anew as time passes, and
            stays when training has ended. One training writes to it at a time.
        checkpoint_every_seconds: At least so long between two; writing takes at most a twentieth of
            the time. 0: as often as can be.
        accelerator: Its device, and with several processes each one's share of every batch; all
            call `fit` with the same arguments. Its trackers, where they are set up, are told of
            every epoch. The first process writes the checkpoint, all read it.

    Raises:
        ValueError: If the loss or a score stops being finite, or as `check_users`.
        CacheError: If the checkpoint belongs to another training, or is damaged.
    """
    check_users(model.backbone, split)
    ranks = Ranks(accelerator)
    loss = loss or loss_of(config)
    if accelerator is not None:
        model.to(accelerator.device)
    keeper = None
    if checkpoint is not None or ranks.world > 1:
        identity = identity_of(model, split, config, loss=loss, seed=seed, num_ranks=ranks.world)
        ranks.check_alike(identity, device=model.device)
        if checkpoint is not None:
            keeper = Checkpoint(
                checkpoint, every_seconds=checkpoint_every_seconds, identity=identity
            )
    run = Run(
        model,
        split,
        config,
        seed=seed,
        loss=loss,
        ranks=ranks,
        accelerator=accelerator,
        checkpoint=keeper,
    )
    size = num_batches(model, split, config)
    with progress_line(
        config.monitor,
        num_batches=size,
        max_epochs=config.max_epochs,
        shown=progress and ranks.is_first,
        done=len(run.epochs) * size + run.num_done,
    ) as line:
        while len(run.epochs) < config.max_epochs and not _out_of_patience(run, config):
            _epoch(run, line, lambda: _validate(model, split, config, ranks))
            if accelerator is not None:
                _track(accelerator, run, config)
    model.load_state_dict(run.best_state, strict=False)
    return History(run.epochs, run.best_epoch, hit_epoch_limit=not _out_of_patience(run, config))


def _epoch(run: Run, line: Line, validate: Callable[[], float]) -> None:
    run.train(line)
    run.close_epoch(validate())
    line.epoch(
        run.epochs[-1].validation,
        epoch=len(run.epochs),
        best=run.best,
        best_epoch=run.best_epoch,
    )


def _validate(model: Recommender, split: Split, config: TrainConfig, ranks: Ranks) -> float:
    """Return the mean of the monitor over the validation targets."""
    if ranks.world > 1:
        ledger = rank_over(model, split.validation, ranks)
    else:
        ledger = rank_targets(model, split.validation)
    return float(metric(ledger, config.monitor).mean())


def _out_of_patience(run: Run, config: TrainConfig) -> bool:
    return config.patience is not None and len(run.epochs) - run.best_epoch >= config.patience


def _track(accelerator: "Accelerator", run: Run, config: TrainConfig) -> None:
    """Tell the trackers of an epoch; without any, nothing happens."""
    epoch = run.epochs[-1]
    accelerator.log(
        {
            "train/loss": epoch.loss,
            "train/learning_rate": run.optimizer.learning_rate,
            "train/seconds": epoch.train_seconds,
            "validation/seconds": epoch.evaluate_seconds,
            f"validation/{config.monitor}": epoch.validation,
        },
        step=len(run.epochs),
    )
