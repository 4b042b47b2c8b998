"""Processes of one launch share the texts, and make good what a dead one left."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tcf.encode.ranks import is_first_rank, shares
from tcf.encode.texts import digests

WORKER = """
import os, sys, time
import numpy as np, tcf
from tcf.encode import store
store._FLUSH_SECONDS = 0.0

class Slow:
    def identity(self):
        return {"backend": "slow"}
    def parameters(self):
        return {"total": 0, "without_embeddings": 0}
    def encode(self, texts, wanted):
        for n, place in enumerate(wanted):
            if n == int(sys.argv[2]):
                os._exit(9)
            time.sleep(0.01)
            print(texts[place], flush=True)
            yield np.array([place]), np.array([[float(texts[place]), 1.0]])

vectors = tcf.encode_items([str(n) for n in range(40)], encoder=Slow(), cache=sys.argv[1])
assert vectors[:, 0].tolist() == list(range(40))
"""


def start(cache: Path, rank: int, *, dies_at: int = -1) -> subprocess.Popen[str]:
    env = {**os.environ, "RANK": str(rank), "WORLD_SIZE": "2"}
    command = [sys.executable, "-c", WORKER, str(cache), str(dies_at)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env
    )


def test_shares_are_disjoint_and_whole_and_ones_own_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashes = digests([str(n) for n in range(1000)])
    assert [name for name, _ in shares(hashes)] == ["0of1"]
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "1")
    assert not is_first_rank()
    parts = dict(shares(hashes))
    assert list(parts) == ["1of3", "2of3", "0of3"]
    assert (np.sum(list(parts.values()), axis=0) == 1).all()
    assert all(250 < part.sum() < 420 for part in parts.values())


def test_two_ranks_encode_no_text_twice_and_each_has_them_all(tmp_path: Path) -> None:
    both = [start(tmp_path, rank) for rank in range(2)]
    lines = [process.communicate()[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(lines)  # each did some
    assert sorted(lines[0] + lines[1], key=int) == [str(n) for n in range(40)]


def test_a_rank_that_dies_is_made_good(tmp_path: Path) -> None:
    dying = start(tmp_path, 1, dies_at=5)
    done = dying.communicate()[0].split()
    assert (dying.returncode, len(done)) == (9, 5)
    left = start(tmp_path, 0)
    rest = left.communicate()[0].split()
    assert left.returncode == 0
    assert sorted(done + rest, key=int) == [str(n) for n in range(40)]
