"""One size's training, which can be left at any step and gone on with, and its validation loss."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcf._checkpoint import Checkpoint
from tcf.encode.batching import batches as length_sorted
from tcf.encode.ladder.corpus import Corpus
from tcf.encode.ladder.model import parameter_groups
from tcf.encode.ladder.recipe import Recipe
from tcf.encode.ladder.sizes import Size
from tcf.encode.progress import LazyBar

__all__ = ["Course", "Trainer", "one_thread"]

_NUM_POINTS = 8  # validations on the way, the last at the end
_VALIDATION_TOKENS = 4096  # padded, a batch


@dataclass
class Course:
    """Where a training stands, as JSON holds it.

    Attributes:
        step: Steps made.
        num_tokens: Tokens predicted in them.
        seconds: Spent, over all sittings.
        losses: Nats a token of each step since the last point.
        points: On the way: step, num_tokens, train_loss (mean since the point before; None before
            any step), and the validation loss, in nats a token and a byte.
    """

    step: int = 0
    num_tokens: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)


class Trainer:
    """Trains a model on a corpus by a recipe.

    Args:
        model: From `build`, on its device.
        size: Its shape.
        corpus: The texts.
        recipe: How.
        num_steps: From `Corpus.duration`.
    """

    def __init__(
        self, model: Any, size: Size, *, corpus: Corpus, recipe: Recipe, num_steps: int
    ) -> None:
        self.model, self.corpus, self.recipe, self.num_steps = model, corpus, recipe, num_steps
        self.course = Course()
        self._scale = recipe.logit_scale(size.hidden)
        self._device = next(model.parameters()).device
        self._optimizer = torch.optim.AdamW(
            parameter_groups(model, size, recipe),
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        count = min(_NUM_POINTS, num_steps)
        self._points = {num_steps * (k + 1) // count for k in range(count)}

    def run(self, checkpoint: Checkpoint | None, *, what: str, shown: bool) -> Course:
        """Train to the end, from the checkpoint if there is one.

        Raises:
            ValueError: If the loss is no number.
            CacheError: If the checkpoint belongs to another training, or is damaged.
        """
        found = None if checkpoint is None else checkpoint.read()
        if found is not None:
            self._restore(*found)
        began, before = time.perf_counter(), self.course.seconds
        with LazyBar(self.num_steps, what, shown=shown) as bar:
            bar.advance(self.course.step)
            for rows in islice(self.corpus.batches(self.recipe), self.course.step, self.num_steps):
                self.step(rows)
                if self.course.step in self._points:
                    self._add_point()
                    bar.describe(f"{what}, validation loss {self._last_loss:.3f}")
                bar.advance(1)
                self.course.seconds = before + time.perf_counter() - began
                if checkpoint is not None and checkpoint.is_due():
                    checkpoint.write(asdict(self.course), self._tensors())
        if not self.course.points:
            self._add_point()
        return self.course

    def step(self, rows: NDArray[np.int64]) -> None:
        """Make one step on these texts."""
        loss = self.backward(rows)
        if not np.isfinite(loss):
            raise ValueError(
                f"a loss must be a number; after {self.course.step} steps it is {loss}: take a "
                f"smaller learning_rate than {self.recipe.learning_rate}"
            )
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        share = self.recipe.warmed(self.course.step, self.num_steps)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * share
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.course.step += 1
        self.course.num_tokens += int(self.corpus.lengths[rows].sum())
        self.course.losses.append(loss)

    def backward(self, rows: NDArray[np.int64]) -> float:
        """Add the gradients of these texts' loss, part by part, and return it."""
        self.model.train()
        num_tokens, loss = int(self.corpus.lengths[rows].sum()), 0.0
        half = self.recipe.dtype == "bfloat16"
        for part in self._parts(rows):
            share = int(self.corpus.lengths[part].sum()) / num_tokens
            with torch.autocast(self._device.type, torch.bfloat16, enabled=half):
                of_part = self._loss(part) * share
            of_part.backward()
            loss += of_part.item()
        return loss

    @torch.inference_mode()
    def validation_loss(self) -> tuple[float, float]:
        """Return the loss on the held-out texts in nats a token and in nats a byte."""
        self.model.eval()
        held_out, lengths = self.corpus.held_out, self.corpus.lengths
        nats = 0.0
        for at in length_sorted(lengths[held_out] + 1, batch_tokens=_VALIDATION_TOKENS):
            rows = held_out[at]
            nats += self._loss(rows).item() * int(lengths[rows].sum())
        return nats / int(lengths[held_out].sum()), nats / int(
            self.corpus.num_bytes[held_out].sum()
        )

    @property
    def _last_loss(self) -> float:
        return self.course.points[-1]["validation_loss"]

    def _add_point(self) -> None:
        a_token, a_byte = self.validation_loss()
        course = self.course
        point = {
            "step": course.step,
            "num_tokens": course.num_tokens,
            "train_loss": float(np.mean(course.losses)) if course.losses else None,
            "validation_loss": a_token,
            "validation_loss_per_byte": a_byte,
        }
        course.points.append(point)
        course.losses = []

    def _parts(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        if self.recipe.part_tokens is None:
            yield rows
            return
        lengths = self.corpus.lengths[rows] + 1
        for at in length_sorted(lengths, batch_tokens=self.recipe.part_tokens):
            yield rows[at]

    def _loss(self, rows: NDArray[np.int64]) -> Tensor:
        """Mean next-token loss over real tokens.

        Padding is on the right and a decoder looks only to the left, so real tokens never see it:
        no attention mask is needed, and only real positions reach the vocabulary.
        """
        texts = [torch.from_numpy(self.corpus.ids[row]) for row in rows]
        batch = nn.utils.rnn.pad_sequence(texts, batch_first=True).to(self._device)
        states = self.model.model(input_ids=batch, use_cache=False).last_hidden_state[:, :-1]
        following = batch[:, 1:]
        real = following != 0
        logits = self.model.lm_head(states[real] * self._scale)
        return nn.functional.cross_entropy(logits.float(), following[real])

    def _tensors(self) -> dict[str, Tensor]:
        found = {}
        for name, weight in self.model.named_parameters():
            found[f"weight.{name}"] = weight
            for kind, value in self._optimizer.state[weight].items():
                found[f"{kind}.{name}"] = value
        return found

    def _restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        self.course = Course(**state)
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                weight.copy_(tensors[f"weight.{name}"])
                self._optimizer.state[weight] = {
                    kind: tensors[f"{kind}.{name}"].to(self._device)
                    for kind in ("step", "exp_avg", "exp_avg_sq")
                }


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread of the processor: the same bytes however many cores there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
