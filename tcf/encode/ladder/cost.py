"""ladder_costs(): what a ladder will take, before it is trained."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tcf.encode.ladder.corpus import Corpus, distinct_texts
from tcf.encode.ladder.model import build
from tcf.encode.ladder.recipe import Recipe
from tcf.encode.ladder.sizes import Size, num_parameters, train_flops
from tcf.encode.ladder.training import Trainer, one_thread

__all__ = ["Cost", "ladder_costs"]

_PROBE_SECONDS = 1.0


@dataclass(frozen=True)
class Cost:
    """What one size takes.

    Attributes:
        size: Its shape.
        parameters: With the table of tokens, which is the head as well, and that of positions.
        num_steps: Of its training.
        num_tokens: Predicted in them.
        train_flops: As `train_flops` counts them.
        seconds: On this machine, without validation.
    """

    size: Size
    parameters: int
    num_steps: int
    num_tokens: int
    train_flops: int
    seconds: float

    @property
    def parameters_without_embeddings(self) -> int:
        """Without both tables."""
        return num_parameters(self.size)


def ladder_costs(
    texts: Sequence[str],
    *,
    recipe: Recipe,
    sizes: Sequence[Size],
    seed: int,
    device: str = "cpu",
) -> list[Cost]:
    """Return what each size of a ladder takes; nothing is written.

    Time is told by the first steps of each size, made for about a second. On the processor it is
    that of one core with nothing else to do. Arguments as in `train_ladder`.

    Raises:
        ValueError: As `train_ladder`.
    """
    _, held_out, order = np.random.SeedSequence(seed).spawn(3)
    corpus = Corpus.of(distinct_texts(texts), recipe, held_out=held_out, order=order)
    num_steps, num_tokens = corpus.duration(recipe)
    vocab_size = corpus.tokenizer.get_vocab_size()
    length = float(corpus.lengths[corpus.train].mean()) + 1
    clock = time.process_time if device == "cpu" else time.perf_counter
    costs = []
    for size in sizes:
        model = build(size, recipe, vocab_size=vocab_size, seed=seed).to(device)
        trainer = Trainer(model, size, corpus=corpus, recipe=recipe, num_steps=max(1, num_steps))
        costs.append(
            Cost(
                size,
                sum(weight.numel() for weight in model.parameters()),
                num_steps,
                num_tokens,
                train_flops(size, vocab_size=vocab_size, num_tokens=num_tokens, length=length),
                _seconds_a_token(trainer, clock=clock) * num_tokens,
            )
        )
    return costs


def _seconds_a_token(trainer: Trainer, *, clock: Callable[[], float]) -> float:
    batches = trainer.corpus.batches(trainer.recipe)
    with one_thread():
        trainer.step(next(batches))  # the first has to set things up
        began, before = clock(), trainer.course.num_tokens
        while clock() - began < _PROBE_SECONDS:
            trainer.step(next(batches))
        return (clock() - began) / (trainer.course.num_tokens - before)
