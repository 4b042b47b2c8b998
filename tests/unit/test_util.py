"""Look-up, atomic writing, JSON and hashes."""

import json
import os
from pathlib import Path

import pytest

from tcf._util import atomic_write, differing, hash_json, lookup, write_json

TABLE = {"sasrec": 1, "dssm": 2}


def test_lookup_returns_the_value():
    assert lookup(TABLE, "dssm", "backbone") == 2


def test_lookup_names_the_near_miss():
    message = r"^backbone must be one of dssm, sasrec; got 'sasrek'; did you mean 'sasrec'\?$"
    with pytest.raises(ValueError, match=message):
        lookup(TABLE, "sasrek", "backbone")


def test_lookup_guesses_nothing_when_nothing_is_near():
    with pytest.raises(ValueError, match=r"^backbone must be one of dssm, sasrec; got 'xyz'$"):
        lookup(TABLE, "xyz", "backbone")


def test_atomic_write_makes_the_folder_and_leaves_only_the_file(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "file.txt"
    with atomic_write(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_atomic_write_replaces_the_old_file(tmp_path: Path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [KeyError("broken"), KeyboardInterrupt()])
def test_atomic_write_keeps_the_old_file_on_an_error(tmp_path: Path, error: BaseException):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(type(error)), atomic_write(path) as temporary:
        temporary.write_text("ha")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_can_be_read_by_others_as_the_umask_says(tmp_path: Path):
    umask = os.umask(0o022)
    try:
        write_json(tmp_path / "file.json", {})
    finally:
        os.umask(umask)
    assert (tmp_path / "file.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_write_json_refuses_a_number_that_is_not_finite(tmp_path: Path, number: float):
    path = tmp_path / "file.json"
    write_json(path, {"value": 0.5})
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        write_json(path, {"value": number})
    assert json.loads(path.read_text()) == {"value": 0.5}
    assert list(tmp_path.iterdir()) == [path]


def test_write_json_keeps_every_letter(tmp_path: Path):
    write_json(tmp_path / "file.json", {"name": "Käse 百"})
    assert "Käse 百" in (tmp_path / "file.json").read_text(encoding="utf-8")


def test_hash_json_looks_at_content_and_not_at_the_order_of_keys():
    assert hash_json({"a": 1, "b": [1, 2]}) == hash_json({"b": [1, 2], "a": 1})
    assert hash_json({"a": 1, "b": [1, 2]}) != hash_json({"a": 1, "b": [2, 1]})
    assert hash_json({"a": 1}) != hash_json({"a": "1"})
    assert len(hash_json(None)) == 64
    with pytest.raises(ValueError, match="not JSON compliant"):
        hash_json(float("nan"))


def test_what_differs_is_said_down_to_nested_fields():
    here = {"a": 1, "b": {"c": 2, "d": 3}}
    assert differing(here, here) == ""
    assert differing(here, {"a": 1, "b": {"c": 5}}) == "b.c is 5, here 2; b.d is None, here 3"
    many = dict.fromkeys("abcdefg", 0)
    assert differing(many, {}).endswith("e is None, here 0; and 2 more")
