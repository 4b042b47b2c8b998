"""A model's files: where they are, and the hashes that say which model it is. Loads no torch."""

import contextlib
import difflib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from tcf._util import write_json
from tcf.encode.encoders import ENCODERS
from tcf.errors import EncoderError

__all__ = [
    "file_hash",
    "fingerprint",
    "is_path",
    "is_sentence_transformer",
    "locate",
    "out_of_reach",
    "small_files",
    "weight_files",
]

_IGNORED = {  # what shapes no vector
    "generation_config.json",
    "ladder.json",  # how a member of a ladder was trained, and in how many seconds
    "trainer_state.json",
    "all_results.json",
    "train_results.json",
}
_SMALL = ["*.json", "*.txt", "*.model", "*.tiktoken"]
_ELSEWHERE = ["onnx/*", "openvino/*", "original/*", "*.onnx", "*.msgpack", "*.h5", "*.ot"]
_VOLATILE = ("_name_or_path", "name_or_path", "transformers_version")
_RACY_SECONDS = 2.0


def locate(
    name: str, *, revision: str | None = None, code: bool = False, weights: bool = True
) -> Path:
    """Return the folder that holds a model, fetching a hub name's files where they are missing.

    Args:
        name: Folder or hub name.
        revision: Branch, tag or commit of a hub name.
        code: Also fetch the Python files that came with the model.
        weights: Whether weights are needed; otherwise none are fetched.

    Raises:
        EncoderError: If there is no such folder, it holds no model, or the hub cannot be reached.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _checked(folder, name, weights)
    if folder.exists():
        raise EncoderError(f"an encoder is a folder or a hub name; {name} is a file")
    if is_path(name):
        raise EncoderError(
            f"no encoder folder at {folder.resolve()}; give a folder with config.json"
        )
    return _checked(_from_hub(name, revision, code, weights), name, weights)


def out_of_reach(shown: str, error: Exception, *, what: str, fix: str, name: str) -> EncoderError:
    """Return the error of an encoder that is neither here nor to be had from the hub.

    Args:
        shown: The encoder as the user named it.
        error: What the hub client raised; its first line is the reason.
        what: What was looked for, and not found.
        fix: What to do.
        name: Compared with `ENCODERS` for a near miss.
    """
    close = difflib.get_close_matches(name, ENCODERS, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return EncoderError(f"encoder {shown} {what} from the hub ({reason}){hint}. {fix}")


def is_path(name: str) -> bool:
    """Whether a name can only be that of a folder, and not one on the hub."""
    return name.count("/") > 1 or name.startswith(("/", ".", "~")) or "\\" in name


def is_sentence_transformer(folder: Path) -> bool:
    """Whether the folder describes a sentence-transformers pipeline."""
    return (folder / "modules.json").is_file()


def fingerprint(folder: Path, *, memory: Path | None = None, code: bool = False) -> dict[str, Any]:
    """Return the SHA-256 of every file that shapes what the model says, by kind and relative name.

    JSON files are hashed by meaning, without the fields that only say where they were saved, so a
    copied or re-saved folder has the same fingerprint.

    Args:
        folder: From `locate`.
        memory: Folder in which hashes of large files are remembered by path, size and time of
            change; None hashes them anew.
        code: Also the model's own Python files, which the caller trusts and will run.
    """
    weights = weight_files(folder)
    return {
        "weights": {p.relative_to(folder).as_posix(): file_hash(p, memory=memory) for p in weights},
        "files": small_files(folder, code=code),
    }


def small_files(folder: Path, *, code: bool = False) -> dict[str, str]:
    """Return relative name -> SHA-256 of what is read besides weights: configs and tokenizer.

    Args:
        folder: From `locate`.
        code: Also the model's own Python files.
    """
    found = sorted(
        path
        for part in _model_folders(folder)
        for pattern in ([*_SMALL, "*.py"] if code else _SMALL)
        for path in part.glob(pattern)
        if path.name not in _IGNORED and not _is_shard_index(path)
    )
    return {path.relative_to(folder).as_posix(): _meaning_hash(path) for path in found}


def _checked(folder: Path, name: str, weights: bool) -> Path:
    if not (folder / "config.json").is_file() and not is_sentence_transformer(folder):
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:5]) or "nothing"
        raise EncoderError(
            f"encoder {name!r}: {folder} must hold config.json and weights; found {found}"
        )
    if weights and not weight_files(folder):
        raise EncoderError(
            f"encoder {name!r}: {folder} holds no weights (*.safetensors or *.bin); "
            "download the model again or save it with save_pretrained"
        )
    return folder


def _from_hub(name: str, revision: str | None, code: bool, weights: bool) -> Path:
    from huggingface_hub import snapshot_download

    small = [*_SMALL, "*.py"] if code else _SMALL

    def fetch(patterns: list[str]) -> Path:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=patterns, ignore_patterns=_ELSEWHERE
            )
        )

    try:
        folder = fetch([*small, "*.safetensors"] if weights else small)
        # Older models have PyTorch weights only; fetched on their own, never beside safetensors.
        return fetch([*small, "*.bin"]) if weights and not weight_files(folder) else folder
    except Exception as error:  # the hub client raises many kinds, of its own and of httpx
        at = "" if revision is None else f" at revision {revision!r}"
        raise out_of_reach(
            f"{name!r}{at}",
            error,
            what="is no folder here, not in the local hub cache, and could not be fetched",
            fix=f"Give a local folder, or download it once where there is a network (hf download "
            f"{name}) and set HF_HUB_OFFLINE=1",
            name=name,
        ) from error


def _model_folders(folder: Path) -> list[Path]:
    if not is_sentence_transformer(folder):
        return [folder]
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    parts = {folder / module.get("path", "") for module in modules}
    return sorted({folder, *(part for part in parts if part.is_dir())})


def weight_files(folder: Path) -> list[Path]:
    """The weight files that loading would read: PyTorch ones only where no safetensors are."""
    files: list[Path] = []
    for part in _model_folders(folder):
        found = sorted(part.glob("*.safetensors")) or sorted(part.glob("*.bin"))
        files += [p for p in found if p.name != "training_args.bin"]
    return files


def _is_shard_index(path: Path) -> bool:
    return path.name.endswith(
        ".index.json"
    )  # says how weights are cut into files, not what they are


def _meaning_hash(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".json":
        try:
            value = json.loads(content)
        except ValueError as error:
            raise EncoderError(
                f"{path}: not valid JSON ({error}); download the model again"
            ) from None
        if isinstance(value, dict):
            value = {k: v for k, v in value.items() if k not in _VOLATILE}
        content = json.dumps(value, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def file_hash(path: Path, *, memory: Path | None = None) -> str:
    """Return the SHA-256 of a file's bytes, as hex digits; ``memory`` as in `fingerprint`."""
    state = path.stat()
    about = {"path": str(path.resolve()), "size": state.st_size, "mtime_ns": state.st_mtime_ns}
    note = memory and memory / f"{hashlib.sha256(os.fsencode(about['path'])).hexdigest()}.json"
    if note and note.is_file():
        try:
            known = json.loads(note.read_text(encoding="utf-8"))
            if all(known.get(k) == v for k, v in about.items()):
                return known["sha256"]
        except (ValueError, KeyError, AttributeError):
            pass  # a damaged note costs one more reading
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # A file changed just now may change again within the same clock tick, unseen.
    if note and time.time() - state.st_mtime > _RACY_SECONDS:
        with contextlib.suppress(OSError):  # a cache that cannot be written costs one more reading
            write_json(note, {**about, "sha256": digest})
    return digest
