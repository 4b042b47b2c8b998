"""What decides the course of a training: whose checkpoint is whose."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tcf.data.split import Split
from tcf.model.losses import Loss
from tcf.train.config import TrainConfig

__all__ = ["identity_of"]

FORMAT = 1


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
