"""Data sets into folders: what is fetched, taken from the folder, refused or left to the user."""

import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from tcf.data.dataset import Counts, DataFile, DataSet
from tcf.data.download import download_dataset
from tcf.data.formats import read_folder
from tcf.errors import DataError
from tests.file_server import Act, FileServer
from tests.samples import SAMPLES
from tests.unit.data.test_unpack import zipped

REPOSITORY = Path(__file__).parents[3]
FILES = SAMPLES["movielens 100k"].files


def movies(*files: DataFile, **settings) -> DataSet:
    return DataSet(
        title="Movies",
        page="https://example.org",
        reader="movielens",
        licence="CC0",
        citation="nobody",
        counts=Counts(3, 4, 6),
        checked="a made file of the same format",
        files=files,
        **settings,
    )


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    return zipped(
        tmp_path / "made.zip", {f"ml/{name}": body for name, body in FILES.items()}
    ).read_bytes()


def names(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {
        ".tcf-download.lock"
    }


def test_an_archive_is_fetched_unpacked_and_read(tmp_path: Path, archive: bytes):
    checksum = f"sha256:{hashlib.sha256(archive).hexdigest()}"
    with FileServer(files={"m.zip": archive}) as server:
        file = DataFile("m.zip", (server.address("m.zip"),), len(archive), checksum)
        one = download_dataset(movies(file), tmp_path / "out", progress=False)
        assert names(tmp_path / "out") == {*FILES, ".tcf-download.json"}
        assert one.load(tmp_path / "out")[0].num_items == 4
        assert one.licence == "CC0"
        download_dataset(movies(file), tmp_path / "out")
        assert len(server.requests) == 1  # the second call finds everything
        (tmp_path / "out" / "u.data").write_text("damaged")
        download_dataset(movies(file), tmp_path / "out")
    assert (tmp_path / "out" / "u.data").read_bytes() == FILES["u.data"]


def test_an_archive_goes_into_its_folder(tmp_path: Path, archive: bytes):
    with FileServer(files={"m.zip": archive}) as server:
        file = DataFile("m.zip", (server.address("m.zip"),), folder="train")
        download_dataset(movies(file), tmp_path / "out")
    assert names(tmp_path / "out") == {"train/u.item", "train/u.data", ".tcf-download.json"}
    notes = json.loads((tmp_path / "out" / ".tcf-download.json").read_text())
    assert notes["files"]["m.zip"]["sha256"] == hashlib.sha256(archive).hexdigest()


def test_what_is_done_is_not_done_again_after_a_failure(tmp_path: Path):
    with FileServer(Act(), Act(status=404), files=FILES) as server:
        one = movies(*(DataFile(name, (server.address(name),)) for name in FILES))
        with pytest.raises(DataError, match=r"u.data: the file must come from one of its .*404"):
            download_dataset(one, tmp_path)
        assert names(tmp_path) == {"u.item", ".tcf-download.json"}
        download_dataset(one, tmp_path)
        assert [name for name, _ in server.requests] == ["u.item", "u.data", "u.data"]
    assert read_folder(tmp_path)[1].num_interactions == 6


def test_a_gz_stays_as_it_is(tmp_path: Path):
    sample = SAMPLES["plain csv.gz"]
    with FileServer(files=sample.files) as server:
        files = [DataFile(name, (server.address(name),)) for name in sample.files]
        one = replace(movies(*files), reader="plain")
        download_dataset(one, tmp_path)
    assert names(tmp_path) == {*sample.files, ".tcf-download.json"}
    assert one.load(tmp_path)[1].num_users == 3


def test_what_is_noted_in_the_folder_is_no_file_of_the_data(tmp_path: Path):
    """The reader of Amazon takes whatever JSON lies beside the metadata."""
    files = SAMPLES["amazon 2018"].files
    with FileServer(files=files) as server:
        one = replace(
            movies(*(DataFile(name, (server.address(name),)) for name in files)), reader="amazon"
        )
        download_dataset(one, tmp_path)
    assert one.load(tmp_path)[1].num_interactions == 6


def test_a_part_names_its_files(tmp_path: Path):
    with FileServer(files={"meta_Books.json": b"{}", "meta_Toys.json": b"{ }"}) as server:
        file = DataFile("meta_{part}.json", (server.url + "/meta_{part}.json",))
        one = movies(file, parts=("Books", "Toys"))
        download_dataset(one, tmp_path, part="Books")
        assert names(tmp_path) == {"meta_Books.json", ".tcf-download.json"}
        with pytest.raises(DataError, match="it holds Movies Books, and Movies Toys is asked for"):
            download_dataset(one, tmp_path, part="Toys")
    for part, match in (
        ("Bokos", "part must be one of Books, Toys; got 'Bokos'; did you mean 'Books'"),
        (None, "Movies: part= must be one of Books, Toys"),
    ):
        with pytest.raises(ValueError, match=match):
            download_dataset(one, tmp_path / "other", part=part)
    with pytest.raises(ValueError, match="Movies has no parts; got part='Books': leave it out"):
        download_dataset(movies(), tmp_path / "other", part="Books")
    assert not (tmp_path / "other").exists()


def test_a_file_that_is_there_is_taken_only_if_it_is_the_published_one(tmp_path: Path):
    body = FILES["u.item"]
    (tmp_path / "u.item").write_bytes(body)
    right = f"md5:{hashlib.md5(body).hexdigest()}"
    nowhere = ("http://127.0.0.1:9/u.item",)
    for file, match in (
        (DataFile("u.item", nowhere), "no checksum is published by which to tell"),
        (DataFile("u.item", nowhere, 7, right), rf"it must have 7 bytes; it has {len(body)}"),
        (DataFile("u.item", nowhere, None, "md5:00"), "its md5 must be 00; got"),
    ):
        with pytest.raises(DataError, match=f"u.item: a file is there already, and {match}"):
            download_dataset(movies(file), tmp_path)
    download_dataset(movies(DataFile("u.item", nowhere, None, right)), tmp_path)
    assert (tmp_path / "u.item").read_bytes() == body


def test_what_needs_a_click_says_what_to_do(tmp_path: Path, archive: bytes):
    folder = tmp_path / "out"
    one = movies(DataFile("m.zip"), by_hand="accept the terms and place m.zip in the folder")
    match = r"Movies cannot be downloaded for you \(CC0\). By hand: accept the terms.*out"
    for asked in (one, movies(by_hand="accept the terms")):
        with pytest.raises(DataError, match=match):
            download_dataset(asked, folder)
    assert not folder.exists()
    folder.mkdir()
    (folder / "m.zip").write_bytes(archive)
    download_dataset(one, folder)
    assert names(folder) == {*FILES, "m.zip", ".tcf-download.json"}  # what you placed stays
    (folder / "m.zip").unlink()
    download_dataset(one, folder)


def test_a_damaged_archive_placed_by_hand_is_named(tmp_path: Path):
    (tmp_path / "m.zip").write_bytes(b"<html>log in</html>")
    one = movies(DataFile("m.zip"), by_hand="place m.zip")
    with pytest.raises(DataError, match=r"m.zip: the archive cannot be read \(File is not a zip"):
        download_dataset(one, tmp_path)
    assert names(tmp_path) == {"m.zip"}


def test_two_downloads_into_one_folder(tmp_path: Path):
    with (
        FileLock(tmp_path / ".tcf-download.lock"),
        pytest.raises(DataError, match="another process downloads into this folder"),
    ):
        download_dataset(movies(), tmp_path)


@pytest.mark.parametrize("notes", ["{", "[]", '{"other": 1}'])
def test_damaged_notes_are_named(tmp_path: Path, notes: str):
    (tmp_path / ".tcf-download.json").write_text(notes)
    with pytest.raises(DataError, match=r"the notes of the last download cannot be read: .*remove"):
        download_dataset(movies(), tmp_path)


def test_a_fetched_file_that_was_not_noted_before_a_kill_is_known_as_ours(
    tmp_path: Path, archive: bytes
):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / ".m.zip").write_bytes(archive)
    (folder / ".u.extra").write_bytes(b"x")
    nowhere = "http://127.0.0.1:9/"
    files = (DataFile("m.zip", (nowhere,)), DataFile("u.extra", (nowhere,)))
    download_dataset(movies(*files), folder)
    assert names(folder) == {*FILES, "u.extra", ".tcf-download.json"}


def test_an_unknown_name_has_a_near_miss(tmp_path: Path):
    with pytest.raises(ValueError, match="did you mean 'movielens-100k'"):
        download_dataset("movielens-100", tmp_path)


def test_a_killed_download_goes_on(tmp_path: Path):
    """SIGKILL in the second of two files: the first is not asked for again, nor what came."""
    files = {"u.item": FILES["u.item"], "u.data": FILES["u.data"] * 5_000}
    code = (
        "import sys; from tests.unit.data.test_download import movies; "
        "from tcf.data.dataset import DataFile; from tcf.data.download import download_dataset; "
        "files = (DataFile(n, (sys.argv[1] + n,)) for n in ('u.item', 'u.data')); "
        "download_dataset(movies(*files), sys.argv[2])"
    )
    hold = threading.Event()
    with FileServer(Act(), Act(cut=200_000, hold=hold), files=files) as server:
        arguments = [sys.executable, "-c", code, f"{server.url}/", str(tmp_path)]
        process = subprocess.Popen(arguments, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
        partial = tmp_path / ".u.data.part"
        while process.poll() is None and not (partial.exists() and partial.stat().st_size):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        hold.set()
        assert names(tmp_path) == {
            "u.item",
            ".tcf-download.json",
            ".u.data.part",
            ".u.data.part.json",
        }
        one = movies(*(DataFile(name, (server.address(name),)) for name in files))
        download_dataset(one, tmp_path)
        assert [name for name, _ in server.requests] == ["u.item", "u.data", "u.data"]
        assert server.ranges[2] is not None
    assert names(tmp_path) == {*files, ".tcf-download.json"}
    assert (tmp_path / "u.data").read_bytes() == files["u.data"]
