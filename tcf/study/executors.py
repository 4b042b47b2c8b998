"""Where runs happen: in this process, or in worker processes of this machine."""

import concurrent.futures
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

Run = Callable[[Callable[..., Any], Iterable[tuple]], Iterator[tuple[tuple, Any]]]


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
    with workers(shared=shared, num_workers=num_workers) as run:
        yield from run(function, tasks)


@contextmanager
def workers(*, shared: tuple, num_workers: int) -> Iterator[Run]:
    """Give what does as `run_all` and keeps its workers from one call to the next."""
    if num_workers == 1:
        yield lambda function, tasks: ((task, _outcome(function, *task, *shared)) for task in tasks)
        return
    context = multiprocessing.get_context("spawn")  # a forked torch can hang
    with concurrent.futures.ProcessPoolExecutor(
        num_workers, mp_context=context, initializer=_start_worker, initargs=(shared,)
    ) as pool:
        try:
            yield partial(_run_in, pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _run_in(
    pool: concurrent.futures.Executor, function: Callable[..., Any], tasks: Iterable[tuple]
) -> Iterator[tuple[tuple, Any]]:
    pending = {pool.submit(_in_worker, function, *task): task for task in tasks}
    for future in concurrent.futures.as_completed(pending):
        yield pending[future], future.result()


def worker_count(num_workers: int | None, *, num_tasks: int) -> int:
    """Return how many workers to start: as many as asked for, or one a core; one on a GPU."""
    import torch

    if num_workers is None:
        num_workers = 1 if torch.cuda.is_available() else os.cpu_count() or 1
    return max(1, min(num_workers, num_tasks))


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: the bytes do not depend on how many run side by side."""
    import torch

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


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
