"""One file over HTTP: it arrives whole and verified, or not at all."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tcf.data import fetch as fetching
from tcf.data.dataset import DataFile
from tcf.data.fetch import fetch
from tcf.errors import DataError
from tests.file_server import Act, FileServer

REPOSITORY = Path(__file__).parents[3]
BODY = bytes(range(256)) * 2_000
SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()
CUT = 300_000


def serving(*script: Act, body: bytes = BODY, **settings) -> FileServer:
    return FileServer(*script, files={"f.bin": body}, **settings)


def file_at(*servers: FileServer, size: int | None = None, checksum: str | None = None) -> DataFile:
    return DataFile("f.bin", tuple(one.address("f.bin") for one in servers), size, checksum)


def brought(file: DataFile, folder: Path, **settings) -> bytes:
    path = folder / "f.bin"
    assert (
        fetch(file, path, wait_seconds=0, **settings)
        == hashlib.sha256(path.read_bytes()).hexdigest()
    )
    assert [p.name for p in folder.iterdir()] == ["f.bin"]  # nothing is left beside it
    return path.read_bytes()


def refused(file: DataFile, folder: Path, match: str, **settings) -> str:
    with pytest.raises(DataError, match=match) as caught:
        fetch(file, folder / "f.bin", wait_seconds=0, **settings)
    assert not (folder / "f.bin").exists()
    return str(caught.value)


@pytest.mark.parametrize("checksum", [None, f"sha256:{SHA256}", f"md5:{MD5}"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_comes_whole(tmp_path: Path, checksum: str | None, chunked: bool):
    seen: list[tuple[int, int | None]] = []
    with serving(Act(chunked=chunked)) as server:
        file = file_at(server, size=len(BODY), checksum=checksum)
        assert brought(file, tmp_path, report=lambda *x: seen.append(x)) == BODY
    assert seen[-1] == (len(BODY), None if chunked else len(BODY))
    assert server.ranges == [None]


def test_an_empty_file_comes_too(tmp_path: Path):
    with serving(body=b"") as server:
        assert brought(file_at(server), tmp_path) == b""


def test_a_dropped_connection_is_taken_up_where_it_ended(tmp_path: Path):
    with serving(Act(cut=CUT), Act(cut=100_000)) as server:
        assert brought(file_at(server), tmp_path, tries=1) == BODY  # with bytes no try is lost
    assert server.ranges == [None, f"bytes={CUT}-", f"bytes={CUT + 100_000}-"]
    assert server.requests[1][1]["If-Range"].startswith('"')


def test_a_dropped_chunked_answer_is_begun_again_or_taken_up(tmp_path: Path):
    with serving(Act(cut=CUT, chunked=True)) as server:
        assert brought(file_at(server), tmp_path) == BODY


def test_what_a_server_without_ranges_sends_again_is_not_added(tmp_path: Path):
    with serving(Act(cut=CUT), Act(ignores_range=True)) as server:
        assert brought(file_at(server), tmp_path) == BODY


def test_nothing_proves_that_a_file_is_the_same_so_it_is_begun_again(tmp_path: Path):
    with serving(Act(cut=CUT), tag=lambda body: None) as server:
        assert brought(file_at(server), tmp_path) == BODY
    assert server.ranges == [None, None]


@pytest.mark.parametrize("tag", [lambda body: None, lambda body: 'W/"weak"'])
def test_a_checksum_proves_it_afterwards(tmp_path: Path, tag):
    with serving(Act(cut=CUT), tag=tag) as server:
        assert brought(file_at(server, checksum=f"sha256:{SHA256}"), tmp_path) == BODY
    assert server.ranges == [None, f"bytes={CUT}-"]
    assert "If-Range" not in server.requests[1][1]


def test_last_modified_is_a_validator(tmp_path: Path):
    dated = {"Last-Modified": "Tue, 03 Nov 2026 10:00:00 GMT"}
    acts = (Act(cut=CUT, headers=dated), Act(headers=dated, ignores_if_range=True))
    with serving(*acts, tag=lambda body: None) as server:
        assert brought(file_at(server), tmp_path) == BODY
    assert server.requests[1][1]["If-Range"] == dated["Last-Modified"]


@pytest.mark.parametrize("knows_if_range", [True, False])
def test_a_file_that_changes_between_two_tries_is_never_mixed(tmp_path: Path, knows_if_range: bool):
    other = BODY[::-1]
    path, script = tmp_path / "f.bin", (Act(cut=CUT), Act(status=500))
    with serving(*script) as server:
        with pytest.raises(DataError, match=f"{CUT:,} bytes are kept"):
            fetch(file_at(server), path, tries=1, wait_seconds=0)
        server.files["f.bin"] = other
        server.script.append(Act(ignores_if_range=not knows_if_range))
        assert brought(file_at(server), tmp_path) == other
    assert server.ranges[2] == f"bytes={CUT}-"


def test_a_file_that_grew_without_a_tag_to_tell_is_caught_by_its_length(tmp_path: Path):
    dated = {"Last-Modified": "Tue, 03 Nov 2026 10:00:00 GMT"}
    late = (Act(headers=dated, ignores_if_range=True),) * 2
    with serving(Act(cut=CUT, headers=dated), Act(status=500), *late, tag=lambda b: None) as server:
        refused(file_at(server), tmp_path, "status 500", tries=1)
        server.files["f.bin"] = b"x" + BODY
        assert brought(file_at(server), tmp_path) == b"x" + BODY


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_passing_errors_are_asked_again(tmp_path: Path, status: int):
    with serving(*(Act(status=status, headers={"Retry-After": "0"}),) * 3) as server:
        assert brought(file_at(server), tmp_path, tries=4) == BODY
    assert len(server.requests) == 4


def test_tries_end(tmp_path: Path):
    with serving(*(Act(status=500),) * 9) as server:
        said = refused(file_at(server), tmp_path, "status 500: try again later", tries=3)
        assert str(tmp_path / "f.bin") in said and server.url in said
    assert len(server.requests) == 3


def test_waits_grow_and_follow_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []
    monkeypatch.setattr(fetching.time, "sleep", waits.append)
    script = (Act(status=500), Act(status=503, headers={"Retry-After": "7"}), Act(status=500))
    with serving(*script, Act(status=429, headers={"Retry-After": "9999"})) as server:
        fetch(file_at(server), tmp_path / "f.bin", wait_seconds=1.5)
    assert waits == [3.0, 7.0, 12.0, 60.0]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_address_without_the_file_is_left_for_the_next(tmp_path: Path, status: int):
    with serving(Act(status=status)) as gone, serving() as there:
        assert brought(file_at(gone, there), tmp_path) == BODY
    (tmp_path / "f.bin").unlink()
    with serving(Act(status=status)) as gone:
        refused(file_at(gone), tmp_path, f"status {status}")
        assert len(gone.requests) == 1


def test_nobody_listens(tmp_path: Path):
    with serving() as server:
        file = file_at(server)
    refused(file, tmp_path, "Connection refused", tries=2)


def test_an_address_that_is_none(tmp_path: Path):
    refused(DataFile("f.bin", ("nonsense",)), tmp_path, "unknown url type")


def test_what_one_address_began_another_ends_if_a_checksum_is_known(tmp_path: Path):
    with serving(Act(cut=CUT)) as first, serving() as second:
        file = file_at(first, second, checksum=f"sha256:{SHA256}")
        assert brought(file, tmp_path) == BODY
    assert second.ranges == [f"bytes={CUT}-"]
    with serving(Act(cut=CUT)) as first, serving() as second:
        (tmp_path / "f.bin").unlink()
        assert brought(file_at(first, second), tmp_path) == BODY
    assert second.ranges == [None]


def test_wrong_bytes_are_refused_with_what_was_expected(tmp_path: Path):
    with serving(*(Act(flaw=True),) * 9) as server:
        said = refused(file_at(server, checksum=f"sha256:{SHA256}"), tmp_path, "its sha256 must be")
        assert SHA256 in said and "got" in said and len(server.requests) == 1
        refused(file_at(server, checksum=f"md5:{MD5}"), tmp_path, f"its md5 must be {MD5}; got")
    assert not list(tmp_path.iterdir())


def test_wrong_bytes_of_one_address_come_right_from_another(tmp_path: Path):
    with serving(Act(flaw=True)) as wrong, serving() as right:
        file = file_at(wrong, right, checksum=f"sha256:{SHA256}")
        assert brought(file, tmp_path) == BODY


def test_a_wrong_beginning_is_fetched_again_from_the_same_address(tmp_path: Path):
    with serving(Act(cut=CUT, flaw=True)) as server:
        assert brought(file_at(server, checksum=f"sha256:{SHA256}"), tmp_path) == BODY
    assert server.ranges == [None, f"bytes={CUT}-", None]


def test_a_wrong_length_is_refused_before_the_bytes_come(tmp_path: Path):
    with serving() as server:
        refused(file_at(server, size=7), tmp_path, r"has 512,000 bytes; 7 are published")
        assert not list(tmp_path.iterdir())
    with serving(Act(chunked=True)) as server:
        refused(file_at(server, size=7), tmp_path, r"512,000 bytes came; 7 are published")


def test_a_length_that_lies_is_a_dropped_connection(tmp_path: Path):
    longer = {"Content-Length": str(len(BODY) + 5)}
    with serving(*(Act(headers=longer, cut=len(BODY)),) * 4, tag=lambda body: None) as server:
        refused(file_at(server), tmp_path, "ended after 512,000 of 512,005 bytes", tries=2)


def test_a_web_page_is_no_file(tmp_path: Path):
    with serving(Act(headers={"Content-Type": "text/html; charset=utf-8"})) as server:
        refused(file_at(server), tmp_path, "a web page came instead of the file")


@pytest.mark.parametrize("packed", ["gzip", "br"])
def test_what_a_server_packs_unasked_is_not_taken_for_the_file(tmp_path: Path, packed: str):
    headers = {"Content-Encoding": packed}
    with serving(Act(headers=headers)) as server:
        refused(file_at(server), tmp_path, rf"it came packed \({packed}\), though unasked")
    with FileServer(Act(headers=headers), files={"f.json.gz": BODY}) as server:
        fetch(DataFile("f.json.gz", (server.address("f.json.gz"),)), tmp_path / "f.json.gz")


def test_redirects_are_followed(tmp_path: Path):
    with serving() as there, serving(Act(302, {"Location": there.address("f.bin")})) as here:
        assert brought(file_at(here), tmp_path) == BODY


def test_a_redirect_in_circles_ends(tmp_path: Path):
    with serving(*(Act(302, {"Location": "/f.bin"}),) * 99) as server:
        refused(file_at(server), tmp_path, "status 302", tries=1)


def test_a_redirect_from_a_secured_address_to_an_open_one_is_not_followed():
    redirects = fetching._SafeRedirects()
    asked = fetching.Request("https://example.org/f.bin")
    with pytest.raises(fetching._FailedError, match=r"leads from https to http://example\.org"):
        redirects.redirect_request(asked, None, 302, "", {}, "http://example.org/f.bin")


def test_a_range_that_was_not_asked_for_is_refused(tmp_path: Path):
    wrong = {"Content-Range": "bytes 5-9/10"}
    with serving(Act(status=206, headers=wrong)) as server:
        assert brought(file_at(server), tmp_path) == BODY
    (tmp_path / "f.bin").unlink()
    with serving(Act(status=206, headers=wrong)) as server:
        refused(file_at(server), tmp_path, "got status 206 of another", tries=1)


@pytest.mark.parametrize("notes", [None, "{", "[]"])
def test_a_partial_file_whose_notes_are_lost_is_begun_again(tmp_path: Path, notes: str | None):
    (tmp_path / ".f.bin.part").write_bytes(BODY[:CUT][::-1])
    if notes is not None:
        (tmp_path / ".f.bin.part.json").write_text(notes)
    with serving() as server:
        assert brought(file_at(server), tmp_path) == BODY


def test_a_partial_file_that_is_too_long_is_begun_again(tmp_path: Path):
    (tmp_path / ".f.bin.part").write_bytes(BODY + b"more")
    with serving() as server:
        assert brought(file_at(server, checksum=f"sha256:{SHA256}"), tmp_path) == BODY
    assert server.ranges == [f"bytes={len(BODY) + 4}-", None]


def test_a_partial_file_that_was_whole_needs_no_request(tmp_path: Path):
    (tmp_path / ".f.bin.part").write_bytes(BODY)
    with serving() as server:
        assert brought(file_at(server, size=len(BODY), checksum=f"md5:{MD5}"), tmp_path) == BODY
    assert server.requests == []


def test_a_disk_that_is_full_is_named_before_it_is(tmp_path: Path):
    huge = {"Content-Length": str(10**18)}
    with serving(Act(headers=huge, cut=0)) as server:
        refused(
            file_at(server),
            tmp_path,
            r"1,000,000,000,000,000,000 more bytes are needed; [\d,]+ are",
        )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_disk_that_gets_full_is_named(tmp_path: Path):
    (tmp_path / ".f.bin.part").symlink_to("/dev/full")
    with serving() as server:
        refused(file_at(server), tmp_path, "no space is left on the disk")


def test_a_killed_download_is_taken_up(tmp_path: Path):
    """SIGKILL in the middle, then the same call again: only the rest is asked for."""
    code = (
        "import sys; from pathlib import Path; from tcf.data.dataset import DataFile; "
        "from tcf.data.fetch import fetch; "
        "fetch(DataFile('f.bin', (sys.argv[1],)), Path(sys.argv[2]) / 'f.bin')"
    )
    hold = threading.Event()
    with serving(Act(cut=CUT, hold=hold)) as server:
        arguments = [sys.executable, "-c", code, server.address("f.bin"), str(tmp_path)]
        process = subprocess.Popen(arguments, cwd=REPOSITORY)
        partial = tmp_path / ".f.bin.part"
        while process.poll() is None and not (partial.exists() and partial.stat().st_size):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        hold.set()
        size = partial.stat().st_size
        assert 0 < size <= CUT and not (tmp_path / "f.bin").exists()
        assert json.loads((tmp_path / ".f.bin.part.json").read_text())["total"] == len(BODY)
        assert brought(file_at(server), tmp_path) == BODY
    assert server.ranges == [None, f"bytes={size}-"]
