"""`tcf data audit` from end to end: the table, the JSON and the exit code."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tcf import cli
from tests import tiny_models

NOW = 1_700_000_000
CHECKS = [
    "short histories",
    "repeated items",
    "identical histories",
    "equal times",
    "item order",
    "popularity skew",
    "readable texts",
    "duplicate texts",
    "one-word texts",
    "cut texts",
    "language mix",
    "near-duplicate texts",
    "training after the cut",
    "cold targets",
    "targets already known",
    "popularity alone",
]


def audit(folder: Path, *arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["data", "audit", str(folder), *map(str, arguments)])


def write(folder: Path, *, step: int = 60) -> Path:
    """Forty users of six items each, a step apart; times of 0 make every order arbitrary."""
    rng = np.random.default_rng(0)
    items = "".join(f"{n}\tthe title of item {n} in words\n" for n in range(1, 61))
    lines = [
        f"u{user}\t{item}\t{NOW + 1000 * user + step * place}\n"
        for user in range(40)
        for place, item in enumerate(rng.permutation(60)[:6] + 1)
    ]
    folder.mkdir()
    (folder / "items.tsv.gz").write_bytes(gzip.compress(f"item_id\ttitle\n{items}".encode()))
    events = f"user_id\titem_id\ttimestamp\n{''.join(lines)}"
    (folder / "interactions.tsv.gz").write_bytes(gzip.compress(events.encode()))
    return folder


def test_every_check_has_a_line_and_the_json_says_the_same(tmp_path: Path):
    folder = write(tmp_path / "data")
    first, again = tmp_path / "first.json", tmp_path / "again.json"
    done = audit(folder, "--json", first, "--reader", "plain", "--min-interactions", 4)
    assert done.exit_code == 0, done.output
    for check in CHECKS:
        assert f"│ {check} " in done.stdout
    made: dict[str, Any] = json.loads(first.read_text())
    assert list(made) == ["schema", "settings", "data", "verdicts", "findings"]
    assert made["schema"] == 1
    assert made["settings"] == {
        "reader": "plain",
        "text": None,
        "encoder": None,
        "min_interactions": 4,
        "last": 23,
        "seed": 0,
    }
    assert made["data"]["users_after"] == 40 and len(made["data"]["checksum"]) == 64
    assert [finding["check"] for finding in made["findings"]] == CHECKS
    for finding in made["findings"]:
        assert list(finding) == ["check", "verdict", "found", "fix", "figures"]
        assert (finding["verdict"] == "ok") == (finding["fix"] == "")
        assert all(isinstance(value, int | float) for value in finding["figures"].values())
    assert sum(made["verdicts"].values()) == len(CHECKS) and made["verdicts"]["problem"] == 0
    audit(folder, "--json", again, "--reader", "plain", "--min-interactions", 4)
    assert first.read_bytes() == again.read_bytes()


def test_a_problem_is_told_and_exits_with_1(tmp_path: Path):
    out = tmp_path / "audit.json"
    done = audit(write(tmp_path / "data", step=0), "--json", out)
    assert done.exit_code == 1
    made = json.loads(out.read_text())
    (problem,) = (f for f in made["findings"] if f["verdict"] == "problem")
    assert problem["check"] == "equal times"
    assert problem["figures"] == {"share_last_equal": 1.0, "share_steps_equal": 1.0}


def test_the_text_template_reaches_the_reader(tmp_path: Path):
    folder = write(tmp_path / "data")
    done = audit(folder, "--text", "{name}")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ") and "name" in done.stderr


def test_an_encoder_is_probed_or_refused_in_a_line(tmp_path: Path):
    folder = write(tmp_path / "data")
    out = tmp_path / "audit.json"
    done = audit(folder, "--encoder", tiny_models.tiny_llama(tmp_path / "llama"), "--json", out)
    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text())["findings"][-1]["check"] == "memorised titles"
    refused = audit(folder, "--encoder", tiny_models.tiny_bert(tmp_path / "bert"))
    assert refused.exit_code == 1
    (line,) = refused.stderr.splitlines()
    assert "a causal language model is needed" in line


@pytest.mark.parametrize(("least", "reason"), [(7, "no user has min_interactions=7"), (2, "3")])
def test_a_minimum_that_cannot_be(tmp_path: Path, least: int, reason: str):
    done = audit(write(tmp_path / "data"), "--min-interactions", least)
    assert done.exit_code != 0
    assert reason in done.stderr
