"""Where runs happen: in this process, or in worker processes of this machine."""

import concurrent.futures
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any


def run_all(
    function: Callable[..., Any], tasks: Iterable[tuple], *, shared: tuple, num_workers: int
) -> Iterator[tuple[tuple, Any]]:
    """Call ``function(*task, *shared)`` for each task and yield (task, result) as they end.

    Args:
        function: Defined at the top of a module, so that worker processes find it.
        tasks: Arguments of each call.
        shared: Arguments common to all; sent to a worker once.
        num_workers: 1 stays in this process.

    Yields:
        The task with its result, or with the exception that it raised: one failure does not stop
        the others.
    """
    if num_workers == 1:
        for task in tasks:
            yield task, _outcome(function, *task, *shared)
        return
    context = multiprocessing.get_context("spawn")  # a forked torch can hang
    with concurrent.futures.ProcessPoolExecutor(
        num_workers, mp_context=context, initializer=_start_worker, initargs=(shared,)
    ) as pool:
        pending = {pool.submit(_in_worker, function, *task): task for task in tasks}
        try:
            for future in concurrent.futures.as_completed(pending):
                yield pending[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_shared: tuple = ()


def _start_worker(shared: tuple) -> None:
    global _shared  # noqa: PLW0603  (a worker's only state: what every call of it needs)
    _shared = shared
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """A killed parent cannot stop its workers; they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _in_worker(function: Callable[..., Any], *task: Any) -> Any:
    return _outcome(function, *task, *_shared)


def _outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except Exception as error:
        return error
