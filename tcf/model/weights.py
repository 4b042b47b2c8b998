"""Weights on disk: safetensors that say which architecture they belong to."""

import json
from collections.abc import Mapping
from os import PathLike

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tcf._util import atomic_write
from tcf.errors import DataError

__all__ = ["read_weights", "write_weights"]

_KEY = "tcf.architecture"


def write_weights(
    path: str | PathLike[str], weights: Mapping[str, Tensor], *, architecture: Mapping[str, str]
) -> None:
    """Write weights and their architecture, atomically.

    Args:
        path: A ``.safetensors`` file.
        weights: By name.
        architecture: What shapes do not tell, by part.
    """
    about = {_KEY: json.dumps(dict(architecture), ensure_ascii=False)}
    held = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
    with atomic_write(path) as temporary:
        save_file(held, temporary, metadata=about)


def read_weights(
    path: str | PathLike[str],
    like: Mapping[str, Tensor],
    *,
    architecture: Mapping[str, str],
    part: str | None = None,
) -> dict[str, Tensor]:
    """Read weights of a known architecture.

    Args:
        path: What `write_weights` wrote.
        like: The names and shapes that must be there.
        architecture: What the file must say.
        part: Read and check this part alone, whose names begin with it; None: all.

    Raises:
        DataError: If the file is missing or damaged, or its weights are of another architecture.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(_KEY, "null"))
            names = [n for n in file.keys() if part in (None, n.partition(".")[0])]  # noqa: SIM118
            held = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(
            f"{path}: a safetensors file of weights is needed ({error}): save the model again"
        ) from error
    if not isinstance(about, dict):
        raise DataError(
            f"{path}: weights saved by tcf are needed, which say their architecture; "
            "this file says none"
        )
    for name, expected in architecture.items():
        if part in (None, name) and about.get(name) != expected:
            raise _other(path, name, expected=expected, found=about.get(name))
    for name in sorted({*like, *held}):
        shapes = [str(tuple(w[name].shape)) if name in w else "nothing" for w in (like, held)]
        if shapes[0] != shapes[1]:
            raise _other(path, name, expected=shapes[0], found=shapes[1])
    return held


def _other(path: str | PathLike[str], part: str, *, expected: str, found: object) -> DataError:
    return DataError(
        f"{path}: weights of this architecture are needed, whose {part} is {expected}; "
        f"found {found}: build the model as the one that was saved"
    )
