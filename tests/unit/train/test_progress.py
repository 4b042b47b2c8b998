"""The live line, on a terminal that is none."""

import io
import re
import time

import pytest
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tcf.train import progress
from tcf.train.progress import Line, progress_line


def bar() -> Progress:
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    return Progress(*columns, console=console, auto_refresh=False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_it_shows_loss_rate_and_what_validation_found(clock: list[float]):
    shown = bar()
    line = Line("ndcg@10", 10, 5, shown)
    clock[0] += 2
    line.step(1.25, epoch=1, done=4)
    (task,) = shown.tasks
    assert (task.completed, task.total) == (4, 50)
    assert task.description == "epoch 1: loss 1.2500, 2.0 batches/s"
    line.epoch(0.125, epoch=1, best=0.125, best_epoch=1)
    assert task.completed == 10
    assert task.description == "epoch 1, ndcg@10 0.1250 (best 0.1250 at 1)"
    clock[0] += 3
    line.step(1, epoch=2, done=5)
    assert task.completed == 15
    assert task.description == (
        "epoch 2: loss 1.0000, 3.0 batches/s, ndcg@10 0.1250 (best 0.1250 at 1)"
    )


def test_steps_in_quick_succession_are_not_all_drawn(clock: list[float]):
    shown = bar()
    line = Line("hr@10", 10, 1, shown)
    line.step(3, epoch=1, done=1)
    clock[0] += 0.1
    line.step(2, epoch=1, done=2)
    assert shown.tasks[0].completed == 1
    clock[0] += 0.2
    line.step(1, epoch=1, done=3)
    assert shown.tasks[0].completed == 3


def test_what_an_earlier_part_did_is_done_and_no_part_of_the_rate(clock: list[float]):
    shown = bar()
    line = Line("hr@10", 10, 5, shown, done=23)
    assert shown.tasks[0].completed == 23
    clock[0] += 2
    line.step(1, epoch=3, done=5)
    assert shown.tasks[0].completed == 25
    assert "1.0 batches/s" in shown.tasks[0].description


def test_the_time_left_is_drawn(capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    with progress_line("hr@10", num_batches=4, max_epochs=2, shown=True, done=4) as line:
        for done in (1, 2, 3):
            line.step(1.5, epoch=2, done=done)
            time.sleep(0.25)  # the time left is known once two steps are
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(r"train.*epoch 2: loss 1\.5000, .*batches/s", captured.err)
    assert re.search(r"left \S*0:00:0\d", captured.err)


def test_a_line_that_is_not_shown_draws_nothing(capsys: pytest.CaptureFixture[str]):
    with progress_line("hr@10", num_batches=4, max_epochs=2, shown=False) as line:
        line.step(1.5, epoch=1, done=3)
        line.epoch(0.5, epoch=1, best=0.5, best_epoch=1)
    assert capsys.readouterr() == ("", "")
