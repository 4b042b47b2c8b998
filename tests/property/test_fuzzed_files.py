"""Whatever a file holds, a reader gives items or a DataError that names the file: nothing else."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tcf.data.formats import READERS
from tcf.errors import DataError
from tests.samples import ITEMS, SAMPLES, Sample

NASTY = [b"\t", b"\n", b"\r", b'"', b",", b"\x00", b"\xff", b"\xef\xbb\xbf", b"  ", b"9" * 25, b""]
NASTY += [b"{", b"}", b"[", b"'", b"\\", b"::", b"|", b"-1", b"1e400", b"nan", b"\x1f", b"\xc2\x85"]
Change = Callable[[bytes, np.random.Generator], bytes]


def scattered(data: bytes, rng: np.random.Generator) -> bytes:
    """Put nasty bytes into a file, or take some out, at one to four places."""
    for _ in range(rng.integers(1, 5)):
        place, cut = rng.integers(0, len(data) + 1), rng.integers(0, 4)
        data = data[:place] + NASTY[rng.integers(len(NASTY))] + data[place + cut :]
    return data


def on_lines(change: Callable[[list[bytes], np.random.Generator], list[bytes]]) -> Change:
    def changed(data: bytes, rng: np.random.Generator) -> bytes:
        return b"".join(change(data.splitlines(keepends=True), rng))

    return changed


def other_columns(data: bytes, rng: np.random.Generator) -> bytes:
    """Drop, double or exchange a column wherever a line has one."""
    separator = max((b"\t", b",", b"::", b"|"), key=data.count)
    first, second = rng.integers(0, 3, 2)
    lines = [line.split(separator) for line in data.split(b"\n")]
    for cells in lines:
        if len(cells) > max(first, second):
            if first == second:
                del cells[first]
            elif rng.integers(8) == 0:
                cells.insert(first, cells[second])
            else:
                cells[first], cells[second] = cells[second], cells[first]
    return b"\n".join(separator.join(cells) for cells in lines)


CHANGES: list[Change] = [
    scattered,
    scattered,
    scattered,
    other_columns,
    lambda data, rng: data[: rng.integers(len(data) + 1)],
    lambda data, rng: b"\xef\xbb\xbf" + data,
    lambda data, rng: data.replace(b"\n", b"\r\n"),
    lambda data, rng: data.replace(b"\n", b"\r"),
    lambda data, rng: data.replace(b"\t", b","),
    lambda data, rng: data.replace(b",", b"\t"),
    lambda data, rng: data.decode("utf-8", "replace").encode("utf-16"),
    lambda data, rng: data.decode("utf-8", "replace").encode("latin-1", "replace"),
    lambda data, rng: data.replace(b"15", b"-15"),
    lambda data, rng: data.replace(b"1", b"1.5", 1),
    lambda data, rng: data.replace(b"000\n", b"\n", 1),
    lambda data, rng: data + b"x" * 300_000,
    lambda data, rng: b"",
    lambda data, rng: b"\n\n",
    on_lines(lambda lines, rng: lines[1:]),
    on_lines(lambda lines, rng: lines[:1]),
    on_lines(lambda lines, rng: [*lines, lines[rng.integers(len(lines))]] if lines else []),
    on_lines(lambda lines, rng: [lines[n] for n in rng.permutation(len(lines))]),
]


def changed_file(path: Path, rng: np.random.Generator) -> None:
    """Change a file's content; now and then damage its compression, or make it a folder."""
    data = path.read_bytes()
    zipped = path.suffix == ".gz"
    data = CHANGES[rng.integers(len(CHANGES))](gzip.decompress(data) if zipped else data, rng)
    data = gzip.compress(data) if zipped else data
    if zipped and rng.random() < 0.3:
        data = data[: rng.integers(len(data))]
    path.unlink()
    if rng.random() < 0.02:
        path.mkdir()
    elif rng.random() > 0.02:
        path.write_bytes(data)


def read_changed(folder: Path, sample: Sample, rng: np.random.Generator) -> None:
    """Change one file of a sample and read it; a DataError must name it."""
    sample.write(folder)
    names = sorted(sample.files)
    changed_file(folder / names[rng.integers(len(names))], rng)
    try:
        catalog, taken = READERS[sample.reader](folder, **sample.options)
    except DataError as error:
        assert str(folder) in str(error), error
        return
    assert taken.num_interactions and taken.rows.min() >= 1
    assert taken.rows.max() <= catalog.num_items
    texts = dict(zip(catalog.item_ids, catalog.texts, strict=True))
    for item_id, title in ITEMS.items():  # an item never takes the text of another
        others = set(ITEMS.values()) - {title}
        assert not any(other in texts.get(item_id, title) for other in others)


def fuzz(folder: Path, *, seed: int, num_files: int) -> None:
    rng = np.random.default_rng(seed)
    samples = list(SAMPLES.values())
    for number in range(num_files):
        read_changed(folder / f"{number}", samples[number % len(samples)], rng)


def test_two_hundred_fuzzed_files(tmp_path: Path):
    fuzz(tmp_path, seed=0, num_files=200)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 6))
def test_thousands_of_fuzzed_files(tmp_path: Path, seed: int):
    fuzz(tmp_path, seed=seed, num_files=2000)
