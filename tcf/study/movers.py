"""movers(): the users and the items whose results moved most between two cells. No torch."""

import numpy as np
import polars as pl

from tcf.data.split import Split
from tcf.errors import DataError
from tcf.study.cells import Cell
from tcf.study.compare import paired_values

__all__ = ["movers"]

_DIGITS = 12  # of a change: what is behind them is rounding, and would put equal ones in order


def movers(
    a: Cell, b: Cell, split: Split, *, metric: str = "ndcg@10", top: int = 10
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the users and the items, as targets, that gain and lose most from ``a`` to ``b``.

    A user's change is that of the metric's mean over seeds; of equal changes, that of the mean rank
    decides. An item's change is the sum over the users whose target it is.

    Args:
        a, b: Of this split.
        split: What the ledgers were made from.
        metric: Such as ``"ndcg@10"``.
        top: Users and items listed each way, at the most; those without a change are not.

    Returns:
        Users: columns user_id, history_length, target_id, target_text, rank_a, rank_b (means over
        seeds; of a tie, its middle place), value_a, value_b, change. Items: item_id, text,
        train_count, num_users, value_a, value_b (means over these users), change. Both from the
        largest gain to the largest loss.

    Raises:
        DataError: If the records are not of this split.
        ValueError: If ``top`` is below 1.
    """
    if top < 1:
        raise ValueError(f"top must be at least 1; got {top}")
    if (checksum := split.checksum) != a.checksum:
        raise DataError(
            "users and items can be named from the data that the records were made from alone: "
            f"split {a.checksum[:12]}; this is split {checksum[:12]}: name the study of these "
            "records, and its data"
        )
    here, there = (values.mean(0) for values in paired_values(a, b, metric))
    users = _users(split).with_columns(
        rank_a=_mean_rank(a),
        rank_b=_mean_rank(b),
        value_a=here,
        value_b=there,
        change=(there - here).round(_DIGITS),
    )
    items = users.group_by("target_row", maintain_order=True).agg(
        pl.col("target_id", "target_text", "train_count").first(),
        pl.len().cast(pl.Int64).alias("num_users"),
        pl.col("value_a", "value_b").mean(),
        pl.col("change").sum().round(_DIGITS),
    )
    ordered = _ends(users.sort("change", pl.col("rank_a") - pl.col("rank_b"), descending=True), top)
    listed = _ends(items.sort("change", "num_users", descending=True, maintain_order=True), top)
    return (
        ordered.drop("target_row", "train_count"),
        listed.drop("target_row").rename({"target_id": "item_id", "target_text": "text"}),
    )


def _users(split: Split) -> pl.DataFrame:
    """Return a row for each user that is ranked, in the ledgers' order."""
    test, catalog = split.test, split.catalog
    rows = test.targets.astype(np.int64)
    return pl.DataFrame(
        {
            "user_id": [split.train.user_ids[user] for user in test.users],
            "history_length": test.ends - test.starts,
            "target_row": rows,
            "target_id": [catalog.item_ids[row - 1] for row in rows],
            "target_text": [catalog.texts[row - 1] for row in rows],
            "train_count": split.train.item_counts(split.num_items)[rows],
        }
    )


def _mean_rank(cell: Cell) -> np.ndarray:
    return np.mean([ledger.rank + ledger.ties / 2 for ledger in cell.ledgers], axis=0)


def _ends(frame: pl.DataFrame, top: int) -> pl.DataFrame:
    """Return the first rows that gain and the last that lose."""
    gains, losses = frame.filter(pl.col("change") > 0), frame.filter(pl.col("change") < 0)
    return pl.concat([gains.head(top), losses.tail(top)])
