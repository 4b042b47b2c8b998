"""How the processes of one launch share a call's texts. Loads no torch."""

import os
from collections.abc import Iterator

import numpy as np

__all__ = ["is_first_rank", "shares"]

_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
_WORLDS = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


def shares(hashes: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each share's name and the ``(num_texts,)`` bool of its texts, this process's own first.

    ``accelerate launch`` and ``torchrun`` say in ``RANK`` and ``WORLD_SIZE``, and MPI in names of
    its own, which process this is and of how many; alone, one share holds all texts. A text's share
    follows from its hash, so that all processes agree without talking. A process goes on to the
    others' shares when it is done: it waits for their locks, finds the vectors there, and makes
    good what a dead one left.

    Args:
        hashes: ``(num_texts,)`` S32 from `digests`.
    """
    rank, world = _rank(), _world()
    owner = hashes.view(np.uint64).reshape(-1, 4)[:, 0] % np.uint64(world)
    for k in range(rank, rank + world):
        yield f"{k % world}of{world}", owner == k % world


def is_first_rank() -> bool:
    """Whether this process is the one that writes results: rank 0, or alone."""
    return _rank() == 0


def _rank() -> int:
    return _first_of(_RANKS, 0) if _world() > 1 else 0


def _world() -> int:
    return _first_of(_WORLDS, 1)


def _first_of(names: tuple[str, ...], default: int) -> int:
    return next((int(os.environ[name]) for name in names if name in os.environ), default)
