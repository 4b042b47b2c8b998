"""run_study(): makes what is missing, once, whatever happens on the way."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tcf.data import audit_split
from tcf.data.findings import summary
from tcf.study import one_run
from tcf.study.arms import Arm
from tcf.study.config import Study, fingerprint
from tcf.study.opened import load_split
from tcf.study.records import MAX_RECORD_BYTES, read_ledger, read_records, summarize
from tcf.study.runner import Outcome, run_study
from tests.tiny_study import ARMS, study

REPOSITORY = Path(__file__).parents[3]
NUM_RUNS = 5


def run(planned: Study, folder: Path, *, num_workers: int = 1, lines: list[str] | None = None):
    return run_study(
        planned,
        records=folder / "records",
        cache=folder / "cache",
        num_workers=num_workers,
        say=(lines if lines is not None else []).append,
    )


def figures(folder: Path) -> dict[str, tuple]:
    """What a run may not change: its metrics, losses and the bytes of its ledger."""
    found = {}
    for path in (folder / "records").glob("*.json"):
        record = json.loads(path.read_text())
        epochs = (record["history"] or {"epochs": []})["epochs"]
        losses = [(epoch["loss"], epoch["validation"]) for epoch in epochs]
        found[path.name] = record["metrics"], losses, path.with_suffix(".parquet").read_bytes()
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study, run without a disturbance."""
    folder = tmp_path_factory.mktemp("made")
    lines: list[str] = []
    assert run(study(), folder, lines=lines) == Outcome(num_found=0, num_made=5, num_elsewhere=0)
    assert "kept 60 of 60 users" in lines[0]
    assert lines[1] == "tiny: 0 runs found, 5 to make"
    assert len(lines) == 2 + NUM_RUNS
    return folder


def test_each_run_leaves_a_record_and_a_ledger_and_nothing_else(made: Path):
    names = sorted(path.name for path in (made / "records").iterdir())
    records = [name for name in names if name.endswith(".json")]
    assert len(records) == NUM_RUNS
    split = load_split(study(), None)[0]
    ledgers = [name.replace(".json", ".parquet") for name in records]
    assert names == sorted([*records, *ledgers, f"split-{split.checksum[:12]}.parquet"])


def test_a_record_says_how_its_number_was_made(made: Path):
    split = load_split(study(), None)[0]
    for record in read_records(made / "records").values():
        assert len(json.dumps(record, indent=1)) <= MAX_RECORD_BYTES
        text = record["config"]["arm"]["kind"] == "static"
        assert record["data"]["checksum"] == split.checksum
        assert record["data"]["interactions_after"] == 540
        assert record["data"]["audit"] == summary(audit_split(split))
        assert (record["vectors"] is not None) == text
        if text:
            assert record["vectors"]["encoder"] == "tfidf-svd"
            assert record["vectors"]["parameters"] == {"total": 0, "without_embeddings": 0}
        if record["config"]["backbone"]:
            assert len(record["history"]["epochs"]) == 2
            assert record["compute"]["train_flops"] > 0
            assert record["parameters"]["backbone"] > 0
        assert record["compute"]["num_threads"] == 1
        assert record["provenance"]["seed"] == record["config"]["seed"]
        assert str(made) not in json.dumps(record)


def test_what_is_not_trained_runs_beside_the_rest_and_on_the_same_vectors(tmp_path: Path):
    text = ARMS[1]
    planned = study(arms=(text, text.nearest(), Arm(name="transitions", kind="transitions")))
    assert run(planned, tmp_path) == Outcome(num_found=0, num_made=4, num_elsewhere=0)
    records = {r["config"]["arm"]["name"]: r for r in read_records(tmp_path / "records").values()}
    near, counted = records["TF-IDF, nearest"], records["transitions"]
    assert near["vectors"] == records["TF-IDF"]["vectors"] and counted["vectors"] is None
    for record in (near, counted):
        assert record["config"]["backbone"] is record["history"] is None
        assert record["parameters"] == {} and record["compute"]["train_flops"] == 0
    kinds = {record["config"]["arm"]["kind"] for record in records.values()}
    assert kinds == {"static", "nearest", "transitions"}
    assert run(planned, tmp_path) == Outcome(num_found=4, num_made=0, num_elsewhere=0)


def test_metrics_are_those_of_the_ledger(made: Path):
    for path in (made / "records").glob("*.json"):
        record = json.loads(path.read_text())
        ledger = read_ledger(path.with_suffix(".parquet"))
        assert len(ledger) == 60
        assert record["metrics"] == summarize(ledger, ["hr@10", "ndcg@10"])


def test_lists_of_ten_are_told_of_in_the_record(made: Path):
    made_records = read_records(made / "records").values()
    records = {record["config"]["arm"]["name"]: record["lists"] for record in made_records}
    for lists in records.values():
        assert list(lists) == ["k", "coverage", "gini", "novelty"] and lists["k"] == 10
        assert 10 / 60 <= lists["coverage"] <= 1 and 0 <= lists["gini"] < 1
    assert records["popularity"]["coverage"] < records["ID"]["coverage"]
    assert records["popularity"]["novelty"] == min(found["novelty"] for found in records.values())


def test_the_second_call_finds_everything_and_trains_nothing(
    made: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_arguments, **_settings):
        raise AssertionError("nothing is to be trained")

    monkeypatch.setattr(one_run, "fit", refuse)
    before = {path: path.stat().st_mtime_ns for path in (made / "records").iterdir()}
    assert run(study(), made) == Outcome(num_found=5, num_made=0, num_elsewhere=0)
    assert before == {path: path.stat().st_mtime_ns for path in (made / "records").iterdir()}


def test_more_seeds_make_only_what_is_missing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for path in sorted((made / "records").glob("*.json"))[1:]:
        (tmp_path / "records").mkdir(exist_ok=True)
        (tmp_path / "records" / path.name).write_bytes(path.read_bytes())
    assert run(study(), tmp_path) == Outcome(num_found=4, num_made=1, num_elsewhere=0)
    monkeypatch.setattr(one_run, "fit", lambda *_a, **_k: pytest.fail("popularity has no training"))
    (popular,) = (tmp_path / "records").glob("blocks-popularity*.json")
    popular.unlink()
    assert run(study(), tmp_path).num_made == 1


def test_worker_processes_make_the_same_bytes(made: Path, tmp_path: Path):
    assert run(study(), tmp_path, num_workers=2) == Outcome(0, 5, 0)
    assert figures(tmp_path) == figures(made)


def test_a_run_that_fails_does_not_stop_the_others(tmp_path: Path, monkeypatch):
    fit = one_run.fit

    def sometimes(model, split, config, **settings):
        if type(model.backbone).__name__ == "DSSM":
            raise ValueError("the training loss must stay finite; it became nan")
        return fit(model, split, config, **settings)

    monkeypatch.setattr(one_run, "fit", sometimes)
    lines: list[str] = []
    with pytest.raises(RuntimeError, match=r"^2 of 5 runs failed, the first blocks/DSSM/") as error:
        run(study(), tmp_path, lines=lines)
    assert isinstance(error.value.__cause__, ValueError)
    assert sum("failed: the training loss must stay finite" in line for line in lines) == 2
    assert len(read_records(tmp_path / "records")) == 3
    monkeypatch.undo()
    assert run(study(), tmp_path) == Outcome(num_found=3, num_made=2, num_elsewhere=0)


def test_a_run_of_another_process_is_left_to_it(tmp_path: Path):
    from filelock import FileLock

    planned = study(arms=(ARMS[2],))
    (config,) = planned.runs
    split = load_split(planned, None)[0]
    key = fingerprint(config, split=split.checksum, vectors=None)
    (tmp_path / "cache" / "claims").mkdir(parents=True)
    with FileLock(tmp_path / "cache" / "claims" / f"{key}.lock"):
        assert run(planned, tmp_path) == Outcome(num_found=0, num_made=0, num_elsewhere=1)
    assert not list((tmp_path / "records").glob("*.json"))
    assert run(planned, tmp_path).num_made == 1


def test_encoders_of_the_study_are_asked_once_and_their_paths_stay_out(tmp_path: Path):
    asked = []

    class Numbers:
        def identity(self):
            return {"backend": "numbers", "weights": "none"}

        def encode(self, texts, wanted):
            yield wanted, np.eye(len(texts), 6, dtype=np.float32)[wanted]

        def parameters(self):
            return {"total": 12, "without_embeddings": 7}

    def find(names, catalog, cache):
        asked.append((tuple(names), catalog.num_items, cache))
        return {"numbers": Numbers()}

    arms = (Arm(name="N", kind="static", encoder="numbers"), *ARMS[1:])
    planned = replace(study(arms=arms), encoders=find)
    assert run(planned, tmp_path).num_made == 5
    assert asked == [(("numbers", "tfidf-svd"), 60, tmp_path / "cache")]
    records = read_records(tmp_path / "records").values()
    for record in (r for r in records if r["config"]["arm"]["name"] == "N"):
        assert record["vectors"]["encoder"] == "numbers"
        assert record["vectors"]["parameters"] == {"total": 12, "without_embeddings": 7}
        assert str(tmp_path) not in json.dumps(record)


def test_a_tracker_hears_of_every_run_and_changes_no_figure(made: Path, tmp_path: Path):
    run_study(
        study(),
        records=tmp_path / "records",
        cache=tmp_path / "cache",
        num_workers=1,
        track="tensorboard",
        say=lambda _text: None,
    )
    assert figures(tmp_path) == figures(made)
    trained = [p.stem for p in (tmp_path / "records").glob("*.json") if "popularity" not in p.stem]
    tracked = [p.name for p in (tmp_path / "cache" / "tracking").iterdir()]
    assert sorted(tracked) == sorted(trained)


def test_a_training_that_was_left_is_gone_on_with_and_its_checkpoint_goes(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fit, seen = one_run.fit, []

    def left(model, split, config, **settings):
        history = fit(model, split, config, **{**settings, "checkpoint_every_seconds": 0})
        seen.append(settings["checkpoint"])
        if len(seen) == 1:
            raise ValueError("left")
        return history

    monkeypatch.setattr(one_run, "fit", left)
    with pytest.raises(RuntimeError, match=r"^1 of 5 runs failed"):
        run(study(), tmp_path)
    assert [path.exists() for path in seen] == [True, False, False, False]
    monkeypatch.setattr(one_run, "fit", fit)
    assert run(study(), tmp_path).num_made == 1
    assert not seen[0].parent.exists()
    assert figures(tmp_path) == figures(made)


COMMAND = """
from pathlib import Path
from tcf.study.runner import run_study
from tests.tiny_study import study
folder = Path({folder!r})
planned = study(max_epochs={max_epochs})
outcome = run_study(
    planned, records=folder / "records", cache=folder / "cache", num_workers=1
)
print(outcome.num_found, outcome.num_made, outcome.num_elsewhere)
"""


def start(folder: Path, *, max_epochs: int) -> subprocess.Popen:
    code = COMMAND.format(folder=str(folder), max_epochs=max_epochs)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_killed_in_the_middle_the_next_call_carries_on(tmp_path: Path):
    planned = study(max_epochs=12)
    process = start(tmp_path, max_epochs=12)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "records").glob("*.json")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline, "no record within two minutes"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finished = len(read_records(tmp_path / "records"))  # each of them whole
    assert 1 <= finished < NUM_RUNS
    # what a kill inside atomic_write would leave is not taken for a record or a ledger
    (tmp_path / "records" / ".blocks-x.json.abc.tmp").write_text('{"schema"')
    outcome = run(planned, tmp_path)
    assert outcome == Outcome(num_found=finished, num_made=NUM_RUNS - finished, num_elsewhere=0)
    assert run(planned, tmp_path / "undisturbed").num_made == NUM_RUNS
    assert figures(tmp_path) == figures(tmp_path / "undisturbed")


def test_two_processes_at_once_share_the_work(tmp_path: Path):
    processes = [start(tmp_path, max_epochs=2) for _ in range(2)]
    counts = []
    for process in processes:
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0
        counts.append([int(number) for number in output.split()])
    assert all(sum(count) == NUM_RUNS for count in counts)
    assert sum(made for _, made, _ in counts) == NUM_RUNS  # each once
    assert len(read_records(tmp_path / "records")) == NUM_RUNS
    assert not list((tmp_path / "records").glob(".*"))
    assert len(figures(tmp_path)) == NUM_RUNS
