"""Ledgers of recommenders that hand out lists and no scores, such as those of other libraries."""

import numpy as np
from numpy.typing import ArrayLike

from tcf.evaluate.ledger import Ledger

__all__ = ["ledger_of_lists"]


def ledger_of_lists(lists: ArrayLike, *, targets: ArrayLike) -> Ledger:
    """Rank each target by its place in the user's list; one that is not there ranks K + 1.

    hr, ndcg and mrr are exact at every cut-off up to K, and say nothing beyond it. A list has an
    order, so there are no ties. Loads no torch.

    Args:
        lists: ``(n, K)`` item rows, best first; 0 where a list is shorter.
        targets: ``(n,)`` row of each user's target.

    Raises:
        ValueError: If the shapes do not belong together, a target is padding, or a list names an
            item twice.
    """
    rows, wanted = np.asarray(lists), np.asarray(targets)
    if rows.ndim != 2 or wanted.shape != rows.shape[:1]:
        raise ValueError(
            "lists must be (n, K) and targets (n,), the same users in the same order; "
            f"got {rows.shape} and {wanted.shape}"
        )
    if (wanted < 1).any():
        first = int(np.flatnonzero(wanted < 1)[0])
        raise ValueError(f"a target is an item row from 1 on; got {wanted[first]} at {first}")
    _check_distinct(rows)
    found = rows == wanted[:, None]
    places = np.where(found.any(1), found.argmax(1), rows.shape[1])
    rank = (places + 1).astype(np.int32)
    return Ledger(rank, np.zeros_like(rank))


def _check_distinct(rows: np.ndarray) -> None:
    ordered = np.sort(rows, axis=1)
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != 0)).any(1)
    if twice.any():
        first = int(np.flatnonzero(twice)[0])
        raise ValueError(f"a list names each item once; list {first} is {rows[first].tolist()}")
