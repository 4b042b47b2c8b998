"""What lists of recommendations do to a catalogue: coverage, Gini and novelty. Loads no torch.

They need the items themselves, which ledgers do not hold, and so are computed where models are
evaluated (`tcf.evaluate.rank_and_list`) and kept in the record. Every item of the catalogue counts,
the ones that occur in no training interaction too. A 0 in a list is a place left empty.
"""

import numpy as np
from numpy.typing import ArrayLike

from tcf.data.audit_interactions import gini as gini_of_counts

__all__ = ["coverage", "exposures", "gini", "list_metrics", "novelty"]


def exposures(lists: ArrayLike, *, num_items: int) -> np.ndarray:
    """Count in how many places of all lists each item is.

    Args:
        lists: ``(num_users, k)`` int item rows; 0 where a list is shorter.
        num_items: Size of the catalogue.

    Returns:
        ``(num_items,)`` int64, rows 1 to the last.

    Raises:
        ValueError: If a row is not of the catalogue, or all lists are empty.
    """
    rows = np.asarray(lists)
    if not rows.any():
        raise ValueError(f"lists must name an item; got {rows.size} places, all of them empty")
    if rows.min() < 0 or rows.max() > num_items:
        raise ValueError(
            f"lists must hold rows from 0 to num_items={num_items}; "
            f"got {rows.min()} to {rows.max()}"
        )
    return np.bincount(rows.ravel(), minlength=num_items + 1)[1:]


def coverage(lists: ArrayLike, *, num_items: int) -> float:
    """Share of the catalogue that is in at least one list.

    Args, raises: as `exposures`.

    Source: Ge, Delgado-Battenfeld & Jannach, Beyond Accuracy, RecSys 2010 (catalog coverage).
    """
    return float(np.count_nonzero(exposures(lists, num_items=num_items)) / num_items)


def gini(lists: ArrayLike, *, num_items: int) -> float:
    """Gini coefficient of the items' exposure.

    With the exposures ``x_1 <= ... <= x_N`` of all N items of the catalogue, those in no list at 0,
    it is ``sum_i (2 i - N - 1) x_i / (N sum_i x_i)``: 0 where all items are shown alike, and
    ``1 - 1 / N`` where one item has every place.

    Args, raises: as `exposures`.

    Source: Shani & Gunawardana, Recommender Systems Handbook (2011), who divide by ``N - 1`` where
    this has ``N``, as Gini's own coefficient does.
    """
    return gini_of_counts(exposures(lists, num_items=num_items))


def novelty(lists: ArrayLike, *, train_counts: ArrayLike) -> float:
    """Mean self-information of the places of all lists, in bits: how little known what is shown is.

    An item with c of the C training interactions has ``-log2((c + 1) / (C + N))``: one interaction
    is added to each of the N items, so that an item never seen in training is finite, and the most
    novel.

    Args:
        lists: ``(num_users, k)`` int item rows; 0 where a list is shorter.
        train_counts: ``(num_items,)`` training interactions of rows 1 to the last.

    Raises:
        ValueError: As `exposures`.

    Source: Zhou et al., PNAS 107 (2010), self-information; Vargas & Castells, RecSys 2011, its mean
    over lists. Both take shares of users or interactions as they are, without the one added.
    """
    counts = np.asarray(train_counts, np.float64)
    shown = exposures(lists, num_items=len(counts))
    information = np.log2(counts.sum() + len(counts)) - np.log2(counts + 1)
    return float(shown @ information / shown.sum())


def list_metrics(lists: np.ndarray, *, train_counts: np.ndarray) -> dict[str, float]:
    """Return ``k`` and `coverage`, `gini` and `novelty`, as a record keeps them.

    Args:
        lists: ``(num_users, k)`` int item rows; 0 where a list is shorter.
        train_counts: ``(num_items,)`` training interactions of rows 1 to the last.

    Raises:
        ValueError: As `exposures`.
    """
    num_items = len(train_counts)
    return {
        "k": lists.shape[1],
        "coverage": coverage(lists, num_items=num_items),
        "gini": gini(lists, num_items=num_items),
        "novelty": novelty(lists, train_counts=train_counts),
    }
