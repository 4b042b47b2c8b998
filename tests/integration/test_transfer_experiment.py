"""experiments/q4_transfer, small, from end to end: both directions, factors, matrices."""

import json
import runpy
from pathlib import Path

from typer.testing import CliRunner

from experiments.q4_transfer import analyse, study
from tcf.cli import app

STUDY = Path(study.__file__)
PLOT = STUDY.parents[2] / "plots" / "q4_transfer.py"


def test_the_here_form_asks_every_pair_and_both_others_joined():
    for planned in study.study():
        target = planned.runs[0].dataset
        assert set(planned.sources) == set(study.DATASETS) - {target}
        starts = [run.arm.transfer for run in planned.runs if run.arm.transfer and run.seed == 0]
        assert {start.sources for start in starts} == {
            *((name,) for name in planned.sources),
            tuple(planned.sources),
        }
        assert len(planned.runs) == 48


def test_it_runs_small_and_is_read_and_drawn(tmp_path: Path, capsys):
    records = tmp_path / "records"
    done = CliRunner().invoke(app, ["run", str(STUDY), "--smoke", "--records", str(records)])
    assert done.exit_code == 0, done.output
    assert "1 runs found, 8 made" in done.output  # the way back finds what it starts from
    analyse.main(records, tmp_path / "results.json")
    assert "times chance" in capsys.readouterr().out
    told = json.loads((tmp_path / "results.json").read_text())
    zero = [row for row in told["factors"] if "zero-shot" in row["arm"]]
    assert {row["dataset"] for row in zero} == set(study.PLATFORMS)
    assert {row["against"] for row in zero} == {"chance", "n-grams"}
    runpy.run_path(str(PLOT))["main"](tmp_path, records)
    assert sorted(path.name for path in tmp_path.glob("*.svg")) == [
        "q4_transfer_full.svg",
        "q4_transfer_zero_shot.svg",
    ]
