"""Fifty kills at random moments lose nothing that was finished and change no figure."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tcf
from tcf.encode.store import VectorStore
from tcf.encode.texts import digests
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


WORKER = """
import sys
from pathlib import Path
import tcf
from tcf.encode import store
from tcf.encode.backends import transformer

store._FLUSH_SECONDS = 0.05
original = transformer.TransformerReader.encode

def logged(self, texts, wanted, readings):
    for positions, vectors in original(self, texts, wanted, readings):
        with open(sys.argv[3], "a") as log:
            log.writelines(f"{texts[p]}\\n" for p in positions)
        yield positions, vectors

transformer.TransformerReader.encode = logged
texts = [f"title number {n} of the {n % 13} worlds" for n in range(3000)]
print("ready", flush=True)
tcf.encode_items(texts, encoder=sys.argv[1], cache=sys.argv[2], batch_tokens=64, dtype="float32",
                 progress=False)
"""


def start_encoding(model: Path, cache: Path, log: Path, rank: int, world: int) -> subprocess.Popen:
    env = {**os.environ, "RANK": str(rank), "WORLD_SIZE": str(world)}
    command = [sys.executable, "-c", WORKER, str(model), str(cache), str(log)]
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize(
    "num_kills", [2, pytest.param(NUM_KILLS, marks=pytest.mark.soak)], ids=["few", "fifty"]
)
def test_encoding_survives_kills(
    num_kills: int, world: int, tmp_path: Path, opt_folder: Path
) -> None:
    texts = [f"title number {n} of the {n % 13} worlds" for n in range(3000)]
    settings: Any = {"encoder": opt_folder, "batch_tokens": 64, "dtype": "float32"}
    hashes = digests(texts)
    cache, log = tmp_path / "cache", tmp_path / "log"
    rng = np.random.default_rng(world)
    for _ in range(num_kills):
        before = stored(cache, hashes)
        log.write_text("")
        running = [start_encoding(opt_folder, cache, log, rank, world) for rank in range(world)]
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()  # its imports are done: from here on it works
        time.sleep(rng.uniform(0, 1.5))
        for process in running:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        made = set(log.read_text().splitlines())
        assert not made & {text for text, here in zip(texts, before, strict=True) if here}
        assert (stored(cache, hashes) | ~before).all()  # what was kept stays
    found = tcf.encode_items(texts, cache=cache, progress=False, **settings)
    fresh = tcf.encode_items(texts, progress=False, **settings)
    if world == 1:
        np.testing.assert_array_equal(found, fresh)
    else:  # each process cuts batches of its own share
        np.testing.assert_allclose(found, fresh, atol=1e-5 * np.abs(fresh).max())


def stored(cache: Path, hashes: np.ndarray) -> np.ndarray:
    """Which texts the one store of a cache holds, reading every byte of it."""
    held = np.zeros(len(hashes), bool)
    for path in cache.glob("embeddings/*/manifest.json"):
        ingredients = json.loads(path.read_text())["ingredients"]
        for positions, _ in VectorStore(cache, ingredients).read(hashes):
            held[positions] = True
    return held


def run_and_keep_weights(folder: Path, num_arms: int, ready: Any) -> None:
    """Run a study with a checkpoint at every step; the weights of each run are kept beside."""
    from safetensors.torch import save_file

    from tcf.study import one_run, runner
    from tests.tiny_study import ARMS, study

    original = one_run.fit

    def kept(model: Any, split: Any, config: Any, **settings: Any) -> Any:
        ready.set()  # from here on it trains
        history = original(model, split, config, **settings)
        key = settings["checkpoint"].parent.name
        (folder / "weights").mkdir(exist_ok=True)
        save_file(model.state_dict(), folder / "weights" / f"{key}.safetensors")
        return history

    one_run.fit = kept
    runner.run_study(
        study(max_epochs=5, arms=ARMS[:num_arms]),
        records=folder / "records",
        cache=folder / "cache",
        num_workers=1,
        checkpoint_every_seconds=0,
        say=lambda _text: None,
    )


def in_a_process(folder: Path, num_arms: int, *, killed_after: float | None) -> int | None:
    """Run the study in a process of its own; returns how it ended, None if it was killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tcf.study.runner", "tests.tiny_study", "sklearn.decomposition"]
    )
    ready = context.Event()
    process = context.Process(target=run_and_keep_weights, args=(folder, num_arms, ready))
    process.start()
    while process.is_alive() and not ready.wait(0.02):
        continue  # until it has imported what it needs, or has ended
    process.join(killed_after)
    if process.exitcode is None:
        process.kill()  # SIGKILL
        process.join()
        return None
    return process.exitcode


@pytest.mark.parametrize(
    ("num_kills", "num_arms"), [(3, 1), pytest.param(20, 2, marks=pytest.mark.soak)]
)
def test_training_survives_kills(num_kills: int, num_arms: int, tmp_path: Path) -> None:
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    began = time.monotonic()
    assert in_a_process(undisturbed, num_arms, killed_after=None) == 0
    longest = time.monotonic() - began
    rng = np.random.default_rng(num_kills)
    in_the_middle = 0
    for _ in range(num_kills):
        in_a_process(disturbed, num_arms, killed_after=rng.uniform(0, longest / num_kills))
        in_the_middle += bool(list(disturbed.glob("cache/checkpoints/*/training.safetensors")))
    assert in_the_middle
    assert in_a_process(disturbed, num_arms, killed_after=None) == 0
    assert figures(disturbed) == figures(undisturbed)
    names = sorted(path.name for path in (undisturbed / "weights").iterdir())
    assert len(names) == 2 * num_arms
    for name in names:
        one, other = (f / "weights" / name for f in (disturbed, undisturbed))
        assert one.read_bytes() == other.read_bytes()
    assert not list(disturbed.glob("cache/checkpoints/*"))
