"""What `tcf` hands to another library's environment, and what comes back: files, no objects.

FOLDER/train.npy: ``(3, M)`` user, item row and order of every training interaction.
FOLDER/known-PART.npy: the same for what each user is known to have at a part: input and mask.
FOLDER/targets-validation.npy: ``(num_users,)`` rows, for early stopping. There is no such file for
the test part: the other side cannot look. Lists come back as ``(num_users, K)`` npy.
"""

from pathlib import Path

import numpy as np

__all__ = ["PARTS", "read_interactions", "write_exchange"]

PARTS = ("validation", "test")


def write_exchange(split, folder: Path) -> None:
    """Write the files of a `tcf.data.split.Split` whose every user is in every part.

    Raises:
        ValueError: If a part leaves users out or orders them otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    train = split.train
    _write(folder / "train.npy", train.rows, train.offsets[:-1], train.offsets[1:])
    for name in PARTS:
        part = getattr(split, name)
        if not np.array_equal(part.users, np.arange(split.num_users)):
            raise ValueError(f"every user must be in the {name} part once, in order; some are not")
        _write(folder / f"known-{name}.npy", part.rows, part.starts, part.ends)
    np.save(folder / "targets-validation.npy", split.validation.targets)


def _write(path: Path, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> None:
    lengths = ends - starts
    users = np.repeat(np.arange(len(lengths)), lengths)
    order = np.arange(len(users)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    np.save(path, np.stack((users, rows[np.repeat(starts, lengths) + order], order)))


def read_interactions(path: Path):
    """Return a pandas frame in RecTools' columns; the order becomes seconds of a made-up clock."""
    import pandas as pd

    users, items, order = np.load(path)
    clock = pd.to_datetime(order, unit="s")
    return pd.DataFrame({"user_id": users, "item_id": items, "weight": 1.0, "datetime": clock})
