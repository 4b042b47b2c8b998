"""Where an encoder is described, before any of its weights are downloaded. Loads no torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcf.encode.backends.files import is_path, is_sentence_transformer, locate, out_of_reach
from tcf.encode.encoders import ENCODERS, KnownEncoder
from tcf.encode.spec import EncoderSpec
from tcf.errors import EncoderError

__all__ = ["Source", "find_source"]


@dataclass(frozen=True)
class Source:
    """What is known of an encoder without its weights.

    Attributes:
        config: Folder with a config.json, or ``model_type`` and arguments from `ENCODERS`.
        words: Where that came from, for people.
        weights: Whether the weights lie beside it.
    """

    config: Path | Mapping[str, Any]
    words: str
    weights: bool = False

    @property
    def folder(self) -> Path | None:
        """The folder, if there is one."""
        return self.config if isinstance(self.config, Path) else None


def find_source(spec: EncoderSpec) -> Source:
    """Return the first of: local folder, hub cache, `ENCODERS`, and config.json from the hub.

    Raises:
        ValueError: If the encoder is known to be no transformer.
        EncoderError: If there is no such folder, or it has no config, or the hub gives none.
    """
    known = next((entry for entry in ENCODERS.values() if entry.spec.name == spec.name), None)
    if known is not None and known.config is None:
        raise ValueError(
            f"a plan is for language models, whose weights must be read; {spec.name} has none. "
            "Encode at once"
        )
    folder = Path(spec.name).expanduser()
    if folder.is_dir():
        return Source(_described(folder, spec.name), f"the folder {folder}", _has_weights(folder))
    if folder.exists() or is_path(spec.name):
        if known is not None:
            return _listed(known)
        locate(spec.name)  # says what a folder needs
    return _from_hub(spec, known)


def _from_hub(spec: EncoderSpec, known: KnownEncoder | None) -> Source:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    try:
        cached = try_to_load_from_cache(spec.name, "config.json", revision=spec.revision)
        if isinstance(cached, str):
            folder = Path(cached).parent
            return Source(folder, "the local hub cache", _has_weights(folder))
        if known is not None:
            return _listed(known)
        fetched = hf_hub_download(spec.name, "config.json", revision=spec.revision)
    except Exception as error:  # the hub client raises many kinds, of its own and of httpx
        raise out_of_reach(
            repr(spec.name),
            error,
            what="is no folder here, not in the local hub cache and not in ENCODERS, and its "
            "config.json could not be fetched",
            fix="Give a local folder that holds config.json; weights are not needed for a plan",
            name=spec.name,
        ) from error
    return Source(Path(fetched).parent, "its config.json, fetched from the hub")


def _listed(known: KnownEncoder) -> Source:
    assert known.config is not None
    return Source(known.config, "the table of known encoders")


def _described(folder: Path, name: str) -> Path:
    if (folder / "config.json").is_file() or is_sentence_transformer(folder):
        return folder
    found = ", ".join(sorted(p.name for p in folder.iterdir())[:5]) or "nothing"
    raise EncoderError(f"encoder {name!r}: {folder} must hold config.json; found {found}")


def _has_weights(folder: Path) -> bool:
    """Whether the folder holds weights, and all the parts that their index names."""
    try:
        locate(str(folder))
    except EncoderError:
        return False
    kind = "safetensors" if any(folder.glob("*.safetensors")) else "bin"
    indices = folder.glob(f"*.{kind}.index.json")  # a hub snapshot may hold the other kind's too
    maps = [json.loads(path.read_text(encoding="utf-8"))["weight_map"] for path in indices]
    return all((folder / part).is_file() for parts in maps for part in set(parts.values()))
