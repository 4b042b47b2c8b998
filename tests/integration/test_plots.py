"""plots/*.py: every script draws the committed figures again, byte for byte, and needs no torch."""

import subprocess
import sys
from pathlib import Path

import pytest

PLOTS = Path(__file__).parents[2] / "plots"
SCRIPTS = sorted(PLOTS.glob("*.py"))
DRAWN = [script for script in SCRIPTS if any(PLOTS.glob(f"{script.stem}*.csv"))]


@pytest.mark.parametrize("script", DRAWN, ids=lambda path: path.stem)
def test_a_script_draws_the_committed_figures_again(script: Path, tmp_path: Path):
    code = (
        "import runpy, sys; from pathlib import Path; "
        f"made = runpy.run_path({str(script)!r}); made['main'](Path({str(tmp_path)!r})); "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PLOTS.parent, check=False)
    assert done.returncode == 0, "it failed, or it loads torch"
    made = sorted(tmp_path.glob("*.csv"))
    assert made
    for path in made:
        assert path.read_bytes() == (PLOTS / path.name).read_bytes(), path.name
        assert (tmp_path / path.name).with_suffix(".svg").stat().st_size > 5000


def test_every_committed_figure_has_its_script():
    names = {script.stem for script in SCRIPTS}
    for figure in PLOTS.glob("*.svg"):
        assert any(f"{figure.stem}_".startswith(f"{name}_") for name in names), figure.name
        assert figure.with_suffix(".csv").exists()


def test_a_script_without_a_figure_waits_for_its_records():
    for script in set(SCRIPTS) - set(DRAWN):
        assert not (PLOTS.parent / "experiments" / script.stem / "records").exists(), script.stem
