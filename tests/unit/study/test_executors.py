"""Where runs happen: in turn, in workers, and nowhere once the parent is gone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tcf.study.executors import run_all

REPOSITORY = Path(__file__).parents[3]


def divide(number: int, by: int) -> tuple[float, int]:
    return number / by, os.getpid()


def nap(_number: int) -> None:
    time.sleep(60)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_every_task_is_yielded_with_its_result(num_workers: int):
    tasks = [(n,) for n in range(5)]
    results = dict(run_all(divide, tasks, shared=(2,), num_workers=num_workers))
    assert {task: result[0] for task, result in results.items()} == {t: t[0] / 2 for t in tasks}
    pids = {result[1] for result in results.values()}
    assert (pids == {os.getpid()}) == (num_workers == 1)
    assert len(pids) <= num_workers


@pytest.mark.parametrize("num_workers", [1, 2])
def test_one_failure_does_not_stop_the_others(num_workers: int):
    tasks = [(1,), ("x",), (3,)]
    results = dict(run_all(divide, tasks, shared=(1,), num_workers=num_workers))
    assert isinstance(results.pop(("x",)), TypeError)
    assert {task: result[0] for task, result in results.items()} == {(1,): 1, (3,): 3}


def test_no_task_gives_nothing():
    assert list(run_all(divide, [], shared=(1,), num_workers=1)) == []


def test_an_interrupt_is_no_result():
    with pytest.raises(KeyboardInterrupt):
        list(run_all(_interrupt, [()], shared=(), num_workers=1))


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to list children")
def test_workers_end_when_their_parent_is_killed():
    """Nobody could tell them to: they would wait for work for ever."""
    code = (
        "from tcf.study.executors import run_all\n"
        "from tests.unit.study.test_executors import nap\n"
        "if __name__ == '__main__':\n"
        "    list(run_all(nap, [(1,), (2,)], shared=(), num_workers=2))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    try:
        workers = wait_for(lambda: napping(parent.pid), count=2)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_for(lambda: [pid for pid in workers if not ended(pid)], count=0)


def napping(pid: int) -> list[int]:
    """Children of a process that are spawned workers and have started their watch."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    workers = []
    for child in map(int, children):
        command = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"spawn_main" in command and len(list(Path(f"/proc/{child}/task").iterdir())) > 1:
            workers.append(child)
    return workers


def ended(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()  # a zombie waits to be reaped
    except OSError:
        return True


def wait_for(find, *, count: int) -> list[int]:
    """Ask until that many are found; at most a minute, since the machine may be busy."""
    deadline = time.monotonic() + 60
    while len(found := find()) != count:
        assert time.monotonic() < deadline, f"waited in vain for {count}; there are {found}"
        time.sleep(0.05)
    return found
