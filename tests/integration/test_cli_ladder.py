"""`tcf ladder` from end to end: a folder of encoders, killed and gone on with, drawn by a study."""

import hashlib
import json
import multiprocessing
import re
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tcf import cli
from tcf.data.simulate import simulate
from tcf.study import Arm
from tests.ladders import SIZES, write_ladder
from tests.runs import ID, write_arm

TITLES = simulate(num_users=1, num_items=120, seed=0)[0].texts
SETTINGS = "--sizes 2 --smallest 2000 --largest 6000 --tokens 4000 --vocab 300 --batch 16 --seed 0"


def tcf(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "titles.txt"
    path.write_text("\n".join([*TITLES, "", "  "]), encoding="utf-8")  # blank lines are no texts
    return path


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.glob("*/model.safetensors")
    }


def test_texts_become_encoders(texts: Path, tmp_path: Path):
    done = tcf("ladder", texts, "--out", tmp_path / "ladder", *SETTINGS.split())
    assert done.exit_code == 0, done.output
    assert "nats a byte" in done.stdout
    told = json.loads((tmp_path / "ladder" / "ladder.json").read_text())
    names = [member["name"] for member in told["members"]]
    assert names == ["opt-2k", "opt-6k"]
    assert all(name in done.stdout for name in names)
    assert told["num_texts"] + told["num_held_out"] == len(set(TITLES))
    (tmp_path / "items.tsv").write_text("item_id\ttitle\n1\ta film\n2\tanother one\n")
    out = tmp_path / "vectors.safetensors"
    encoder = tmp_path / "ladder" / "opt-6k"
    done = tcf("encode", tmp_path / "items.tsv", "--encoder", encoder, "--out", out)
    assert done.exit_code == 0, done.output
    assert "2 vectors of width" in done.stdout


def test_catalogues_and_folders_are_texts_too(texts: Path, tmp_path: Path):
    rows = "".join(f"i{n}\t{title}\n" for n, title in enumerate(TITLES))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "items.tsv").write_text(f"item_id\ttitle\n{rows}")
    outs = {}
    for name, arguments in (("txt", [texts]), ("tsv", [folder / "items.tsv"]), ("all", [folder])):
        done = tcf("ladder", *arguments, "--out", tmp_path / name, *SETTINGS.split())
        assert done.exit_code == 0, done.output
        outs[name] = hashes(tmp_path / name)
    assert outs["txt"] == outs["tsv"] == outs["all"]


def test_a_dry_run_says_what_it_takes_and_writes_nothing(texts: Path, tmp_path: Path):
    done = tcf("ladder", texts, "--out", tmp_path / "out", *SETTINGS.split(), "--dry-run")
    assert done.exit_code == 0, done.output
    for words in ("opt-2k", "opt-6k", "without embeddings", "FLOPs", "on one core", "time"):
        assert words in done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--tokens", "0"], "num_tokens: Input should be greater than or equal to 1; got 0"),
        (["--sizes", "1"], "a ladder needs at least two sizes"),
        (["--dtype", "float16"], "float16 on a CPU is about ten times slower"),
        (["--seed", "1"], "this one differs in seed is 0, here 1"),
    ],
)
def test_mistakes_get_one_line(changes: list[str], message: str, texts: Path, tmp_path: Path):
    if "--seed" in changes:
        tcf("ladder", texts, "--out", tmp_path / "out", *SETTINGS.split())
    done = tcf("ladder", texts, "--out", tmp_path / "out", *SETTINGS.split(), *changes)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_texts_that_are_none_are_named(tmp_path: Path):
    (tmp_path / "few.txt").write_text("one\ntwo\n")
    done = tcf("ladder", tmp_path / "few.txt", "--out", tmp_path / "out", *SETTINGS.split())
    assert "at least 40 distinct texts" in done.stderr
    done = tcf("ladder", tmp_path / "none.txt", "--out", tmp_path / "out", *SETTINGS.split())
    assert "none.txt: a UTF-8 file with a text a line is needed" in done.stderr


def train(folder: Path) -> None:
    from tcf.encode.ladder import Recipe, Size, train_ladder

    train_ladder(
        TITLES,
        folder=folder,
        recipe=Recipe(num_tokens=10_000, vocab_size=300, batch_size=8),
        sizes=[Size(8, 1, 1), Size(16, 2, 2)],
        seed=0,
        progress=False,
        checkpoint_every_seconds=0.05,
    )


def in_a_process(folder: Path, *, until: str | None) -> int | None:
    """Train in a process of its own, killed as soon as a file is there; how it ended."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tcf.encode.ladder.family", "transformers.models.opt.modeling_opt"]
    )
    process = context.Process(target=train, args=(folder,))
    process.start()
    while until is not None and process.is_alive():
        if (folder / until).exists():
            process.kill()  # SIGKILL
            process.join()
            return None
        time.sleep(0.01)
    process.join()
    return process.exitcode


def test_kills_change_no_byte(tmp_path: Path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert in_a_process(whole, until=None) == 0
    for until in (".opt-h8-l1.checkpoint", ".opt-h16-l2.checkpoint", ".opt-h16-l2.checkpoint"):
        assert in_a_process(killed, until=until) is None
    assert in_a_process(killed, until=None) == 0
    assert hashes(killed) == hashes(whole)
    assert len(hashes(whole)) == 2
    assert not list(killed.glob(".*checkpoint*"))


def test_a_metric_is_drawn_against_the_losses(tmp_path: Path):
    records = tmp_path / "records"
    for n, (name, count) in enumerate(SIZES.items()):
        arm = Arm(name=name, kind="model", encoder=name, family="ladder")
        write_arm(records, arm, better=0.5 + 0.2 * n, parameters=2 * count)
    write_arm(records, ID, better=2)
    folder = write_ladder(tmp_path / "ladder")
    settings = ["--kind", "ladder", "--ladder", folder, "--out", tmp_path / "plot"]
    done = tcf("plot", records, *settings)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "plot.csv").exists()
    drawn = re.sub(r"<[^>]+>", " ", (tmp_path / "plot.svg").read_text(encoding="utf-8"))
    assert re.search(r"with a falling loss 0\.\d\d \[0\.", " ".join(drawn.split()))


@pytest.mark.parametrize("settings", [["--kind", "ladder"], ["--ladder", "x"]])
def test_a_plot_of_a_ladder_needs_one(settings: list[str], tmp_path: Path):
    done = tcf("plot", tmp_path, "--out", tmp_path / "plot", *settings)
    assert done.exit_code == 1
    assert "--ladder is of plots of kind ladder, which need it" in done.stderr
