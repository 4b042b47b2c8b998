"""Finding a model, and knowing it again by what it is and not by where it lies."""

import json
import shutil
from pathlib import Path

import pytest

import tcf
from tcf.encode.backends import files
from tcf.encode.backends.files import fingerprint, locate
from tcf.errors import EncoderError


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(EncoderError, match=r"no encoder folder at .*nowhere; give a folder"):
        locate("./nowhere")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(EncoderError, match=r"must hold config.json and weights; found notes.md"):
        locate(str(tmp_path))


def test_a_folder_without_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EncoderError, match="holds no weights"):
        locate(str(tmp_path))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(EncoderError, match="is a file"):
        locate(str(tmp_path / "model.safetensors"))


def test_a_hub_name_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*args: object, **kwargs: object) -> str:
        raise OSError("Name or service not known\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    message = (
        r"'nobody/model' is no folder here, not in the local hub cache, and could not be fetched "
        r"from the hub \(Name or service not known\)\. .*hf download nobody/model.*HF_HUB_OFFLINE=1"
    )
    with pytest.raises(EncoderError, match=message):
        tcf.encode_items(["a"], encoder="nobody/model")
    with pytest.raises(EncoderError, match="did you mean 'opt-125m'"):
        tcf.encode_items(["a"], encoder="opt125m")


def test_a_hub_name_is_its_snapshot(opt_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: str(opt_folder))
    assert tcf.encode_items(["a car"], encoder="someone/tiny-opt").shape == (1, 32)


def test_a_copy_has_the_same_fingerprint(opt_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(opt_folder, tmp_path / "elsewhere"))
    config = json.loads((copy / "config.json").read_text())
    config["_name_or_path"] = str(copy)
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "README.md").write_text("a model")
    assert fingerprint(copy) == fingerprint(opt_folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_every_file_that_matters_is_in_the_fingerprint(
    name: str, opt_folder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(opt_folder, tmp_path / "changed"))
    content = (copy / name).read_bytes()
    if name.endswith(".json"):
        content = json.dumps({**json.loads(content), "new": 1}).encode()
    else:
        content = content[:-1] + bytes([content[-1] ^ 1])
    (copy / name).write_bytes(content)
    assert fingerprint(copy) != fingerprint(opt_folder)


def test_a_pooling_folder_is_part_of_a_pipeline(sentence_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(sentence_folder, tmp_path / "changed"))
    pooling = next(copy.glob("*_Pooling/config.json"))
    pooling.write_text(json.dumps({**json.loads(pooling.read_text()), "include_prompt": False}))
    assert fingerprint(copy) != fingerprint(sentence_folder)


def test_hashes_are_remembered_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_RACY_SECONDS", -1.0)
    weights = tmp_path / "m" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"one")
    before = fingerprint(weights.parent, memory=tmp_path / "hashes")
    (note,) = (tmp_path / "hashes").iterdir()
    note.write_text(note.read_text().replace(before["weights"]["model.safetensors"], "known"))
    again = fingerprint(weights.parent, memory=tmp_path / "hashes")
    assert again["weights"]["model.safetensors"] == "known"
    weights.write_bytes(b"three")
    changed = fingerprint(weights.parent, memory=tmp_path / "hashes")
    assert changed["weights"]["model.safetensors"] not in ("known", before["weights"])


def test_damaged_json_is_named(opt_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(opt_folder, tmp_path / "m"))
    (copy / "config.json").write_text("{")
    with pytest.raises(EncoderError, match=r"config.json: not valid JSON"):
        tcf.encode_items(["a"], encoder=copy, cache=tmp_path / "cache")


def test_weights_that_are_missing_would_be_random(opt_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = Path(shutil.copytree(opt_folder, tmp_path / "m"))
    tensors = load_file(copy / "model.safetensors")
    name = next(n for n in tensors if "layers.1.fc1.weight" in n)
    save_file({n: t for n, t in tensors.items() if n != name}, copy / "model.safetensors")
    with pytest.raises(EncoderError, match=r"1 weights that shape the vectors .*layers\.1\.fc1"):
        tcf.encode_items(["a car"], encoder=copy)
    assert tcf.encode_items(["a car"], encoder=copy, layer=1).shape == (1, 32)  # not needed there


def test_truncated_weights_are_named(opt_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(opt_folder, tmp_path / "m"))
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(EncoderError, match="the model could not be loaded"):
        tcf.encode_items(["a car"], encoder=copy)


def test_a_missing_tokenizer_is_named(opt_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(opt_folder, tmp_path / "m"))
    for path in copy.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(EncoderError, match="no tokenizer could be loaded"):
        tcf.encode_items(["a car"], encoder=copy)


def test_a_damaged_pipeline_is_named(sentence_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(sentence_folder, tmp_path / "m"))
    next(copy.glob("*_Dense/model.safetensors")).write_bytes(b"?")
    with pytest.raises(EncoderError, match="not a sentence-transformers model that can be loaded"):
        tcf.encode_items(["a car"], encoder=copy)
