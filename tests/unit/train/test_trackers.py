"""Trackers that an accelerator was set up with hear of every epoch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.tracking import GeneralTracker

from tcf.train import TrainConfig, fit
from tests.unit.train.test_checkpoint import SPLIT, recommender

CONFIG = TrainConfig(
    max_epochs=3, patience=None, batch_size=16, learning_rate=1e-2, schedule="cosine"
)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Accelerators share one state in a process; leave none behind."""
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


class Notebook(GeneralTracker):
    """A tracker that writes into a list."""

    name = "notebook"
    requires_logging_directory = False

    def __init__(self):
        super().__init__()
        self.notes: list[tuple[int | None, dict[str, Any]]] = []

    @property
    def tracker(self) -> list:
        return self.notes

    def store_init_configuration(self, values: dict) -> None:
        """Nothing is kept of it."""

    def log(self, values: dict, step: int | None = None, **_settings: Any) -> None:
        self.notes.append((step, values))


def test_a_tracker_hears_of_loss_rate_seconds_and_the_monitor():
    notebook = Notebook()
    accelerator = Accelerator(cpu=True, log_with=notebook)
    accelerator.init_trackers("training")
    history = fit(recommender("ID"), SPLIT, CONFIG, seed=1, progress=False, accelerator=accelerator)
    assert [step for step, _ in notebook.notes] == [1, 2, 3]
    for epoch, (_, values) in zip(history.epochs, notebook.notes, strict=True):
        assert values["train/loss"] == epoch.loss
        assert values["train/seconds"] == epoch.train_seconds
        assert values["validation/seconds"] == epoch.evaluate_seconds
        assert values["validation/hr@10"] == epoch.validation
    rates = [values["train/learning_rate"] for _, values in notebook.notes]
    assert CONFIG.learning_rate > rates[0] > rates[1] > rates[2] > 0


def test_tensorboard_shows_it(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accelerator = Accelerator(cpu=True, log_with="tensorboard", project_dir=tmp_path)
    accelerator.init_trackers("training")
    history = fit(recommender("ID"), SPLIT, CONFIG, seed=1, progress=False, accelerator=accelerator)
    accelerator.end_training()
    events = EventAccumulator(str(tmp_path / "training"))
    events.Reload()
    found = events.Scalars("validation/hr@10")
    assert [event.step for event in found] == [1, 2, 3]
    expected = [epoch.validation for epoch in history.epochs]
    assert [event.value for event in found] == pytest.approx(expected)


def test_without_a_tracker_nothing_is_told():
    accelerator = Accelerator(cpu=True)
    history = fit(recommender("ID"), SPLIT, CONFIG, seed=1, progress=False, accelerator=accelerator)
    assert len(history.epochs) == 3
