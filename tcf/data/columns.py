"""Which items the predictions of a batch choose among, and where they stand: their columns."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tcf.data.hashing import distinct

__all__ = ["BatchColumns", "CatalogColumns", "Columns", "Layout", "SampledColumns"]

_REDRAWS = 16  # a user who knows half of the items keeps a bad draw once in 65,536


@dataclass(frozen=True)
class Layout:
    """The columns of one batch.

    Attributes:
        rows: ``(M,)`` the item row of each column, rising; None: every row, column by row.
        column: ``(num_items + 1,)`` the column of each row; of a row that has none it means
            nothing. None: column by row. Valid until the next batch is laid out.
        negatives: ``(n, K)`` columns drawn for each prediction, or None. A column that is the
            prediction's own target stands for a draw that failed, and is no negative.
    """

    rows: np.ndarray | None
    column: np.ndarray | None
    negatives: np.ndarray | None = None

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the column of each row; hidden ones (-1) stay."""
        if self.column is None:
            return rows.astype(np.int64)
        return np.where(rows < 0, -1, self.column[rows])

    def has(self, rows: np.ndarray) -> np.ndarray:
        """Return whether each row has a column."""
        if self.rows is None or self.column is None:
            return np.ones(len(rows), bool)
        at = self.column[rows]
        return (at < len(self.rows)) & (self.rows[np.minimum(at, len(self.rows) - 1)] == rows)


class Columns(Protocol):
    """Chooses the columns of each batch."""

    def lay_out(
        self,
        slots: np.ndarray,
        *,
        targets: np.ndarray,
        owners: np.ndarray,
        known: tuple[np.ndarray, np.ndarray],
    ) -> Layout:
        """Return the columns of a batch.

        Args:
            slots: ``(m,)`` item rows that the batch holds, padding left out.
            targets: ``(n,)`` row of each prediction's target.
            owners: ``(n,)`` the user, counted within the batch, of each prediction.
            known: The user within the batch, rising, and the row of every training interaction.
        """
        ...


class BatchColumns:
    """The distinct items of the batch.

    Args:
        num_items: Of the catalogue, the padding row not counted.
    """

    def __init__(self, num_items: int):
        self._held = np.zeros(num_items + 1, bool)
        self._column = np.zeros(num_items + 1, np.int64)

    def lay_out(
        self,
        slots: np.ndarray,
        *,
        targets: np.ndarray,
        owners: np.ndarray,
        known: tuple[np.ndarray, np.ndarray],
    ) -> Layout:
        """Return the columns of a batch; see `Columns`."""
        return self._of(slots)

    def _of(self, slots: np.ndarray, drawn: np.ndarray | None = None) -> Layout:
        held = slots if drawn is None else np.concatenate((slots, drawn.ravel()))
        if len(self._held) > 64 * len(held):  # sorting few is cheaper than looking through many
            rows = distinct(held).astype(np.int64)
        else:
            self._held[held] = True
            rows = np.flatnonzero(self._held)
            self._held[rows] = False
        self._column[rows] = np.arange(len(rows))
        return Layout(rows, self._column, None if drawn is None else self._column[drawn])


class SampledColumns(BatchColumns):
    """The distinct items of the batch and of uniform negatives drawn for each prediction.

    A user's own training items, the target among them, are never drawn.

    Args:
        num_items: Of the catalogue.
        num_negatives: K, for each prediction.
        rng: Draws them.
        whole: The columns are the whole catalogue, column by row; what is drawn is the same.
    """

    def __init__(
        self, num_items: int, *, num_negatives: int, rng: np.random.Generator, whole: bool = False
    ):
        super().__init__(num_items)
        self._num_items, self._num_negatives, self._rng = num_items, num_negatives, rng
        self._whole = whole

    def lay_out(
        self,
        slots: np.ndarray,
        *,
        targets: np.ndarray,
        owners: np.ndarray,
        known: tuple[np.ndarray, np.ndarray],
    ) -> Layout:
        """Return the columns of a batch; see `Columns`."""
        drawn = self._draw(owners, targets, known)
        return Layout(None, None, drawn) if self._whole else self._of(slots, drawn)

    def _draw(
        self, owners: np.ndarray, targets: np.ndarray, known: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """Return ``(n, K)`` rows, with the target itself where none was found."""
        taken = distinct(known[0] * (self._num_items + 1) + known[1])
        self._held[known[1]] = True
        owner = np.repeat(owners, self._num_negatives)
        drawn = np.empty(len(owner), np.int64)
        open_places = np.arange(len(owner))
        for _ in range(_REDRAWS):
            rows = self._rng.integers(1, self._num_items + 1, len(open_places))
            drawn[open_places] = rows
            doubtful = self._held[rows]  # few: an item that some user of the batch has
            open_places = open_places[doubtful]
            keys = owner[open_places] * (self._num_items + 1) + rows[doubtful]
            at = np.minimum(np.searchsorted(taken, keys), len(taken) - 1)
            open_places = open_places[taken[at] == keys]
            if not len(open_places):
                break
        self._held[known[1]] = False
        drawn = drawn.reshape(-1, self._num_negatives)
        drawn.ravel()[open_places] = np.repeat(targets, self._num_negatives)[open_places]
        return drawn


class CatalogColumns:
    """Every item of the catalogue: the column is the row."""

    def lay_out(
        self,
        slots: np.ndarray,
        *,
        targets: np.ndarray,
        owners: np.ndarray,
        known: tuple[np.ndarray, np.ndarray],
    ) -> Layout:
        """Return the columns of a batch; see `Columns`."""
        return Layout(None, None)
