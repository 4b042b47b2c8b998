"""Archives that mean no good, and those that do."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from tcf.data import unpack as unpacking
from tcf.data.unpack import is_archive, unpack
from tcf.errors import DataError

FILES = {"ml/u.item": b"1|Toy Story\n", "ml/sub/u.data": b"1\t2\t3\t4\n" * 50}
ENDINGS = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"]


def zipped(path: Path, files: dict[str, bytes], **of_info) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in of_info.items():
                setattr(info, key, value)
            archive.writestr(info, body)
    return path


def tarred(path: Path, files: dict[str, bytes], **of_info) -> Path:
    kind = path.suffix.removeprefix(".").replace("tgz", "gz").replace("tar", "")
    with tarfile.open(path, f"w:{kind}") as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            for key, value in of_info.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(body))
    return path


def archived(path: Path, files: dict[str, bytes], **of_info) -> Path:
    return (zipped if path.suffix == ".zip" else tarred)(path, files, **of_info)


def left(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def refused(archive: Path, match: str, **limits) -> None:
    """What is refused leaves nothing: neither in the folder nor beside it."""
    folder = archive.parent / "out"
    beside = left(archive.parent)
    with pytest.raises(DataError, match=match) as caught:
        unpack(archive, folder, **limits)
    assert str(archive) in str(caught.value)
    assert list(folder.iterdir()) == [] and left(archive.parent) == beside


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_come_out_without_the_folder_that_holds_them_all(tmp_path: Path, ending: str):
    archive = archived(tmp_path / f"a{ending}", FILES)
    assert is_archive(archive.name)
    sizes = unpack(archive, tmp_path / "out")
    assert sizes == {"u.item": 12, "sub/u.data": 400}
    assert left(tmp_path / "out") == ["sub/u.data", "u.item"]
    assert (tmp_path / "out" / "u.item").read_bytes() == FILES["ml/u.item"]


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_several_folders_stay_and_litter_does_not_come(tmp_path: Path, ending: str):
    litter = {"__MACOSX/ml/._x": b"x", "ml/.DS_Store": b"x", "ml/._y": b"x"}
    archive = archived(tmp_path / f"a{ending}", {**FILES, "other.txt": b"o", **litter})
    assert set(unpack(archive, tmp_path / "out")) == {*FILES, "other.txt"}


def test_folders_in_an_archive_are_no_files(tmp_path: Path):
    archive = zipped(tmp_path / "a.zip", {"ml/": b"", **FILES})
    assert set(unpack(archive, tmp_path / "out")) == {"u.item", "sub/u.data"}
    with tarfile.open(tmp_path / "a.tar", "w") as written:
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "f").write_bytes(b"f")
        written.add(tmp_path / "x", "./x")
    assert unpack(tmp_path / "a.tar", tmp_path / "out") == {"f": 1}


def test_a_second_time_replaces(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "u.item").write_bytes(b"half")
    unpack(zipped(tmp_path / "a.zip", FILES), tmp_path / "out")
    assert (tmp_path / "out" / "u.item").read_bytes() == FILES["ml/u.item"]


def test_a_lone_gz_is_left_to_the_readers():
    assert not is_archive("reviews.json.gz") and not is_archive("ratings.csv")


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:/evil", "C:evil", "a\nb", "a/\x1bb"],
)
def test_paths_out_of_the_folder_are_refused(tmp_path: Path, ending: str, name: str):
    archive = archived(tmp_path / f"a{ending}", {"good": b"g", name: b"bad"})
    refused(archive, "paths must stay in the folder; the archive has")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_of_a_tar_are_refused(tmp_path: Path, kind: bytes):
    archive = tarred(tmp_path / "a.tar", {"link": b""}, type=kind, linkname="/etc/passwd")
    refused(archive, "only files are unpacked; 'link' is a link, a device or sparse")


def test_a_link_under_which_a_file_is_put_is_refused(tmp_path: Path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("sub")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("sub/evil"))
    refused(tmp_path / "a.tar", "'sub' is a link")


def test_links_of_a_zip_are_refused(tmp_path: Path):
    link = {"external_attr": (stat.S_IFLNK | 0o777) << 16}
    refused(zipped(tmp_path / "a.zip", {"link": b"/etc/passwd"}, **link), "'link' is a link")


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_bombs_are_refused(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unpacking, "_ALWAYS_FINE_BYTES", 1_000)
    bomb = archived(tmp_path / f"a{ending}", {"one": bytes(50), "big": bytes(3_000_000)})
    refused(bomb, r"unpacked it may have [\d,]+ bytes, and it has more: is it what it should be\?")
    assert unpack(bomb, tmp_path / "out", max_ratio=10_000) == {"one": 50, "big": 3_000_000}


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_limits_on_bytes_and_files(tmp_path: Path, ending: str):
    archive = archived(tmp_path / f"a{ending}", FILES)
    refused(archive, "unpacked it may have 411 bytes, and it has more", max_bytes=411)
    refused(archive, "at most 1 files are unpacked; it has more", max_files=1)
    assert unpack(archive, tmp_path / "out", max_bytes=412, max_files=2)


@pytest.mark.filterwarnings("ignore:Duplicate name")  # zipfile warns as the test writes it
@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_one_path_twice_is_refused(tmp_path: Path, ending: str):
    archive = archived(tmp_path / f"a{ending}", {"x/a": b"1", "x/A": b"2"})
    refused(archive, "'x/A' is in the archive twice")
    archive = archived(tmp_path / f"b{ending}", {"x": b"1", "x/a": b"2"})
    refused(archive, "cannot be unpacked")


def test_encrypted_members_are_refused(tmp_path: Path):
    archive = zipped(tmp_path / "a.zip", {"secret": b"x"})
    body = bytearray(archive.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(mark) + place] |= 1
    archive.write_bytes(body)
    refused(archive, "'secret' is encrypted")


def test_an_unknown_compression_is_named(tmp_path: Path):
    archive = zipped(tmp_path / "a.zip", {"odd": b"x"})
    body = bytearray(archive.read_bytes())
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        body[body.index(mark) + place] = 99
    archive.write_bytes(body)
    refused(archive, "compression method is not supported")


@pytest.mark.parametrize("ending", ENDINGS)
def test_archives_that_end_early_are_refused(tmp_path: Path, ending: str):
    archive = archived(tmp_path / f"a{ending}", {"x": bytes(range(256)) * 40, "y": b"y" * 20_000})
    whole = archive.read_bytes()
    for share in (0.0, 0.01, 0.5):
        archive.write_bytes(whole[: int(len(whole) * share)])
        refused(archive, r"the archive cannot be read \(.*\): is it whole\? Fetch it again")


def test_a_zip_of_wrong_bytes_is_refused(tmp_path: Path):
    archive = zipped(tmp_path / "a.zip", {"x": bytes(range(256)) * 40})
    body = bytearray(archive.read_bytes())
    body[60] ^= 1
    archive.write_bytes(body)
    refused(archive, "the archive cannot be read")


@pytest.mark.parametrize("ending", [".tar.gz", ".tar.bz2", ".tar.xz"])
def test_checksums_at_the_end_of_an_archive_are_looked_at(tmp_path: Path, ending: str):
    archive = tarred(tmp_path / f"a{ending}", FILES)
    body = bytearray(archive.read_bytes())
    body[-6] ^= 1
    archive.write_bytes(body)
    refused(archive, "the archive cannot be read")


def test_an_archive_of_nothing_is_refused(tmp_path: Path):
    refused(zipped(tmp_path / "a.zip", {}), "an archive must hold files; it holds none")


def test_a_sparse_file_is_refused(tmp_path: Path):
    header = tarfile.TarInfo("hole")
    header.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    header.pax_headers |= {"GNU.sparse.realsize": str(10**12), "GNU.sparse.name": "hole"}
    header.size = 512
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(header, io.BytesIO(b"1\n0\n0\n".ljust(512, b"\0")))
    refused(tmp_path / "a.tar", "sparse")


def test_a_disk_too_small_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    archive = zipped(tmp_path / "a.zip", FILES)
    free = unpacking.shutil.disk_usage(tmp_path)._replace(free=5)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda path: free)
    refused(archive, "unpacking needs 12 more bytes; 5 are free")
