"""The store: found again, appended to, keyed by everything that shapes a vector."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tcf
from tcf.encode import encode_catalog, harvest
from tcf.encode.backends import hf, resolve
from tcf.encode.backends.transformer import TransformerReader
from tcf.encode.store import VectorStore
from tcf.encode.texts import digests
from tcf.errors import CacheError
from tests.tiny_models import TITLES


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Texts of each call that reached a model."""
    calls: list[list[str]] = []
    original = TransformerReader.encode

    def spy(self: TransformerReader, texts: list[str], wanted: np.ndarray, readings: Any) -> Any:
        calls.append([texts[p] for p in wanted])
        return original(self, texts, wanted, readings)

    monkeypatch.setattr(TransformerReader, "encode", spy)
    return calls


def test_a_second_call_needs_no_model(
    opt_folder: Path, tmp_path: Path, loads: list[list[str]]
) -> None:
    first = tcf.encode_items(TITLES, encoder=opt_folder, cache=tmp_path)
    again = tcf.encode_items(TITLES[::-1], encoder=opt_folder, cache=tmp_path)
    np.testing.assert_array_equal(again[::-1], first)
    assert len(loads) == 1


def test_a_second_call_loads_no_torch(opt_folder: Path, tmp_path: Path) -> None:
    tcf.encode_items(TITLES, encoder=opt_folder, cache=tmp_path, device="cpu")
    code = (
        "import sys, tcf; from tests.tiny_models import TITLES;"
        f"tcf.encode_items(TITLES, encoder={str(opt_folder)!r}, cache={str(tmp_path)!r}, "
        "device='cpu'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_new_texts_are_encoded(
    opt_folder: Path, tmp_path: Path, loads: list[list[str]]
) -> None:
    settings: Any = {"encoder": opt_folder, "dtype": "float32"}
    tcf.encode_items(TITLES[:3], cache=tmp_path, **settings)
    found = tcf.encode_items(TITLES, cache=tmp_path, **settings)
    assert [sorted(texts) for texts in loads] == [sorted(TITLES[:3]), sorted(TITLES[3:])]
    expected = tcf.encode_items(TITLES, **settings)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_parameter_counts_are_found_again(
    opt_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog: Any = SimpleNamespace(item_ids=("x", "y"), texts=tuple(TITLES[:2]))
    first = encode_catalog(catalog, encoder=opt_folder, cache=tmp_path)

    def refuse(*args: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(hf.Transformer, "reader", property(refuse))
    again = encode_catalog(catalog, encoder=opt_folder, cache=tmp_path)
    assert (again.key, again.manifest) == (first.key, first.manifest)
    np.testing.assert_array_equal(again.vectors, first.vectors)


def key(cache: Path, **settings: Any) -> str:
    catalog: Any = SimpleNamespace(item_ids=("x",), texts=("a car",))
    return encode_catalog(catalog, cache=cache, **settings).key


@pytest.mark.parametrize(
    "setting",
    [
        {"layer": 1},
        {"pooling": "last_token"},
        {"max_tokens": 9},
        {"prompt": "item: {text}"},
        {"normalize": True},
        {"dtype": "bfloat16"},
    ],
)
def test_the_key_follows_every_setting(setting: dict, opt_folder: Path, tmp_path: Path) -> None:
    plain = key(tmp_path, encoder=opt_folder, dtype=setting.get("_", "float32"))
    assert key(tmp_path, encoder=opt_folder, **{"dtype": "float32", **setting}) != plain


def test_the_key_does_not_follow_where_and_how_it_runs(opt_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(opt_folder, tmp_path / "copy")
    one = key(tmp_path / "a", encoder=opt_folder)
    assert key(tmp_path / "b", encoder=copy, batch_tokens=7, device="cpu", progress=False) == one


def test_tfidf_is_keyed_by_the_texts_it_was_fitted_on(tmp_path: Path) -> None:
    one = tcf.encode_items(TITLES, encoder="tfidf-svd", cache=tmp_path)
    assert tcf.encode_items(TITLES[1:], encoder="tfidf-svd", cache=tmp_path).shape != one.shape
    np.testing.assert_array_equal(
        tcf.encode_items(TITLES, encoder="tfidf-svd", cache=tmp_path), one
    )
    assert len(list((tmp_path / "embeddings").iterdir())) == 2


def filled(cache: Path) -> VectorStore:
    store = VectorStore(cache, {"encoder": "toy"})
    with store.writer() as writer:
        writer.add(digests(["a", "b"]), np.arange(4, dtype=np.float32).reshape(2, 2))
    return store


def test_what_was_added_is_read(tmp_path: Path) -> None:
    store = filled(tmp_path)
    ((positions, vectors),) = store.read(digests(["c", "b"]))
    assert positions.tolist() == [1]
    assert vectors.tolist() == [[2, 3]]


@pytest.mark.parametrize("pattern", ["[!.]*.rows.npy", "*[!s].npy"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), r"damaged: \d+ bytes, not \d+"),
        (lambda path: path.write_bytes(flipped(path.read_bytes())), "does not match its checksum"),
        (lambda path: path.unlink(), "cannot be read"),
    ],
)
def test_a_damaged_shard_is_named_and_only_its_texts_are_made_again(
    pattern: str, damage: Any, message: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = filled(tmp_path)
    path = next(store.folder.glob(pattern))
    with store.writer() as writer:
        writer.add(digests(["c"]), np.full((1, 2), 9, np.float32))
    damage(path)
    again = VectorStore(tmp_path, {"encoder": "toy"})
    ((positions, vectors),) = again.read(digests(["a", "b", "c"]))
    assert (positions.tolist(), vectors.tolist()) == ([2], [[9, 9]])
    assert path.name in caplog.text
    assert re.search(f"{message}.*; its 2 texts count as missing", caplog.text)
    with again.writer() as writer:
        writer.add(digests(["a", "b"]), np.zeros((2, 2), np.float32))
    caplog.clear()
    assert sum(len(p) for p, _ in again.read(digests(["a", "b", "c"]))) == 3
    assert not caplog.text
    assert len(list(store.folder.glob("[!.]*.npy"))) == 4  # nothing of the damaged shard is left


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    store = filled(tmp_path)
    (store.folder / "manifest.json").write_text("{")
    with pytest.raises(CacheError, match="is not a manifest"):
        list(store.read(digests(["a"])))


def test_a_manifest_of_another_key_is_named(tmp_path: Path) -> None:
    store = filled(tmp_path)
    path = store.folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "ingredients": {"encoder": "x"}}))
    with pytest.raises(CacheError, match="does not match the key"):
        list(store.read(digests(["a"])))


def test_what_a_killed_writer_left_is_ignored_and_removed(tmp_path: Path) -> None:
    store = filled(tmp_path)
    leavings = ["0of1-00.npy", ".0of1-00.npy.x.tmp"]
    of_a_living_writer = "1of2-00.npy"
    for name in [*leavings, of_a_living_writer]:
        (store.folder / name).write_bytes(b"half")
    assert len(list(store.read(digests(["a"])))) == 1
    with store.writer():  # cleans as it opens
        assert len(list(store.read(digests(["a"])))) == 1
    names = {path.name for path in store.folder.iterdir()}
    assert not names & set(leavings)
    assert of_a_living_writer in names


def test_a_full_disk_keeps_what_was_written_before(tmp_path: Path) -> None:
    """The kernel's own limit on a file's size stands for a disk that is full."""
    code = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from tcf.encode import store
from tcf.encode.texts import digests
store._FLUSH_SECONDS = 0.0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
vectors = store.VectorStore(Path(sys.argv[1]), {"encoder": "toy"})
with vectors.writer() as writer:
    writer.add(digests(["a"]), np.ones((1, 8), np.float32))
    writer.add(digests(["b"]), np.ones((1, 100_000), np.float32))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "CacheError" in done.stderr
    assert "must take 400,000 more bytes; it does not" in done.stderr
    assert "make room and call again" in done.stderr
    store = VectorStore(tmp_path, {"encoder": "toy"})
    ((positions, _),) = store.read(digests(["a", "b"]))
    assert positions.tolist() == [0]
    assert not list(store.folder.glob("*.tmp"))


def test_a_cache_that_cannot_be_written_is_named(opt_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CacheError, match=r"must be a folder that can be written; .* cannot"):
        tcf.encode_items(TITLES, encoder=opt_folder, cache=tmp_path / "file")


def test_a_read_only_cache_serves_what_it_holds(opt_folder: Path, tmp_path: Path) -> None:
    """Everything is found: nothing is opened for writing (root could, so it is watched)."""
    first = tcf.encode_items(TITLES, encoder=opt_folder, cache=tmp_path)
    before = sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*"))
    again = tcf.encode_items(TITLES, encoder=opt_folder, cache=tmp_path)
    np.testing.assert_array_equal(again, first)
    assert sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*")) == before


def test_a_store_of_another_format_is_another_key(
    opt_folder: Path, tmp_path: Path, loads: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    tcf.encode_items(TITLES, encoder=opt_folder, cache=tmp_path)
    monkeypatch.setattr(harvest, "FORMAT_VERSION", 2)
    tcf.encode_items(TITLES, encoder=opt_folder, cache=tmp_path)
    assert len(loads) == 2
    assert len(list((tmp_path / "embeddings").iterdir())) == 2


def test_work_done_before_an_error_is_kept(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, {"encoder": "toy"})
    with pytest.raises(KeyboardInterrupt), store.writer() as writer:
        writer.add(digests(["a"]), np.ones((1, 2), np.float32))
        raise KeyboardInterrupt
    assert len(list(store.read(digests(["a"])))) == 1


WORKER = """
import os, sys
import numpy as np, tcf
from tcf.encode import store
store._FLUSH_SECONDS = 0.0

class Slow:
    def identity(self):
        return {"backend": "slow"}
    def parameters(self):
        return {"total": 0, "without_embeddings": 0}
    def encode(self, texts, wanted):
        for n in wanted:
            text = texts[n]
            if n == int(sys.argv[2]):
                os._exit(9)
            print(text, flush=True)
            yield np.array([n]), np.array([[float(text), 1.0]])

vectors = tcf.encode_items([str(n) for n in range(20)], encoder=Slow(), cache=sys.argv[1])
assert vectors[:, 0].tolist() == list(range(20))
"""


def start(cache: Path, *, dies_at: int = -1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(cache), str(dies_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})


def test_a_killed_run_is_carried_on(tmp_path: Path) -> None:
    killed = start(tmp_path, dies_at=12)
    done, _ = killed.communicate()
    assert killed.returncode == 9
    assert done.split() == [str(n) for n in range(12)]
    second = start(tmp_path)
    rest, _ = second.communicate()
    assert second.returncode == 0
    assert rest.split() == [str(n) for n in range(12, 20)]


def test_two_writers_at_once_share_the_work(tmp_path: Path) -> None:
    both = [start(tmp_path) for _ in range(2)]
    lines = [text for process in both for text in process.communicate()[0].split()]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(lines, key=int) == [str(n) for n in range(20)]  # each text encoded once in all


def test_sentence_models_are_found_again(sentence_folder: Path, tmp_path: Path) -> None:
    first = tcf.encode_items(TITLES, encoder=sentence_folder, cache=tmp_path)
    np.testing.assert_array_equal(
        tcf.encode_items(TITLES, encoder=sentence_folder, cache=tmp_path), first
    )
    assert resolve.is_sentence_transformer(sentence_folder)
