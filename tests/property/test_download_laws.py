"""Whatever a server does, a file comes whole or not at all; what an archive holds stays inside."""

import hashlib
import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tcf.data.dataset import DataFile
from tcf.data.fetch import fetch
from tcf.data.unpack import unpack
from tcf.errors import DataError
from tests.file_server import Act, FileServer

BODIES = [bytes(range(256)) * 40, b"another\n" * 1_280]  # of one length
ACTS = st.builds(
    Act,
    status=st.sampled_from([None, None, None, 206, 404, 416, 500]),
    cut=st.none() | st.integers(0, 11_000),
    flaw=st.booleans(),
    ignores_range=st.booleans(),
    ignores_if_range=st.booleans(),
    chunked=st.booleans(),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    began=ACTS.filter(lambda act: act.cut and not act.status),
    script=st.lists(ACTS, max_size=4),
    tagged=st.booleans(),
    checked=st.booleans(),
    changes=st.booleans(),
)
@example(
    began=Act(cut=5_000),
    script=[Act(ignores_if_range=True)],
    tagged=True,
    checked=False,
    changes=True,
)
def test_a_file_is_never_mixed_and_never_half(began, script, tagged, checked, changes):
    """A first call ends early, the file may change, and a second call meets whatever it meets."""
    wanted = BODIES[int(changes)]
    checksum = f"sha256:{hashlib.sha256(wanted).hexdigest()}" if checked else None
    if not checked:  # nothing else tells of a flaw
        began, *script = (Act(**{**vars(act), "flaw": False}) for act in (began, *script))
    tag = (lambda body: f'"{hash(body)}"') if tagged else (lambda body: None)
    with tempfile.TemporaryDirectory() as name, FileServer(files={}, tag=tag) as server:
        path, file = Path(name) / "f", DataFile("f", (server.address("f"),) * 2, None, checksum)
        for body, acts in ((BODIES[0], [began, *[Act(status=500)] * 5]), (wanted, script)):
            server.files["f"], server.script[:] = body, acts
            try:
                fetch(file, path, tries=2, wait_seconds=0)
            except DataError:
                assert not path.exists()
            else:
                assert path.read_bytes() == (wanted if checked else body)
                path.unlink()


def made(ending: str) -> bytes:
    out, files = io.BytesIO(), {"x/a.csv": b"a,b\n1,2\n" * 300, "x/b.csv": bytes(range(256)) * 8}
    if ending == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in files.items():
                archive.writestr(name, body)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode=f"w:{ending.removeprefix('tar').removeprefix('.')}") as tar:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return out.getvalue()


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tar.xz"])
def test_a_damaged_archive_is_refused_or_stays_in_its_folder(tmp_path: Path, ending: str):
    rng, whole = np.random.default_rng(0), made(ending)
    for number in range(250):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), rng.integers(1, 6)):
            data[place] = rng.integers(256)
        folder = tmp_path / str(number)
        folder.mkdir()
        archive = folder / f"a.{ending}"
        archive.write_bytes(data[: len(data) - rng.integers(0, 2) * rng.integers(len(data))])
        try:
            sizes = unpack(archive, folder / "out")
        except DataError as error:
            assert str(archive) in str(error) and "\n" not in str(error)
            assert list((folder / "out").iterdir()) == []
        else:
            for name, size in sizes.items():
                assert (folder / "out" / name).stat().st_size == size
        assert sorted(p.name for p in folder.iterdir()) == [f"a.{ending}", "out"]
