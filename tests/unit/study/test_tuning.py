"""tune(): one search for every arm, without the test part, whatever happens on the way."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tcf.data.split import Split, Targets
from tcf.errors import DataError
from tcf.evaluate.ranking import rank_targets
from tcf.study import trials as trials_module
from tcf.study.config import Study
from tcf.study.opened import load_split
from tcf.study.proposals import propose
from tcf.study.records import read_records
from tcf.study.runner import Outcome, run_study
from tcf.study.space import Choice, LogUniform, Tuning, Uniform
from tcf.study.trials import TrialSettings
from tcf.study.tuning import tune
from tests import tiny_study, worlds

REPOSITORY = Path(__file__).parents[3]
SEARCH = Tuning(
    space={
        "train.learning_rate": LogUniform(low=1e-3, high=1e-1),
        "train.weight_decay": Uniform(low=0.0, high=0.3),
        "dim": Choice(values=(8, 16)),
    },
    num_trials=5,
    num_random=3,
    at_once=1,
)
ID = tiny_study.ARMS[:1]
NUM_TRIALS = 4 * SEARCH.num_trials  # two arms under two backbones


def study(search: Tuning | None = SEARCH, **settings) -> Study:
    return replace(tiny_study.study(**{"max_epochs": 1, **settings}), tuning=search)


def run(planned: Study, folder: Path, *, num_workers: int = 1, lines: list[str] | None = None):
    return run_study(
        planned,
        records=folder / "records",
        cache=folder / "cache",
        num_workers=num_workers,
        say=(lines if lines is not None else []).append,
    )


def tuned(planned: Study, split: Split, folder: Path, *, num_workers: int = 1) -> Study:
    return tune(
        planned,
        split,
        {},
        records=folder / "records",
        cache=folder / "cache",
        num_workers=num_workers,
        say=lambda line: None,
    )


def of_ids(folder: Path) -> dict[str, list[dict]]:
    """The searches of the ID arm."""
    return {name: trials for name, trials in searches(folder).items() if "-id-" in name}


def searches(folder: Path) -> dict[str, list[dict]]:
    """The trials of every search, without the time they took."""
    found = {}
    for path in sorted((folder / "records" / "tuning").iterdir()):
        trials = json.loads(path.read_text())["trials"]
        found[path.name] = [{k: v for k, v in t.items() if k != "seconds"} for t in trials]
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tuned study, run without a disturbance."""
    folder = tmp_path_factory.mktemp("tuned")
    lines: list[str] = []
    assert run(study(), folder, lines=lines) == Outcome(0, 5, 0)
    assert lines[1] == "tiny: 0 searches found, 4 to make, 5 trials each"
    trials = [line for line in lines if ": trial " in line]
    assert len(trials) == NUM_TRIALS
    assert trials[0].startswith("blocks/SASRec/ID: trial 1: hr@10 0.")
    assert trials[-1].endswith("[20/20, 0 s left]")
    return folder


def test_every_arm_has_the_same_number_of_trials_and_the_same_random_ones(made: Path):
    found = searches(made)
    assert len(found) == 4
    assert all(len(trials) == SEARCH.num_trials for trials in found.values())
    random = [[t["settings"] for t in trials[: SEARCH.num_random]] for trials in found.values()]
    assert all(settings == random[0] for settings in random)
    for trials in found.values():
        assert len({json.dumps(t["settings"]) for t in trials}) == SEARCH.num_trials
        for trial in trials:
            assert trial["settings"].keys() == SEARCH.space.keys()
            assert 1e-3 <= trial["settings"]["train.learning_rate"] <= 1e-1


def test_the_runs_have_the_settings_of_the_best_trial_and_say_what_search_it_was(made: Path):
    records = [r for r in read_records(made / "records").values() if r["config"]["backbone"]]
    assert len(records) == 4
    for record in records:
        path = made / "records" / record["tuning"]["file"]
        search = json.loads(path.read_text())
        best = max(search["trials"], key=lambda trial: trial["value"])
        assert record["tuning"]["settings"] == best["settings"]
        assert record["tuning"]["validation"] == best["value"]
        assert record["tuning"]["num_trials"] == SEARCH.num_trials
        assert record["tuning"]["num_failed"] == 0
        total = sum(trial["seconds"] for trial in search["trials"])
        assert record["tuning"]["seconds"] == pytest.approx(total, abs=0.1)
        config = record["config"]
        assert config["train"]["learning_rate"] == best["settings"]["train.learning_rate"]
        assert config["dim"] == best["settings"]["dim"]
        assert config["tuning"] == SEARCH.model_dump(mode="json") == search["tuning"]
        assert config["seed"] == 0 and search["config"]["seed"] == SEARCH.trial_seed
        assert str(made) not in path.read_text()


def test_popularity_is_not_tuned(made: Path):
    (record,) = [r for r in read_records(made / "records").values() if not r["config"]["backbone"]]
    assert "tuning" not in record and "tuning" not in record["config"]


def test_a_second_call_finds_everything_without_its_cache(made: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(trials_module, "fit", lambda *_a, **_k: pytest.fail("nothing to train"))
    lines: list[str] = []
    outcome = run_study(
        study(), records=made / "records", cache=tmp_path, num_workers=1, say=lines.append
    )
    assert outcome == Outcome(num_found=5, num_made=0, num_elsewhere=0)
    assert lines[1] == "tiny: 4 searches found, 0 to make, 5 trials each"


def test_worker_processes_make_the_same_trials(made: Path, tmp_path: Path):
    tuned(study(arms=ID), load_split(study(), None)[0], tmp_path, num_workers=2)
    assert searches(tmp_path) == of_ids(made)


def test_a_longer_search_begins_with_the_shorter_one(made: Path, tmp_path: Path, monkeypatch):
    split = load_split(study(), None)[0]
    short = tuned(study(arms=ID), split, tmp_path)
    fit, fitted = trials_module.fit, []
    monkeypatch.setattr(trials_module, "fit", lambda *a, **k: (fitted.append(1), fit(*a, **k))[1])
    longer = SEARCH.model_copy(update={"num_trials": 7})
    tuned(study(longer, arms=ID), split, tmp_path)
    assert len(fitted) == 2 * 2  # two more under each backbone
    trials = sorted(searches(tmp_path).values(), key=len)
    assert trials[0] in (trials[2][:5], trials[3][:5])
    assert len(short.searches) == 2


COMMAND = """
from pathlib import Path
from tests.tiny_study import ARMS
from tests.unit.study.test_tuning import ID, run, study
run(study(arms={arms}), Path({folder!r}))
"""


def test_killed_in_the_middle_the_next_call_makes_the_same_search(made: Path, tmp_path: Path):
    code = COMMAND.format(folder=str(tmp_path), arms="ARMS")
    process = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    trials, deadline = tmp_path / "cache" / "trials", time.monotonic() + 120
    while len(list(trials.glob("*.json"))) < 7:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline, "no seven trials within two minutes"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finished = {path: path.stat().st_mtime_ns for path in trials.glob("*.json")}
    assert not (tmp_path / "records" / "tuning").exists()
    assert run(study(), tmp_path).num_made == 5
    assert searches(tmp_path) == searches(made)
    assert all(path.stat().st_mtime_ns == before for path, before in finished.items())


def test_a_trial_that_is_killed_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch):
    """The trials of a tuned encoder take half an hour: a kill must not cost them."""
    split = load_split(study(), None)[0]
    config = study(arms=ID, max_epochs=4).runs[0]
    fit, evaluated, stop_at = trials_module.fit, [], [3]

    def counted(*arguments):
        evaluated.append(1)
        if len(evaluated) == stop_at[0]:
            raise KeyboardInterrupt
        return rank_targets(*arguments)

    monkeypatch.setattr("tcf.train.loop.rank_targets", counted)
    monkeypatch.setattr(
        trials_module, "fit", lambda *a, **k: fit(*a, **k, checkpoint_every_seconds=0)
    )

    def trial(folder: Path) -> trials_module.Trial:
        names = ("trials", "claims", "checkpoints")
        settings = TrialSettings(split.without_test(), *(folder / name for name in names))
        made = trials_module.run_trial(config, "k" * 64, None, True, settings)
        assert made is not None
        return {name: value for name, value in made.items() if name != "seconds"}

    with pytest.raises(KeyboardInterrupt):
        trial(tmp_path / "killed")
    stop_at[0] = 0
    evaluated.clear()
    found = trial(tmp_path / "killed")
    assert len(evaluated) < 4  # the first epochs are not trained again
    assert not (tmp_path / "killed" / "checkpoints" / ("k" * 64)).exists()
    assert found == trial(tmp_path / "whole")


def test_two_processes_at_once_make_every_trial_once(made: Path, tmp_path: Path):
    code = COMMAND.format(folder=str(tmp_path), arms="ID")
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY) for _ in range(2)]
    assert [process.wait(timeout=240) for process in processes] == [0, 0]
    assert searches(tmp_path) == of_ids(made)
    assert len(list((tmp_path / "cache" / "trials").glob("*.json"))) == 2 * SEARCH.num_trials


def test_what_is_written_is_json_alone(made: Path):
    for folder in (made / "cache" / "trials", made / "records" / "tuning"):
        assert all(json.loads(path.read_text()) for path in folder.iterdir())


class TestTheTestPart:
    def test_trials_hold_none_of_it(self):
        split = worlds.block_split(num_users=30)
        blind = split.without_test()
        assert blind.test is None
        held = [blind.train.rows, blind.validation.rows, blind.validation.targets]
        users = [blind.train.users(), np.arange(30).repeat(7), np.arange(30)]
        assert [len(rows) for rows in held] == [30 * 7, 30 * 7, 30]
        for user, target in enumerate(split.test.targets):  # nobody takes an item twice
            pairs = zip(held, users, strict=True)
            assert all(target not in rows[own == user] for rows, own in pairs)
        for name in ("users", "targets"):
            np.testing.assert_array_equal(
                getattr(blind.validation, name), getattr(split.validation, name)
            )
        for task in range(30):
            known = [
                part.rows[part.starts[task] : part.ends[task]]
                for part in (blind.validation, split.validation)
            ]
            np.testing.assert_array_equal(*known)

    def test_no_trial_asks_for_it(self, tmp_path: Path, monkeypatch):
        fit, seen = trials_module.fit, []

        def watched(model, split, config, **settings):
            seen.append((split.test, settings["seed"]))
            return fit(model, split, config, **settings)

        monkeypatch.setattr(trials_module, "fit", watched)
        tuned(study(arms=ID), load_split(study(), None)[0], tmp_path)
        assert seen == [(None, SEARCH.trial_seed)] * (2 * SEARCH.num_trials)

    def test_other_test_items_give_the_same_search(self, made: Path, tmp_path: Path):
        split = load_split(study(), None)[0]
        test = split.test
        swapped = np.roll(test.targets, 1)
        rows = test.rows.copy()
        rows[test.ends] = swapped  # where the test item lies in the shared rows
        other = Split(
            split.catalog,
            split.train,
            replace(split.validation, rows=rows),
            Targets(test.users, swapped, rows, test.starts, test.ends),
        )
        assert other.checksum != split.checksum
        tuned(study(arms=ID), other, tmp_path)
        found, expected = list(searches(tmp_path).values()), of_ids(made).values()
        assert len(found) == 2
        assert all(trials in expected for trials in found)


class TestTrialsThatFail:
    def test_they_count_have_no_value_and_are_not_chosen(self, tmp_path: Path):
        space = {**SEARCH.space, "dim": Choice(values=(7, 8))}  # 7 is no multiple of two heads
        search = SEARCH.model_copy(update={"space": space})
        planned = study(search, arms=ID)
        sasrec = replace(planned, runs=planned.runs[:1])
        made = tuned(sasrec, load_split(study(), None)[0], tmp_path)
        (trials,) = searches(tmp_path).values()
        failed = [trial for trial in trials if trial["value"] is None]
        assert len(trials) == 5 and 1 <= len(failed) <= 4
        assert all("num_heads must divide dim=7" in trial["error"] for trial in failed)
        (config,) = made.runs
        assert config.dim == 8
        (summary,) = made.searches.values()
        assert summary["num_failed"] == len(failed)

    def test_what_is_published_of_them_names_no_user(self, tmp_path: Path, monkeypatch):
        fit, message = trials_module.fit, "the training loss must stay finite; over users 'u7': x"

        def diverges(model, split, config, **settings):
            if config.learning_rate > 0.01:
                raise ValueError(message)
            return fit(model, split, config, **settings)

        monkeypatch.setattr(trials_module, "fit", diverges)
        tuned(study(arms=ID), load_split(study(), None)[0], tmp_path)
        for trials in searches(tmp_path).values():
            errors = [trial["error"] for trial in trials if trial["value"] is None]
            assert errors and set(errors) == {"the training loss must stay finite"}
        kept = [path.read_text() for path in (tmp_path / "cache" / "trials").iterdir()]
        assert any("u7" in text for text in kept)

    def test_all_of_them(self, tmp_path: Path):
        search = SEARCH.model_copy(update={"space": {"dim": Choice(values=(7, 9))}})
        planned = study(search, arms=ID)
        message = (
            "a search needs a trial with a value; all 5 of blocks/SASRec/ID failed, the first: "
            "num_heads must divide dim="
        )
        with pytest.raises(ValueError, match=message):
            tuned(replace(planned, runs=planned.runs[:1]), load_split(study(), None)[0], tmp_path)
        assert not (tmp_path / "records" / "tuning").exists()

    def test_a_mistake_that_is_no_setting_stops_the_search(self, tmp_path: Path, monkeypatch):
        def broken(*_arguments, **_settings):
            raise KeyError("a bug")

        monkeypatch.setattr(trials_module, "fit", broken)
        with pytest.raises(RuntimeError, match="a trial of blocks/SASRec/ID failed: 'a bug'"):
            tuned(study(arms=ID), load_split(study(), None)[0], tmp_path)
        assert not list((tmp_path / "cache" / "trials").glob("*.json"))


def test_a_search_that_goes_on_does_not_draw_again_what_it_drew():
    first, second = (propose(SEARCH, [], number=number) for number in (0, 1))
    assert first != second
    assert propose(SEARCH, [], number=0) == first
    other = SEARCH.model_copy(update={"seed": 1})
    assert propose(other, [], number=0) != first


def test_proposals_draw_near_the_best():
    search = Tuning(
        space={"train.learning_rate": LogUniform(low=1e-4, high=1.0)}, num_trials=60, num_random=10
    )
    trials: list[dict] = []
    for number in range(60):
        rate = propose(search, trials, number=number)["train.learning_rate"]
        value = -abs(np.log10(rate) + 2)  # the best is 0.01
        trials.append({"settings": {"train.learning_rate": rate}, "value": value})
    distance = [-trial["value"] for trial in trials[10:]]
    assert np.median(distance) < 0.5  # of uniform draws: 1


def test_proposals_leave_the_logging_of_optuna_as_it_was(capfd):
    from optuna import logging

    before = logging.get_verbosity()
    propose(SEARCH, [], number=0)
    assert logging.get_verbosity() == before
    assert capfd.readouterr().err == ""


def test_without_optuna_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match=r"needs optuna: pip install 'tcf\[optuna\]'"):
        propose(SEARCH, [], number=0)


def test_a_study_without_a_search_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="study 'tiny' names no search: Study"):
        tuned(study(None), load_split(study(), None)[0], tmp_path)


def test_runs_of_one_cell_that_differ_in_more_than_their_seed_are_refused(tmp_path: Path):
    planned = study(arms=ID)
    other = planned.runs[0].model_copy(update={"dim": 4, "seed": 1})
    message = "may differ in their seed alone.* those of blocks/SASRec/ID differ in more"
    with pytest.raises(ValueError, match=message):
        tuned(replace(planned, runs=(*planned.runs, other)), load_split(study(), None)[0], tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "a search of schema 1 is needed"), ('{"schema": 2, "trials": []}', "schema 2")],
)
def test_a_damaged_search_is_named(made: Path, tmp_path: Path, text: str, message: str):
    path = next((made / "records" / "tuning").glob("*sasrec-id*"))
    copy = tmp_path / "records" / "tuning" / path.name
    copy.parent.mkdir(parents=True)
    copy.write_text(text)
    planned = study(arms=ID)
    with pytest.raises(DataError, match=rf"{path.name}: .*{message}.*: remove it"):
        tuned(replace(planned, runs=planned.runs[:1]), load_split(study(), None)[0], tmp_path)


def test_a_damaged_trial_is_named(made: Path, tmp_path: Path):
    trials = tmp_path / "cache" / "trials"
    trials.mkdir(parents=True)
    for path in (made / "cache" / "trials").iterdir():
        (trials / path.name).write_text("[]")
    with pytest.raises(RuntimeError, match=r"a trial of a search is needed .*: remove it"):
        tuned(study(arms=ID), load_split(study(), None)[0], tmp_path)
