"""Where a number comes from and what it cost."""

import importlib.metadata
import math
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from tcf.data.split import Split
from tcf.encode.machine import machine_name
from tcf.model.recommender import Recommender
from tcf.train import TrainConfig, log_popularity, training_batches
from tcf.train.examples import loss_of, num_batches

_PACKAGES = ("tcf", "torch", "transformers", "sentence-transformers", "numpy", "scikit-learn")


def _bag_flops(table: Sequence[int], places: Sequence[int], *_: Any, **__: Any) -> int:
    """Count a product and a sum for each number that a weighted sum of rows reads."""
    return 2 * math.prod(places) * table[1]


_BAGS = dict.fromkeys(
    (torch.ops.aten._embedding_bag, torch.ops.aten._embedding_bag_forward_only), _bag_flops
)


def provenance() -> dict[str, Any]:
    """Return the commit of this code, its versions, and the processor's name."""
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "machine": machine_name(),
    }


def peak_bytes() -> int:
    """Return the most memory this process has held so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts kilobytes


def training_flops(model: Recommender, split: Split, config: TrainConfig) -> int:
    """Return the matrix-product FLOPs of one epoch, by its first batch, backward included.

    Of a model that reads all items at once they are most of all sparse ones, and counted too.
    """
    loss = loss_of(config)
    batches = training_batches(model, split, config, np.random.default_rng(0), loss=loss)
    batch = next(iter(batches)).to(model.device)
    model.eval()  # no dropout: nothing is drawn
    shares = log_popularity(split).to(model.device)
    sparse = _BAGS if model.reads_all else None
    with FlopCounterMode(display=False, custom_mapping=sparse) as counter:
        model.loss(batch, log_popularity=shares, loss=loss).backward()
    model.zero_grad()
    return counter.get_total_flops() * num_batches(model, split, config)


def _commit() -> str | None:
    """Commit of the checkout that this code runs from, marked if it has been changed since."""
    here = Path(__file__).parent
    command = [
        "git",
        "-C",
        str(here),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None  # installed from a wheel, or no git
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
