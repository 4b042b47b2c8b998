"""Fifty kills at random moments lose nothing that was finished and change no figure."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tcf.study.records import read_ledger, read_records
from tests.unit.study.test_runner import figures, run, start

NUM_KILLS = 50


@pytest.mark.soak
def test_fifty_kills(tmp_path: Path):
    from tests.tiny_study import study

    rng = np.random.default_rng(0)
    records = tmp_path / "records"
    finished = 0
    for _ in range(NUM_KILLS):
        process = start(tmp_path, max_epochs=60)
        try:
            process.communicate(timeout=rng.uniform(0.5, 8))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        whole = read_records(records) if list(records.glob("*.json")) else []
        assert len(whole) >= finished
        finished = len(whole)
        for path in records.glob("*.json"):
            read_ledger(path.with_suffix(".parquet"))
    planned = study(max_epochs=60)
    run(planned, tmp_path)
    run(planned, tmp_path / "undisturbed")
    assert figures(tmp_path) == figures(tmp_path / "undisturbed")


@pytest.mark.soak
def test_encoding_survives_fifty_kills(tmp_path: Path, opt_folder: Path):
    texts = [f"title number {n} of the {n % 13} worlds" for n in range(3000)]
    code = (
        "import tcf\n"
        "texts = [f'title number {n} of the {n % 13} worlds' for n in range(3000)]\n"
        f"tcf.encode_items(texts, encoder={str(opt_folder)!r}, cache={str(tmp_path)!r},"
        " batch_tokens=64, progress=False)\n"
    )
    import tcf

    rng = np.random.default_rng(1)
    for _ in range(NUM_KILLS):
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=rng.uniform(1, 6))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    found = tcf.encode_items(texts, encoder=opt_folder, cache=tmp_path, progress=False)
    fresh = tcf.encode_items(texts, encoder=opt_folder, progress=False)
    np.testing.assert_allclose(found, fresh, atol=1e-5 * np.abs(fresh).max())
