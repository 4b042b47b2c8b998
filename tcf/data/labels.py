"""Strings of labels -> which labels each item has, as arrays."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from tcf.data.catalog import Catalog
from tcf.errors import DataError

__all__ = ["Labels"]


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of a catalogue's items.

    Attributes:
        names: ``num_labels`` distinct strings, rising.
        numbers: ``(m,)`` int64 places in ``names``, item after item, none twice for an item.
        offsets: ``(num_items + 2,)`` int64; row ``r`` has ``numbers[offsets[r]:offsets[r + 1]]``,
            and row 0, padding, has none.
    """

    names: tuple[str, ...]
    numbers: np.ndarray = field(repr=False)
    offsets: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, catalog: Catalog, *, separator: str = "|") -> "Labels":
        """Take a catalogue's labels apart; blanks around one and empty ones count for nothing.

        Args:
            catalog: With labels.
            separator: What stands between the labels of an item.

        Raises:
            ValueError: If the separator is empty.
            DataError: If the catalogue was read without labels, or no item has one.
        """
        if not separator:
            raise ValueError("a separator of labels needs one character or more; got ''")
        if catalog.labels is None:
            raise DataError(
                "labels are needed of the items, and the catalogue has none: read it with the "
                "option labels, a template of columns such as labels='{genres}'"
            )
        strings = pl.Series("label", catalog.labels, dtype=pl.String)
        parts = pl.DataFrame({"row": np.arange(1, len(strings) + 1), "label": strings})
        parts = parts.with_columns(pl.col("label").str.split(separator)).explode("label")
        parts = parts.with_columns(pl.col("label").str.strip_chars()).filter(pl.col("label") != "")
        parts = parts.unique(maintain_order=True)
        if not len(parts):
            raise DataError(
                f"an item at least needs a label; all {catalog.num_items} have none: is the "
                "template labels that of a column which holds them?"
            )
        names = parts["label"].unique().sort()
        numbers = names.search_sorted(parts["label"]).to_numpy().astype(np.int64)
        counts = np.bincount(parts["row"].to_numpy(), minlength=catalog.num_items + 1)
        return cls(tuple(names.to_list()), numbers, np.concatenate(([0], np.cumsum(counts))))

    @property
    def num_labels(self) -> int:
        """Number of distinct labels."""
        return len(self.names)

    @property
    def key(self) -> str:
        """SHA-256 over the names: what the outputs of a head stand for."""
        return hashlib.sha256("\0".join(self.names).encode("utf-8", "surrogatepass")).hexdigest()

    def counts(self) -> np.ndarray:
        """Return the ``(num_items + 1,)`` int64 number of labels of each row."""
        return np.diff(self.offsets)
