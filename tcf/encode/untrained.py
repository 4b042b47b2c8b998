"""An encoder's shape with the weights of its architecture's start: what training it has added."""

import json
import os
import shutil
from pathlib import Path

from filelock import FileLock

from tcf._util import atomic_folder, hash_json
from tcf.encode.backends.files import is_sentence_transformer, locate, small_files
from tcf.encode.encoders import resolve
from tcf.encode.spec import EncoderSpec
from tcf.errors import EncoderError

__all__ = ["random_weights"]

_FORMAT = 1  # raised by a change that may move a weight
_WITHOUT_WEIGHTS = {"Pooling", "Normalize"}


def random_weights(
    encoder: str | Path | EncoderSpec, folder: str | os.PathLike[str], *, seed: int
) -> Path:
    """Write a model of the encoder's shape that never saw a text, or find it; no weight is fetched.

    It has the encoder's own config and tokenizer, and weights drawn by the architecture's own
    initialisation (``_init_weights`` in Transformers, whose version may matter), in float32: a
    model to be encoded with like any other, whose key hashes the weights drawn. It must fit in the
    CPU's memory. A folder appears whole or not at all.

    Args:
        encoder: As in `encode_items`, a language model; its weights need not be there.
        folder: Holds a folder for each model and seed.
        seed: Of the weights.

    Returns:
        The model's folder; of a sentence-transformers model, one with the same pipeline.

    Raises:
        EncoderError: If there is no config and tokenizer to be had, no model of them can be built,
            or the pipeline has trained parts besides its transformer.
    """
    spec = resolve(encoder)
    code = spec.trust_remote_code
    source = locate(spec.name, revision=spec.revision, code=code, weights=False)
    files = small_files(source, code=code)
    part = _transformer_of(source)
    key = hash_json({"format": _FORMAT, "files": files, "seed": seed})
    made = Path(folder) / f"{Path(spec.name).name}-{key[:12]}"
    made.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(made.with_name(f".{made.name}.lock")):  # another process may be at it
        if not made.is_dir():
            with atomic_folder(made) as temporary:
                for name in files:
                    (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source / name, temporary / name)
                _draw_weights(temporary / part, seed=seed, code=code)
    return made


def _draw_weights(folder: Path, *, seed: int, code: bool) -> None:
    """Write weights beside a config."""
    from tcf.encode.backends.loading import quiet, untrained_model

    model = untrained_model(folder, seed=seed, trust_remote_code=code)
    with quiet():
        model.save_pretrained(folder)


def _transformer_of(folder: Path) -> str:
    """Return where in a folder the transformer's config lies, ``""`` for the folder itself."""
    if not is_sentence_transformer(folder):
        return ""
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    kinds = {module["type"].rpartition(".")[2]: module.get("path", "") for module in modules}
    trained = sorted(kinds.keys() - _WITHOUT_WEIGHTS - {"Transformer"})
    if trained or "Transformer" not in kinds:
        raise EncoderError(
            f"{folder}: of a pipeline, the weights of its Transformer alone can be drawn anew; it "
            f"has {', '.join(sorted(kinds))}: name the folder of its transformer"
        )
    return kinds["Transformer"]
