"""The command line from end to end: run, table, plot, encode, and errors in one line."""

import json
import re
import shutil
import sys
from pathlib import Path

import polars as pl
import pytest
from filelock import FileLock
from typer.testing import CliRunner, Result

from tcf import cli
from tcf._util import write_json
from tcf.cli import load_study
from tcf.encode.embeddings import Embeddings
from tcf.errors import DataError
from tcf.study.config import fingerprint
from tcf.study.opened import load_split
from tests import tiny_study

STUDY = str(Path(__file__).parents[1] / "tiny_study.py")
ITEMS = 'item_id\ttitle\n1\ta blue dress\n2\ta red car\n3\ta # "red" dress\n'


def tcf(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def error_of(result: Result) -> str:
    """The one line that a mistake of the user gets."""
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    done = tcf(
        "run", STUDY, "--records", folder / "records", "--cache", folder / "cache", "--workers", 1
    )
    assert done.exit_code == 0, done.output
    assert (
        f"tiny: 0 runs found, 5 made, 0 left to another process; records in {folder}"
        in done.stdout.replace("\n", "")
    )
    return folder / "records"


def test_a_dry_run_names_the_runs_and_makes_none(tmp_path: Path):
    done = tcf("run", STUDY, "--records", tmp_path / "records", "--dry-run")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "blocks/SASRec/ID/seed 0",
        "blocks/SASRec/TF-IDF/seed 0",
        "blocks/DSSM/ID/seed 0",
        "blocks/DSSM/TF-IDF/seed 0",
        "blocks/popularity/seed 0",
        "tiny: 5 runs",
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_finds_everything(records: Path):
    cache = records.parent / "cache"
    done = tcf("run", STUDY, "--records", records, "--cache", cache, "--workers", 1)
    assert done.exit_code == 0
    assert "tiny: 5 runs found, 0 made, 0 left to another process" in done.stdout
    assert "hr@10" in done.stdout


def test_table_prints_a_line_for_each_cell(records: Path):
    done = tcf("table", records, "--metric", "hr@10")
    assert done.exit_code == 0
    for arm in ("ID", "TF-IDF", "popularity"):
        assert arm in done.stdout
    assert "ndcg@10" not in done.stdout
    (path,) = records.glob("blocks-popularity*.json")
    mean = json.loads(path.read_text())["metrics"]["hr@10"]["mean"]
    assert str(round(mean, 4)) in done.stdout


def test_table_writes_every_row(records: Path, tmp_path: Path):
    out = tmp_path / "new" / "table.csv"
    assert tcf("table", records, "--out", out).exit_code == 0
    frame = pl.read_csv(out)
    assert len(frame) == 20  # of each of five arms and two metrics, the mean and its one seed
    assert set(frame["metric"]) == {"hr@10", "ndcg@10"}


def test_table_cuts_users_into_slices(records: Path):
    done = tcf("table", records, "--metric", "mrr@3", "--by", "history_length")
    assert done.exit_code == 0, done.output
    assert "history_length: 5-9" in done.stdout and "mrr@3" in done.stdout


def as_language_model(records: Path, folder: Path) -> Path:
    """Copy the records, TF-IDF passed off as a language model of 1,000 and 400 parameters."""
    for path in records.glob("*.json"):
        record = json.loads(path.read_text())
        if record["vectors"]:
            record["config"]["arm"]["kind"] = "model"
            record["vectors"]["parameters"] = {"total": 1000, "without_embeddings": 400}
        write_json(folder / path.name, record)
    for path in records.glob("*.parquet"):
        shutil.copy(path, folder)
    return folder


@pytest.mark.parametrize(
    ("option", "size"), [([], 1000), (["--x", "parameters_without_embeddings"], 400)]
)
def test_plot_writes_the_figure_and_its_numbers(
    records: Path, tmp_path: Path, option: list[str], size: int
):
    folder = as_language_model(records, tmp_path / "records")
    out = tmp_path / "plots" / "figure"
    done = tcf("plot", folder, "--out", out, "--title", "Blocks", *option)
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in out.parent.iterdir()) == ["figure.csv", "figure.svg"]
    assert "Blocks" in out.with_suffix(".svg").read_text()
    assert str(out.with_suffix(".svg")) in done.stdout.replace("\n", "")
    numbers = pl.read_csv(out.with_suffix(".csv"))
    assert set(numbers.filter(kind="model")["x"]) == {size}


@pytest.mark.parametrize("kind", ["cost", "learning", "versus-id", "warm"])
def test_other_plots_need_the_records_alone(records: Path, tmp_path: Path, kind: str):
    few = ["--metric", "hr@10"]
    done = tcf("plot", records, "--kind", kind, "--out", tmp_path / "figure", *few)
    if kind == "warm":  # sixty users are too few for a slice
        assert "min_users" in error_of(done)
        return
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figure.csv", "figure.svg"]


def test_report_is_one_page_and_names_what_is_damaged(records: Path, tmp_path: Path):
    folder = tmp_path / "study" / "records"
    shutil.copytree(records, folder)
    (damaged,) = folder.glob("blocks-popularity*.json")
    damaged.write_text("{")
    out = tmp_path / "new" / "report.html"
    done = tcf("report", folder, "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout.replace("\n", "") == f"{out} (0.1 MB)"
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"left out: {damaged}: a run record must be JSON")
    page = out.read_text(encoding="utf-8")
    assert "<h1>study</h1>" in page
    assert "4 runs of 2 arms under DSSM and SASRec on blocks" in page
    assert (
        tcf("report", folder, "--out", out, "--title", "A & B", "--metric", "hr@10").exit_code == 0
    )
    assert "<h1>A &amp; B</h1>" in out.read_text(encoding="utf-8")


def test_report_with_the_study_has_an_explorer(records: Path, tmp_path: Path):
    out, cache = tmp_path / "report.html", records.parent / "cache"
    done = tcf("report", records, "--out", out, "--study", STUDY, "--cache", cache)
    assert done.exit_code == 0, done.output
    assert '"encoders":[{"name":"TF-IDF","items":"' in out.read_text(encoding="utf-8")
    (folder,) = (cache / "neighbours").iterdir()
    assert {path.suffix for path in folder.iterdir()} == {".json", ".npy"}


def test_encode_writes_vectors_with_their_ids(tmp_path: Path):
    items = tmp_path / "items.tsv"
    items.write_text(ITEMS)
    out = tmp_path / "vectors.safetensors"
    done = tcf("encode", items, "--encoder", "tfidf-svd", "--out", out, "--cache", tmp_path / "c")
    assert done.exit_code == 0, done.output
    assert f"{out}: 3 vectors of width 2" in done.stdout
    assert Embeddings.load(out).item_ids == ("1", "2", "3")


def test_help_names_the_commands():
    done = tcf("--help")
    assert done.exit_code == 0
    for command in ("encode", "plan", "run", "table", "plot", "report"):
        assert re.search(rf"\b{command}\b", done.stdout)


TWO = """
from dataclasses import replace
from pathlib import Path

from neighbour import NAMES
from tcf.cli import load_study

TINY = load_study(Path({study!r}))


def study():
    return tuple(
        replace(TINY, runs=tuple(r.model_copy(update={{"dataset": n}}) for r in TINY.runs[-1:]))
        for n in NAMES
    )


def smoke():
    return study()[0]
"""


@pytest.fixture
def two_studies(tmp_path: Path) -> Path:
    """A file with a study for each of two data sets, in a project of its own."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "neighbour.py").write_text('NAMES = ("one", "two")')
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "study.py"
    path.write_text(TWO.format(study=str(STUDY)))
    return path


class TestForms:
    def test_one_file_has_a_study_for_each_data_set(self, two_studies: Path):
        done = tcf("run", two_studies, "--cache", two_studies.parent / "cache", "--workers", 1)
        assert done.exit_code == 0, done.output
        kept = sorted(p.name.split("-")[0] for p in two_studies.parent.glob("records/*.json"))
        assert kept == ["one", "two"]
        assert load_study(two_studies, dataset="two").runs[0].dataset == "two"
        with pytest.raises(DataError, match="of a data set among one, two; got 'three'"):
            load_study(two_studies, dataset="three")

    def test_what_is_beside_a_study_is_importable_while_it_is_read(self, two_studies: Path):
        before = list(sys.path)
        assert tcf("run", two_studies, "--dry-run").exit_code == 0
        assert sys.path == before

    def test_a_smoke_run_leaves_nothing(self, two_studies: Path):
        before = sorted(two_studies.parent.rglob("*"))
        done = tcf("run", two_studies, "--smoke", "--workers", 1)
        assert done.exit_code == 0, done.output
        assert f"{two_studies}: passed in " in done.stdout.replace("\n", "")
        assert sorted(two_studies.parent.rglob("*")) == before

    def test_a_form_that_is_not_there(self, two_studies: Path):
        line = error_of(tcf("run", two_studies, "--form", "paper"))
        assert "has no form 'paper': it must define `def paper() -> Study`" in line

    def test_smoke_and_another_form(self, two_studies: Path):
        line = error_of(tcf("run", two_studies, "--smoke", "--form", "paper"))
        assert "--smoke is a form of its own: leave out --form paper" in line

    def test_records_of_several_files(self, two_studies: Path, tmp_path: Path):
        line = error_of(tcf("run", two_studies, STUDY, "--records", tmp_path / "r"))
        assert "--records is the folder of one study file; got 2 files" in line


class TestMistakes:
    def test_data_for_an_explorer_without_its_study(self, records: Path, tmp_path: Path):
        line = error_of(tcf("report", records, "--out", tmp_path / "r.html", "--data", tmp_path))
        assert line.endswith("is for the explorer: name the --study as well")

    def test_no_study_file(self, tmp_path: Path):
        line = error_of(tcf("run", tmp_path / "none.py"))
        assert line.endswith("none.py: a study file is needed; there is none: check the path")

    @pytest.mark.parametrize("text", ["", "study = 3", "def study():\n    return 3"])
    def test_a_file_without_a_study(self, tmp_path: Path, text: str):
        path = tmp_path / "study.py"
        path.write_text(text)
        line = error_of(tcf("run", path, "--dry-run"))
        assert f"{path}: a study file needs `def study() -> Study`; it gave " in line

    def test_a_bug_in_a_study_keeps_its_traceback(self, tmp_path: Path):
        path = tmp_path / "study.py"
        path.write_text("def study():\n    return 1 / 0")
        assert isinstance(tcf("run", path).exception, ZeroDivisionError)

    @pytest.mark.parametrize("command", ["table", "plot"])
    def test_a_folder_without_records(self, tmp_path: Path, command: str):
        out = ["--out", tmp_path / "figure"] if command == "plot" else []
        line = error_of(tcf(command, tmp_path, *out))
        assert "a folder with run records is needed; it holds none: `tcf run` first" in line

    def test_an_unknown_metric(self, records: Path, tmp_path: Path):
        message = "a metric is one of hr, mrr, ndcg and a cut-off, like 'hr@10'; got 'map@5'"
        assert message in error_of(tcf("table", records, "--metric", "map@5"))
        out = ["--metric", "map@5", "--out", tmp_path / "figure"]
        assert message in error_of(tcf("plot", records, *out))
        assert list(tmp_path.iterdir()) == []

    def test_a_missing_items_file(self, tmp_path: Path):
        out = tmp_path / "x.safetensors"
        line = error_of(tcf("encode", tmp_path / "no.tsv", "--encoder", "tfidf-svd", "--out", out))
        assert line.endswith("no.tsv: a file is needed; there is none: check the path")

    def test_vectors_go_to_a_file_that_can_hold_their_ids(self, tmp_path: Path):
        items = tmp_path / "items.tsv"
        items.write_text(ITEMS)
        out = tmp_path / "x.npy"
        line = error_of(tcf("encode", items, "--encoder", "tfidf-svd", "--out", out))
        assert "written to a .safetensors file; got " in line
        assert not out.exists()

    def test_an_unknown_plot_or_slice(self, records: Path, tmp_path: Path):
        out = ["--out", tmp_path / "figure"]
        line = error_of(tcf("plot", records, "--kind", "scalin", *out))
        assert "did you mean 'scaling'" in line
        line = error_of(tcf("plot", records, "--kind", "cost", "--fits", *out))
        assert "--x and --fits are of scaling plots; got kind 'cost'" in line
        assert "what users are sliced by" in error_of(tcf("table", records, "--by", "age"))

    def test_curves_of_too_few_sizes(self, records: Path, tmp_path: Path):
        line = error_of(tcf("plot", records, "--fits", "--out", tmp_path / "figure"))
        assert "no curve can be fitted: no family has two sizes" in line

    def test_a_learning_curve_of_what_was_not_watched(self, records: Path, tmp_path: Path):
        out = ["--metric", "mrr@5", "--out", tmp_path / "figure"]
        line = error_of(tcf("plot", records, "--kind", "learning", *out))
        assert "of the metric that a training watched, here hr@10; got 'mrr@5'" in line

    def test_a_plot_without_a_language_model(self, records: Path, tmp_path: Path):
        line = error_of(tcf("plot", records, "--out", tmp_path / "figure"))
        assert "needs an arm of kind model or random; found none" in line

    def test_the_microlens_study_asks_for_its_folder(self, tmp_path: Path):
        study = Path(__file__).parents[2] / "experiments" / "microlens" / "study.py"
        arguments = ("--records", tmp_path / "records", "--cache", tmp_path / "cache")
        line = error_of(tcf("run", study, *arguments))
        assert "name it with --data FOLDER" in line
        line = error_of(tcf("run", study, "--data", tmp_path / "nowhere", *arguments))
        assert "nowhere: a data folder is needed; there is none" in line

    def test_runs_that_fail_say_why_in_a_line(self, tmp_path: Path, monkeypatch):
        from tcf.study import one_run

        def diverge(*_arguments, **_settings):
            raise ValueError("the training loss must stay finite")

        monkeypatch.setattr(one_run, "fit", diverge)
        arguments = ("--records", tmp_path / "r", "--cache", tmp_path / "c", "--workers", 1)
        done = tcf("run", STUDY, *arguments)
        assert done.exit_code == 1
        line = done.stderr.splitlines()[-1]
        assert line.startswith("error: 4 of 5 runs failed, the first blocks/SASRec/ID/seed 0: the ")


def test_a_run_that_another_process_has_leaves_no_table_to_print(tmp_path: Path):
    study = tmp_path / "study.py"
    study.write_text(
        "from tests import tiny_study\n"
        "def study():\n"
        "    return tiny_study.study(arms=tiny_study.ARMS[2:])\n"
    )
    arguments = ("run", study, "--records", tmp_path / "r", "--cache", tmp_path / "c")
    (config,) = tiny_study.study(arms=tiny_study.ARMS[2:]).runs
    split = load_split(tiny_study.study(), None)[0]
    key = fingerprint(config, split=split.checksum, vectors=None)
    (tmp_path / "c" / "claims").mkdir(parents=True)
    with FileLock(tmp_path / "c" / "claims" / f"{key}.lock"):
        done = tcf(*arguments)
    assert done.exit_code == 0, done.output
    assert "0 runs found, 0 made, 1 left to another process" in done.stdout


def test_plan_says_what_encoding_would_take(tmp_path: Path):
    items = tmp_path / "items.tsv"
    items.write_text(ITEMS)
    done = tcf("plan", "opt-125m", items, "--cache", tmp_path / "cache", "--max-tokens", 20)
    assert done.exit_code == 0, done.output
    for said in (
        "OPT-125M, from the table of known encoders",
        "3, of which 3 distinct",
        "texts cut at 20",
        "parameters",
        "peak memory, streamed",
        "resident: ",
    ):
        assert said in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["items.tsv"]


def test_plan_for_a_folder_that_is_not_there(tmp_path: Path):
    items = tmp_path / "items.tsv"
    items.write_text(ITEMS)
    assert "no encoder folder at" in error_of(tcf("plan", tmp_path / "none", items))


class TestDoctor:
    def test_it_prints_a_verdict_for_each_check(self, opt_folder: Path, tmp_path: Path):
        items = tmp_path / "items.tsv"
        items.write_text(ITEMS)
        done = tcf("doctor", opt_folder, "--texts", items, "--dtype", "float32")
        assert done.exit_code == 0, done.output
        for cell in ("padding side", "truncation", "ok", "3 finite vectors of width 32"):
            assert cell in done.stdout

    def test_a_problem_is_an_exit_code(self, opt_folder: Path, tmp_path: Path):
        lines = tmp_path / "titles.txt"
        lines.write_text("a [red] car\n\na blue dress\n")
        done = tcf("doctor", opt_folder, "--texts", lines, "--dtype", "float32")
        assert done.exit_code == 1
        assert "1 of 3 are blank or not valid Unicode, at positions 1" in done.stdout
        assert "problem" in done.stdout

    def test_mistakes_get_one_line(self, tmp_path: Path):
        line = error_of(tcf("doctor", tmp_path / "none"))
        assert "no encoder folder at" in line
        line = error_of(tcf("doctor", "tfidf-svd", "--texts", tmp_path / "none.txt"))
        assert "none.txt: a UTF-8 file with a text a line is needed; " in line
