"""A training in progress: its steps, and everything that the next one depends on."""

import itertools
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from tcf._checkpoint import Checkpoint
from tcf.data.batches import Batch
from tcf.data.split import Split
from tcf.model.layers import Stream
from tcf.model.losses import Loss
from tcf.model.recommender import Recommender
from tcf.train.config import TrainConfig
from tcf.train.examples import log_popularity, num_batches, training_batches
from tcf.train.optimizer import Optimizer, below
from tcf.train.precision import Precision
from tcf.train.progress import Line
from tcf.train.ranks import Ranks, loss_over_ranks
from tcf.train.watch import Watch

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["EpochRecord", "Run"]


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: mean training loss, validation metric, and seconds spent on each."""

    loss: float
    validation: float
    train_seconds: float
    evaluate_seconds: float


class Run:
    """A training that can be left after any step and gone on with from a checkpoint.

    Args:
        model: Trained in place.
        split: Its training part is used.
        config: How.
        seed: Decides the order of the examples and the dropout, each by its own child seed.
        loss: What is minimised.
        ranks: The processes that share each batch.
        accelerator: Their precision, where there is one.
        checkpoint: Read at the start, if it is there, and written as time passes.

    Attributes:
        epochs: Those that have ended.
        best: Highest validation value so far, and -1 before the first.
        best_epoch: Its 1-based epoch.
        best_state: What was trained, as it was then.
        num_done: Batches done of the epoch in progress.
    """

    def __init__(
        self,
        model: Recommender,
        split: Split,
        config: TrainConfig,
        *,
        seed: int,
        loss: Loss,
        ranks: Ranks,
        accelerator: "Accelerator | None",
        checkpoint: Checkpoint | None,
    ):
        self.epochs: list[EpochRecord] = []
        self.best, self.best_epoch, self.num_done = -1.0, 0, 0
        self.best_state: dict[str, Tensor] = {}
        self._num_batches = num_batches(model, split, config)
        self.optimizer = Optimizer(model, config, loss=loss, num_batches=self._num_batches)
        self._model, self._split, self._config, self._loss = model, split, config, loss
        self._ranks, self._checkpoint = ranks, checkpoint
        self._log_shares = log_popularity(split).to(model.device)
        self._precision = Precision(config, device=model.device, accelerator=accelerator)
        self._watch = Watch(
            split.train.user_ids,
            ranks=ranks,
            device=model.device,
            checkpoint=None if checkpoint is None else checkpoint.path,
        )
        self._loss_sum, self._seconds = 0.0, 0.0
        sampling, dropout = np.random.SeedSequence(seed).spawn(2)
        self._rng = np.random.default_rng(sampling)
        self._sampler = _generator_state(self._rng)
        if ranks.rank:  # every rank drops something else
            dropout = dropout.spawn(ranks.rank)[-1]
        self._streams = {n: m for n, m in model.named_modules() if isinstance(m, Stream)}
        seeds = dropout.generate_state(len(self._streams))
        for stream, state in zip(self._streams.values(), seeds, strict=True):
            stream.reseed(int(state))
        held = None if checkpoint is None else checkpoint.read()
        if held is not None:
            self._restore(*held)

    def train(self, line: Line) -> None:
        """Do what is left of the epoch in progress."""
        self._model.train()
        self._began = time.perf_counter()
        self._sampler = _generator_state(self._rng)
        batches = training_batches(
            self._model, self._split, self._config, self._rng, loss=self._loss
        )
        # what was done before is drawn again and left out, so that all generators move on
        for batch in itertools.islice(batches, self.num_done, None):
            if self._step(batch.to(self._model.device)):
                line.step(self._mean(), epoch=len(self.epochs) + 1, done=self.num_done)
                self._keep()
        self._add(self._watch.look())
        self.optimizer.rows.flush()
        self._trained = time.perf_counter()

    def close_epoch(self, validation: float) -> None:
        """Note what validation found, and keep the state if it is the best."""
        ended = time.perf_counter()
        trained = self._seconds + self._trained - self._began
        self.epochs.append(EpochRecord(self._mean(), validation, trained, ended - self._trained))
        if validation > self.best:
            self.best, self.best_epoch = validation, len(self.epochs)
            self.best_state = {name: v.clone() for name, v in _trained(self._model).items()}
        self.num_done, self._loss_sum, self._seconds = 0, 0.0, 0.0
        self._began, self._sampler = ended, _generator_state(self._rng)
        self._keep()

    def _step(self, batch: Batch) -> bool:
        """Make a step; return whether losses were looked at."""
        self.optimizer.refresh(batch)
        with self._precision.autocast():
            value = self._loss_of(batch)
        self._precision.backward(value)
        if self._ranks.world > 1:
            self.optimizer.add_over(self._ranks)
        self._precision.unscale(self.optimizer)
        number = len(self.epochs) * self._num_batches + self.num_done + 1
        seen = self._watch.see(batch.users, value, self.optimizer.gradients, step=number)
        self._add(seen)
        self._precision.step(self.optimizer)
        self.num_done += 1
        return bool(seen)

    def _loss_of(self, batch: Batch) -> Tensor:
        if self._ranks.world == 1:
            return self._model.loss(batch, log_popularity=self._log_shares, loss=self._loss)
        return loss_over_ranks(
            self._model,
            batch,
            log_popularity=self._log_shares,
            loss=self._loss,
            ranks=self._ranks,
            gather_negatives=self._config.gather_negatives,
        )

    def _add(self, losses: list[float]) -> None:
        for loss in losses:  # one after the other: when they were looked at changes no bit
            self._loss_sum += loss

    def _mean(self) -> float:
        return self._loss_sum / max(self.num_done, 1)

    def _keep(self) -> None:
        """Write a checkpoint if it is time to, and if the weights are worth it."""
        keeper = self._checkpoint
        if keeper is None or not self._ranks.agree(keeper.is_due(), device=self._model.device):
            return
        streams = {name: stream.state() for name, stream in self._streams.items()}
        texts = self._ranks.gather_text(json.dumps(streams), device=self._model.device)
        weights = _trained(self._model)
        if not self._ranks.is_first or not _all_finite(weights.values()):
            return  # the loss of the next step will say so
        tensors = {f"model.{name}": value for name, value in weights.items()}
        tensors |= {f"best.{name}": value for name, value in self.best_state.items()}
        tensors |= {f"optimizer.{name}": v for name, v in self.optimizer.state().items()}
        state = {
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best": self.best,
            "best_epoch": self.best_epoch,
            "num_done": self.num_done,
            "loss_sum": self._loss_sum,
            "seconds": self._seconds + time.perf_counter() - self._began,
            "sampler": self._sampler,
            "streams": [json.loads(text) for text in texts],
            "scaler": self._precision.state(),
        }
        keeper.write(state, tensors)

    def _restore(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self.epochs = [EpochRecord(**epoch) for epoch in state["epochs"]]
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.num_done, self._loss_sum = state["num_done"], state["loss_sum"]
        self._seconds = state["seconds"]
        self._rng = _generator(self._rng, state["sampler"])
        for name, stream in self._streams.items():
            stream.restore(state["streams"][self._ranks.rank][name])
        self._precision.restore(state["scaler"])
        device = self._model.device
        self.best_state = {n: v.to(device) for n, v in below(tensors, "best").items()}
        self._model.load_state_dict(below(tensors, "model"), strict=False)
        self.optimizer.restore(below(tensors, "optimizer"))


def _trained(model: nn.Module) -> dict[str, Tensor]:
    """Return what training changes, by its name in the state dict; frozen weights are left out."""
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    names |= {name for name, _ in model.named_buffers()}
    return {name: value for name, value in model.state_dict().items() if name in names}


def _all_finite(values: Iterable[Tensor]) -> bool:
    return all(bool(v.isfinite().all()) for v in values if v.is_floating_point())


def _generator_state(rng: np.random.Generator) -> dict[str, Any]:
    """Return where a generator stands, and how many children it has had, as JSON holds it."""
    seeds: Any = rng.bit_generator.seed_seq
    return {"bits": rng.bit_generator.state, "num_children": seeds.n_children_spawned}


def _generator(rng: np.random.Generator, state: Mapping[str, Any]) -> np.random.Generator:
    """Return a generator of the same seed as ``rng`` that stands where ``state`` says."""
    seeds: Any = rng.bit_generator.seed_seq
    again = np.random.SeedSequence(
        seeds.entropy, spawn_key=seeds.spawn_key, n_children_spawned=state["num_children"]
    )
    made = np.random.default_rng(again)
    made.bit_generator.state = state["bits"]
    return made
