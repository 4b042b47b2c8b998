"""`tcf data ls | show | download`, from the shell's side."""

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tcf import cli
from tcf.data.dataset import DataFile
from tcf.data.datasets import DATASETS, listing
from tests.file_server import FileServer
from tests.samples import SAMPLES
from tests.unit.data.test_download import movies

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "data.md"


def tcf(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["data", *(str(argument) for argument in arguments)])


def error_of(result: Result) -> str:
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return SAMPLES["movielens 100k"].write(tmp_path / "movies")


def test_ls_lists_every_data_set():
    shown = tcf("ls")
    assert shown.exit_code == 0
    for name in DATASETS:
        assert name in shown.stdout


def test_the_guide_has_the_table_that_the_code_makes():
    shown = tcf("ls", "--markdown").stdout.strip()
    assert shown.count("\n") == len(listing()) + 1
    assert shown in GUIDE.read_text(encoding="utf-8"), (
        f"{GUIDE}: the table must be what `tcf data ls --markdown` prints: put it there"
    )


def test_show_says_what_is_known():
    shown = tcf("show", "movielens-1m").stdout
    file = DATASETS["movielens-1m"].files[0]
    for words in (
        "6,040 users",
        "doi 10.1145/2827872",
        file.addresses[0],
        file.checksum,
        "{title}",
    ):
        assert words in shown
    assert "accept the terms" in tcf("show", "mind-small").stdout


def test_show_reads_a_folder(folder: Path):
    shown = tcf("show", folder, "--texts", 2)
    assert shown.exit_code == 0, shown.output
    assert "interactions" in shown.stdout and "published" not in shown.stdout
    assert shown.stdout.splitlines()[-2:] == ['01\tsay "hi" # fun', "2\tit's two"]
    shown = tcf("show", folder, "--reader", "movielens", "--text", "{genres}", "--texts", 1)
    assert shown.stdout.splitlines()[-1] == "01\tDrama|War"


def test_show_compares_with_what_is_published(folder: Path):
    shown = tcf("show", folder, "--name", "movielens-100k")
    assert shown.exit_code == 1
    assert "943" in shown.stdout and 'say "hi"' in shown.stdout
    assert shown.stderr.strip() == "these are not the published counts of MovieLens 100K"
    assert tcf("show", folder, "--name", "amazon-2023").exit_code == 1  # another reader's files


def test_show_leaves_out_what_it_is_told_to(tmp_path: Path):
    folder = SAMPLES["plain tsv"].write(tmp_path)
    (folder / "items.tsv").write_text("item_id\ttitle\n01\tone\n2\ttwo\n3\t\n4\tfour\n")
    assert "every item needs a text" in error_of(tcf("show", folder))
    assert tcf("show", folder, "--drop-missing").exit_code == 0


def test_mistakes_get_one_line(tmp_path: Path, folder: Path):
    assert "there is no such folder" in error_of(tcf("show", tmp_path / "nothing"))
    assert "did you mean 'movielens-1m'" in error_of(tcf("show", folder, "--name", "movielens-m1"))
    assert "reader must be one of" in error_of(tcf("show", folder, "--reader", "nothing"))
    assert "part= must be one of" in error_of(tcf("download", "amazon-2023", "--out", tmp_path))
    hm = error_of(tcf("download", "hm", "--out", tmp_path / "hm"))
    assert "log in to Kaggle" in hm and not (tmp_path / "hm").exists()


def test_download_ends_with_terms_and_citation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = SAMPLES["movielens 100k"].files
    with FileServer(files=files) as server:
        served = [
            DataFile(
                name,
                (server.address(name),),
                len(body),
                f"sha256:{hashlib.sha256(body).hexdigest()}",
            )
            for name, body in files.items()
        ]
        monkeypatch.setitem(DATASETS, "made", movies(*served))
        done = tcf("download", "made", "--out", tmp_path / "made")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        f"{tmp_path / 'made'}: Movies",
        "licence: CC0 (https://example.org)",
        "cite: nobody",
    ]
    assert tcf("show", tmp_path / "made", "--name", "made").exit_code == 0
