"""A training's checkpoint: one file that says what it belongs to and where the training stands."""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tcf.data.split import Split
from tcf.errors import CacheError
from tcf.model.losses import Loss
from tcf.train.config import TrainConfig

__all__ = ["Checkpoint", "identity_of"]

FORMAT = 1
SHARE = 20  # writing takes at most one part in so many of the time


class Checkpoint:
    """A file in the safetensors format whose header holds the rest as JSON.

    It is replaced in one step, so that a kill at any moment leaves the old one or the new one. One
    process writes it.

    Args:
        path: The file.
        every_seconds: At least so long between two. A large model whose file takes long to write
            gets fewer: writing takes at most a twentieth of the time. 0: as often as can be.
        identity: What the training is; a file of another one is refused.
    """

    def __init__(self, path: Path, *, every_seconds: float, identity: Mapping[str, Any]):
        if every_seconds < 0:
            raise ValueError(f"checkpoint_every_seconds must not be negative; got {every_seconds}")
        self.path, self._every = Path(path), every_seconds
        self._identity = json.loads(json.dumps(identity))
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Whether it is time to write one."""
        return time.monotonic() - self._last >= self._every

    def write(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Replace the file.

        Args:
            state: What JSON holds.
            tensors: On any device.
        """
        began = time.monotonic()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # one name, so that kills do not pile up what they leave
        partial = self.path.with_name(f".{self.path.name}.partial")
        facts = {"identity": self._identity, "state": state}
        whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(whole, partial, {"tcf": json.dumps(facts, allow_nan=False)})
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, self.path)
        self._last = time.monotonic()
        if self._every:
            self._every = max(self._every, SHARE * (self._last - began))

    def read(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Return what the file holds, or None where there is none.

        Raises:
            CacheError: If it belongs to another training, or is damaged.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                facts = json.loads(file.metadata()["tcf"])
                self._check(facts["identity"])
                return facts["state"], {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
            raise CacheError(
                f"{self.path}: a checkpoint must be whole; this one is damaged ({error}): "
                "remove it to train from the start"
            ) from error

    def _check(self, found: Mapping[str, Any]) -> None:
        here, there = dict(_flat(self._identity)), dict(_flat(found))
        names = sorted(n for n in here.keys() | there.keys() if here.get(n) != there.get(n))
        if not names:
            return
        shown = "; ".join(f"{n} is {there.get(n)}, here {here.get(n)}" for n in names[:5])
        more = f"; and {len(names) - 5} more" if len(names) > 5 else ""
        raise CacheError(
            f"{self.path}: a checkpoint goes on with the training it was made by; this one differs "
            f"in {shown}{more}: take another path, or remove it to train from the start"
        )


def identity_of(
    model: nn.Module, split: Split, config: TrainConfig, *, loss: Loss, seed: int, num_ranks: int
) -> dict[str, Any]:
    """Return what decides the course of a training, as JSON holds it.

    The model stands there by its start: the settings of its modules, and the shape and a hash of
    every weight, frozen ones and item vectors included.
    """
    return {
        "format": FORMAT,
        "config": config.model_dump(mode="json"),
        "loss": _name(loss),
        "seed": seed,
        "ranks": num_ranks,
        "split": _split_hash(split),
        "model": {
            "modules": _settings(model),
            "shapes": {name: f"{list(v.shape)} {v.dtype}" for name, v in _weights(model)},
            "start": _hash(_bytes(value) for _, value in _weights(model)),
        },
    }


def _name(loss: Loss) -> str:
    function: Any = loss.function
    settings = getattr(function, "keywords", {})  # of a functools.partial
    name = getattr(getattr(function, "func", function), "__qualname__", type(function).__name__)
    return f"{name} {settings} {loss.candidates} {loss.num_negatives} {loss.excludes_known}"


def _settings(model: nn.Module) -> dict[str, dict[str, Any]]:
    found = {}
    for name, module in model.named_modules():
        plain = {
            key: value
            for key, value in vars(module).items()
            if isinstance(value, (bool, int, float, str)) and key[0] != "_" and key != "training"
        }
        found[name or "recommender"] = {"type": type(module).__name__, **plain}
    return found


def _weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _split_hash(split: Split) -> str:
    """Hash what training looks at; the test part is no part of it."""
    validation = split.validation
    arrays = [split.train.rows, split.train.offsets, np.array([split.num_items])]
    arrays += [validation.users, validation.targets, validation.starts, validation.ends]
    known = validation.alone().rows
    if not np.array_equal(known, split.train.rows):  # not so where known is what is trained on
        arrays.append(known)
    return _hash(np.ascontiguousarray(array, dtype="<i8").data for array in arrays)


def _bytes(value: Tensor) -> Any:
    flat = value.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _hash(parts: Iterator[Any]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, held in value.items():
        if isinstance(held, Mapping):
            yield from _flat(held, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", held
