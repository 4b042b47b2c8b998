"""The trained weights of a study's runs, kept in the cache by fingerprint."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_model, save_model

from tcf._util import atomic_write
from tcf.errors import CacheError
from tcf.model.recommender import Recommender

__all__ = ["load_weights", "save_weights", "weights_path"]


def weights_path(folder: Path, *, fingerprint: str) -> Path:
    """Where the weights of a run lie."""
    return folder / f"{fingerprint}.safetensors"


def save_weights(model: Recommender, folder: Path, *, fingerprint: str) -> None:
    """Write the weights of a run, atomically; a frozen encoder's vectors are not among them."""
    with atomic_write(weights_path(folder, fingerprint=fingerprint)) as temporary:
        save_model(model, str(temporary), metadata={"tcf.run": fingerprint})


def load_weights(model: Recommender, folder: Path, *, fingerprint: str) -> bool:
    """Put the weights of a run into its untrained recommender; False if they are not kept.

    Raises:
        CacheError: If the file is damaged, or holds the weights of another model.
    """
    path = weights_path(folder, fingerprint=fingerprint)
    if not path.exists():
        return False
    try:
        load_model(model, path, strict=True)
    except (SafetensorError, RuntimeError, OSError) as error:
        raise CacheError(
            f"{path}: the weights of this run are needed ({error}): remove the file"
        ) from error
    return True
