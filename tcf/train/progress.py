"""The live line of a training run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Line", "progress_line"]


class Line:
    """Shows loss, rate, the validation metric and the time left; silent without a bar.

    Args:
        monitor: Name of the validation metric.
        num_batches: Of an epoch.
        max_epochs: Epochs at the most.
        bar: What draws it, or None.
        done: Batches that an earlier part of the training has done: they count as done, and not
            for the rate.
    """

    def __init__(
        self,
        monitor: str,
        num_batches: int,
        max_epochs: int,
        bar: "Progress | None",
        *,
        done: int = 0,
    ):
        self._monitor, self._num_batches, self._bar = monitor, num_batches, bar
        self._verdict, self._before = "", done
        self._began, self._shown = time.monotonic(), float("-inf")
        total = num_batches * max_epochs
        self._task = None if bar is None else bar.add_task("", total=total, completed=done)

    def step(self, loss: float, *, epoch: int, done: int) -> None:
        """Show a step: the mean loss of this epoch so far.

        Args:
            loss: Mean of the epoch so far.
            epoch: 1-based.
            done: Batches of this epoch.
        """
        now = time.monotonic()
        if self._bar is None or now - self._shown < 0.2:
            return
        self._shown = now
        completed = (epoch - 1) * self._num_batches + done
        rate = (completed - self._before) / max(now - self._began, 1e-9)
        text = f"epoch {epoch}: loss {loss:.4f}, {rate:.1f} batches/s{self._verdict}"
        self._update(completed, text)

    def epoch(self, value: float, *, epoch: int, best: float, best_epoch: int) -> None:
        """Show what validation found after an epoch."""
        self._verdict = f", {self._monitor} {value:.4f} (best {best:.4f} at {best_epoch})"
        self._update(epoch * self._num_batches, f"epoch {epoch}{self._verdict}")

    def _update(self, completed: int, text: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=completed, description=text)


@contextmanager
def progress_line(
    monitor: str, *, num_batches: int, max_epochs: int, shown: bool, done: int = 0
) -> Iterator[Line]:
    """Yield a live line on stderr, or one that shows nothing."""
    if not shown:
        yield Line(monitor, num_batches, max_epochs, None, done=done)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("train"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Line(monitor, num_batches, max_epochs, bar, done=done)
