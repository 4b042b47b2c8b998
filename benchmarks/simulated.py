"""Interactions of any number, drawn fast: what a benchmark of time and memory needs and no more."""

import numpy as np

from tcf.data.catalog import Catalog, Interactions
from tcf.data.split import Split, Targets

__all__ = ["simulated_split"]


def simulated_split(
    *, num_items: int, num_interactions: int, sample: int, seed: int, length: int = 8
) -> Split:
    """Return a split whose training part has so many interactions, and one ranking task a user.

    Popularity falls as 1 / rank. There is nothing to learn: only time and memory are of interest.

    Args:
        num_items: Of the catalogue.
        num_interactions: Of the training part, rounded up to whole users.
        sample: Users whose last item is to be ranked, at most; the others only train.
        seed: Decides them.
        length: Training interactions of each user, on average: half of them to half as many again.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(length // 2, length + length // 2 + 1, num_interactions // length + 1)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    # the inverse of a law whose density falls as 1 / rank
    rows = np.exp(rng.random(offsets[-1]) * np.log(num_items + 1)).astype(np.int32)
    chosen = np.sort(rng.choice(len(lengths), min(sample, len(lengths)), replace=False))
    tasks = Targets(
        users=chosen,
        targets=rows[offsets[chosen + 1] - 1],
        rows=rows,
        starts=offsets[chosen],
        ends=offsets[chosen + 1] - 1,
    )
    names = tuple(map(str, range(len(lengths))))
    items = tuple(map(str, range(num_items)))
    return Split(Catalog(items, items), Interactions(names, rows, offsets), tasks, tasks)
