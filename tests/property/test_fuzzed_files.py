"""Whatever a file holds, a reader gives items or a DataError that names the file: nothing else."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tcf.data.catalog import Catalog
from tcf.data.formats import read_interactions, read_items, read_microlens
from tcf.errors import DataError

CATALOG = Catalog(tuple(str(i) for i in range(1, 8)), tuple(f"title {i}" for i in range(1, 8)))
ITEMS = "item_id\ttitle\n" + "".join(f'{i}\ttitle "{i}" # tag\n' for i in range(1, 8))
INTERACTIONS = "user_id\titem_id\ttimestamp\n" + "".join(
    f"u{n % 3}\t{n % 7 + 1}\t{n}\n" for n in range(12)
)
PAIRS = "".join(f"{user}\t{user} 2 3 7\n" for user in range(1, 6))
TITLES = "item,title\n" + "".join(f'{i},"title, {i}"\n' for i in range(1, 8))
NASTY = [b"\t", b"\n", b"\r", b'"', b",", b"\x00", b"\xff", b"\xef\xbb\xbf", b"  ", b"9" * 25, b""]


def mutated(text: str, rng: np.random.Generator) -> bytes:
    """Put nasty bytes into a file, or take some out, at one to four places."""
    data = text.encode()
    for _ in range(rng.integers(1, 5)):
        place, cut = rng.integers(0, len(data) + 1), rng.integers(0, 4)
        data = data[:place] + NASTY[rng.integers(len(NASTY))] + data[place + cut :]
    return data


def read_mutated(folder: Path, rng: np.random.Generator) -> None:
    """Mutate one file of a kind and read it; a DataError must name it."""
    kind, suffix = rng.integers(3), ("", ".gz")[rng.integers(2)]
    if kind == 2:
        pairs, titles = folder / "x_pairs.tsv", folder / "x_titles.csv"
        pairs.write_bytes(mutated(PAIRS, rng) if rng.integers(2) else PAIRS.encode())
        titles.write_bytes(mutated(TITLES, rng))
        path, read = folder, lambda: read_microlens(folder)
    else:
        path = folder / f"file{('.tsv', '.csv')[rng.integers(2)]}{suffix}"
        text = (ITEMS, INTERACTIONS)[kind]
        if ".csv" in path.suffixes:
            text = text.replace('"', "").replace("\t", ",")
        data = mutated(text, rng)
        data = gzip.compress(data) if suffix else data
        path.write_bytes(data[: rng.integers(len(data))] if rng.random() < 0.1 else data)
        read = (
            (lambda: read_items(path)) if kind == 0 else (lambda: read_interactions(path, CATALOG))
        )
    try:
        read()
    except DataError as error:
        assert str(path) in str(error)


def fuzz(folder: Path, *, seed: int, num_files: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(num_files):
        read_mutated(folder, rng)


def test_two_hundred_fuzzed_files(tmp_path):
    fuzz(tmp_path, seed=0, num_files=200)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 6))
def test_thousands_of_fuzzed_files(tmp_path, seed: int):
    fuzz(tmp_path, seed=seed, num_files=2000)
