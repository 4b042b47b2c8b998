"""The README is true: its code runs, and what it names is there."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tcf.cli import app
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence
from tcf.study.ladders import read_ladder

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out.split()
    assert printed[::2] == ["IdTower", "FrozenTextTower"]
    assert all(0 <= float(value) <= 1 for value in printed[1::2])


def test_the_tree_it_draws_is_there():
    tree = re.search(r"```\n(tcf/\n.*?)```", README, flags=re.DOTALL)
    assert tree is not None
    inside = re.findall(r"^[├└]── (\S+)", tree[1], flags=re.MULTILINE)
    outside = re.findall(r"^(\w+/)", tree[1], flags=re.MULTILINE)
    assert len(inside) > 5
    assert len(outside) > 5
    for name in [*(f"tcf/{name}" for name in inside), *outside]:
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("target", ["quickstart", "test"])
def test_its_make_targets_are_there(target):
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_its_commands_are_those_of_the_command_line():
    listed = re.search(r"cli(?:\.py|/) +tcf ([\w |]+)", README)
    assert listed is not None
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    groups = {str(group.name) for group in app.registered_groups}
    assert set(listed[1].split(" | ")) == commands | groups


def test_the_files_it_links_to_are_there():
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_it_can_be_read_in_one_sitting():
    assert len(README.splitlines()) <= 150


def test_help_names_every_command():
    shown = CliRunner().invoke(app, ["--help"]).output
    assert all(name in shown for name in ("encode", "run", "table", "plot"))


def test_its_figures_of_speed_are_those_of_the_benchmark():
    result = json.loads((ROOT / "benchmarks" / "results" / "encode.json").read_text())
    ratios = result["ratios"]
    same = ratios["tcf / sentence-transformers' best, both bfloat16"]
    default = ratios["tcf bfloat16 / sentence-transformers' default (float32, 32)"]
    assert f"{same:.2f} times as fast as sentence-transformers at its best" in README
    assert f"{default:.1f} times\nas fast in bfloat16 as sentence-transformers at its fl" in README


def test_its_figures_of_training_are_those_of_the_benchmarks_and_records():
    results = ROOT / "benchmarks" / "results"
    speed = json.loads((results / "train_speed.json").read_text())["full_softmax"]["epoch_ratio"]
    tuned = json.loads((results / "finetune.json").read_text())["ratio_to_the_studys_way"]
    text = " ".join(README.split())
    assert f"SASRec + ID is {speed:.1f} times as fast as RecTools'" in text
    assert f"top blocks {tuned:.1f} times as fast as the study's way" in text
    cells = read_cells(ROOT / "experiments" / "presets" / "records")
    found = evidence(cells, metrics=["ndcg@10"]).filter(mark="mean")
    means = dict(found.select("arm", "value").iter_rows())
    gain = means["ID, strong"] / means["ID, paper"] - 1
    assert f'The "strong" preset is {gain:.0%} above the study\'s settings in NDCG@10' in text
    rectools = json.loads((results / "rectools.json").read_text())
    ours, theirs = (rectools[side]["test_ndcg@10"][0] for side in ("tcf", "rectools"))
    assert f"four trials each, {ours / theirs - 1:.0%} above RecTools" in text
    assert rectools["difference"]["low"] > 0


def test_its_figures_of_evidence_are_those_of_the_experiments():
    found = json.loads((ROOT / "experiments" / "truth" / "results.json").read_text())
    num_studies = sum(cell["num_studies"] for cell in found.values())
    text = " ".join(README.split())
    assert f"In [{num_studies:,} simulated studies](experiments/truth/README.md)" in text
    errors = "paired_permutation, one seed: 0 errors, read as new seeds"
    cells = [x for x in found.values() if x["part"] == "pairs" and x["ratio"] == 1]
    shares = [np.divide(*x["measures"][errors]) for x in cells if x["metric"] == "hr@10"]
    assert f"two equal arms different in {np.mean(shares):.0%} of them" in text
    panels = json.loads((ROOT / "experiments" / "published" / "published.json").read_text())
    slopes = [panel["slope_per_tenfold"] for panel in panels["panels"]]
    assert "a rise in all twelve panels" in text
    assert len(slopes) == 12 and all(s["low"] > 0 for s in slopes)
    sasrec = [x for x in panels["panels"] if x["backbone"] == "SASRec"]
    assert "a ceiling in none under SASRec" in text
    assert all(panel["exponent"]["low"] == 0 for panel in sasrec)


def test_its_first_figure_shows_what_is_said_of_it():
    folder = ROOT / "experiments" / "q1_scaling"
    cells = read_cells(folder / "records")
    found = evidence(cells, metrics=["ndcg@10"]).filter(
        mark="mean", dataset="online-retail", backbone="SASRec"
    )
    value = dict(found.select("arm", "value").iter_rows())
    sizes = [row["name"] for row in read_ladder(folder / "ladder.json").iter_rows(named=True)]
    ladder = [value[name] for name in sizes]
    assert len(ladder) == 6 and ladder == sorted(ladder)
    losses = read_ladder(folder / "ladder.json")["validation_loss"].to_list()
    assert losses == sorted(losses, reverse=True)
    text = " ".join(README.split())
    assert f"NDCG@10 {100 * ladder[0]:.1f} to {100 * ladder[-1]:.1f}%" in text
    controls = {"random weights reach": "opt-3M, random weights", "bags of words": "TF-IDF"}
    for words, arm in {**controls, "item IDs": "ID"}.items():
        assert f"{words} {100 * value[arm]:.1f}" in text
