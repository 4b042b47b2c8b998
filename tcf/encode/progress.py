"""A progress bar on stderr that short work never shows."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["LazyBar"]


class LazyBar:
    """Context manager; call ``advance(n)`` as work gets done.

    Args:
        total: Units of work in all.
        what: A few words shown before the bar.
        shown: False keeps it silent.
        after_seconds: Work shorter than this shows nothing.
    """

    def __init__(
        self, total: int, what: str, *, shown: bool = True, after_seconds: float = 2.0
    ) -> None:
        self._total, self._what, self._done = total, what, 0
        self._due = time.monotonic() + after_seconds if shown else float("inf")
        self._bar: Progress | None = None

    def advance(self, count: int) -> None:
        """Count ``count`` more units as done."""
        self._done += count
        if self._bar is None and time.monotonic() >= self._due:
            self._bar = self._start()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done)

    def describe(self, what: str) -> None:
        """Change the words before the bar."""
        self._what = what
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=what)

    def _start(self) -> "Progress":
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        bar = Progress(*columns, console=Console(stderr=True), transient=True)
        bar.add_task(self._what, total=self._total)
        bar.start()
        return bar

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
