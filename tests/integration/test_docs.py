"""The pages are true: their Python runs, and so do their commands."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tcf.cli import app
from tcf.study.arms import Arm
from tests import tiny_models
from tests.runs import ID, write_run, write_split

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    "guide/data.md",
    "guide/encode.md",
    "guide/evidence.md",
    "guide/train.md",
    "howto/add-a-backbone.md",
    "howto/add-control-arms.md",
    "howto/add-an-encoder.md",
    "howto/encode-with-a-model-larger-than-memory.md",
    "howto/export-vectors.md",
    "howto/fine-tune-an-encoder.md",
    "howto/rank-with-a-language-model.md",
    "howto/run-a-study.md",
    "howto/train-a-ladder.md",
    "howto/transfer-to-another-data-set.md",
    "howto/tune-every-arm-alike.md",
]

TFIDF = Arm(name="TF-IDF", kind="static", encoder="tfidf-svd")
STUDY = """
from tcf.data.simulate import simulate
from tcf.study import Arm, SASRecConfig, Study, grid
from tcf.train import TrainConfig

def study():
    brief = [(SASRecConfig(), TrainConfig(max_epochs=1))]
    runs = grid(dataset="mine", arms=[Arm(name="ID", kind="id")], backbones=brief, seeds=[0], dim=8)
    return Study("mine", lambda data: simulate(num_users=60, num_items=40, seed=0), runs)

smoke = paper = study
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the names that the pages use are there."""
    monkeypatch.chdir(tmp_path)
    tiny_models.tiny_opt(tmp_path / "facebook" / "opt-125m")
    rows = "".join(f"i{n}\t{title}\n" for n, title in enumerate(tiny_models.TITLES))
    (tmp_path / "items.tsv").write_text(f"item_id\ttitle\n{rows}")
    lines = [f"{title} {n}\n" for n in range(8) for title in tiny_models.TITLES]
    (tmp_path / "titles.txt").write_text("".join(lines))
    (tmp_path / "study.py").write_text(STUDY)
    for arm in (ID, TFIDF):
        for seed in range(3):
            write_run(tmp_path / "records", arm, seed=seed)
    write_split(tmp_path / "records")
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_runs(page: str, here: Path) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert blocks
    names: dict[str, object] = {}
    for language, block in blocks:
        if language == "python":
            exec(compile(block, page, "exec"), names)
            continue
        for line in block.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "tcf", f"{page}: {line}"
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 0, f"{page}: {line}\n{done.output}"
