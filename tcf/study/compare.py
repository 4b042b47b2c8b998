"""compare(): every arm against one other, user by user, corrected for their number. No torch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from tcf.errors import DataError
from tcf.evaluate.components import differences
from tcf.evaluate.corrections import benjamini_hochberg, holm
from tcf.evaluate.paired import difference_interval, paired_permutation, seed_test
from tcf.evaluate.slices import members
from tcf.evaluate.stats import MIN_SEEDS
from tcf.study.cells import Cell

__all__ = ["compare", "compare_pairs", "paired_values"]

_TYPES: dict[str, Any] = {
    **dict.fromkeys(("dataset", "backbone", "arm", "against", "slice", "metric"), pl.String),
    **dict.fromkeys(("value", "against_value", "difference", "low", "high"), pl.Float64),
    **dict.fromkeys(("p", "p_holm", "p_bh"), pl.Float64),
    **dict.fromkeys(("interval_about", "test"), pl.String),
    **dict.fromkeys(("num_seeds", "num_users", "num_better", "num_worse"), pl.Int64),
}


def compare(
    cells: Sequence[Cell],
    *,
    against: str = "ID",
    metrics: Sequence[str] = ("ndcg@10",),
    slices: Sequence[str] = ("all",),
    seed: int = 0,
) -> pl.DataFrame:
    """Compare every arm with the arm ``against`` of its data set and backbone, user by user.

    Both arms with three seeds: the question is new seeds and new users. Otherwise it is these
    trained models on new users, by a paired permutation test. The p-values of the whole table are
    corrected together (Holm for any error, Benjamini & Hochberg for their share).

    Args:
        cells: From `read_cells`. What is not trained meets the arm ``against`` of every backbone.
        against: Name of the arm compared with.
        metrics: Such as ``"ndcg@10"``.
        slices: As in `evidence`.
        seed: Of the resampling.

    Returns:
        As `compare_pairs`.

    Raises:
        ValueError: If no data set and backbone has the arm ``against``.
    """
    baselines = {(cell.dataset, cell.backbone): cell for cell in cells if cell.arm == against}
    if not baselines:
        names = ", ".join(sorted({cell.arm for cell in cells}))
        raise ValueError(f"against must be an arm of these records: {names}; got {against!r}")
    pairs = [
        (cell, baseline)
        for (dataset, backbone), baseline in baselines.items()
        for cell in cells
        if cell.dataset == dataset and cell.backbone in (backbone, None) and cell is not baseline
    ]
    return compare_pairs(pairs, metrics=metrics, slices=slices, seed=seed)


def compare_pairs(
    pairs: Sequence[tuple[Cell, Cell]],
    *,
    metrics: Sequence[str] = ("ndcg@10",),
    slices: Sequence[str] = ("all",),
    seed: int = 0,
) -> pl.DataFrame:
    """Compare the first cell of each pair with the second, as `compare` does.

    Args:
        pairs: Of one split each.
        metrics, slices, seed: As in `compare`.

    Returns:
        Columns dataset, backbone, arm, against, slice, metric, value (of the arm), against_value,
        difference (arm - against), low, high (95%), interval_about, p, p_holm, p_bh, test,
        num_seeds (of the arm), num_users, and of these num_better and num_worse under the arm, by
        their mean over seeds. A slice without users has no row.

    Raises:
        DataError: As `paired_values`.
    """
    rows = [
        _row(cell, other, name, part, seed)
        for cell, other in pairs
        for part in slices
        for name in metrics
        if part == "all" or members(cell.split, part).any()
    ]
    frame = pl.DataFrame(rows, schema=_TYPES, orient="row")
    if frame.is_empty():
        return frame
    p = frame["p"].to_numpy()
    return frame.with_columns(p_holm=holm(p), p_bh=benjamini_hochberg(p))


def paired_values(
    cell: Cell, other: Cell, name: str, *, part: str = "all"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of two cells, ``(num_seeds, num_users)`` each, of the same users.

    What is not trained comes out the same whatever the seed: it has as many equal rows as the other
    has seeds.

    Raises:
        DataError: If their ledgers are of different splits.
    """
    if cell.checksum != other.checksum:
        raise DataError(
            f"ledgers are compared user by user, so they must be of one split; {cell.name} has "
            f"{len(cell.ledgers[0]):,} users of split {cell.checksum[:12]}, {other.name} has "
            f"{len(other.ledgers[0]):,} of {other.checksum[:12]}"
        )
    a, b = cell.values(name), other.values(name)
    if part != "all":
        found = members(cell.split, part)
        a, b = a[:, found], b[:, found]
    num_seeds = max(len(a), len(b))
    a = a if cell.backbone else np.repeat(a, num_seeds, axis=0)
    return a, b if other.backbone else np.repeat(b, num_seeds, axis=0)


def _row(cell: Cell, other: Cell, name: str, part: str, seed: int) -> dict[str, Any]:
    a, b = paired_values(cell, other, name, part=part)
    interval = difference_interval(a, b, seed=seed)
    seeds = min(len(a), len(b)) >= MIN_SEEDS
    test = seed_test(a, b) if seeds else paired_permutation(a, b, seed=seed)
    changes = differences(a, b)
    return {
        "dataset": cell.dataset,
        "backbone": cell.backbone or other.backbone,
        "arm": cell.arm,
        "against": other.arm,
        "slice": part,
        "metric": name,
        "value": float(a.mean()),
        "against_value": float(b.mean()),
        "difference": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "interval_about": interval.about,
        "p": test.p,
        "test": test.method,
        "num_seeds": len(a),
        "num_users": a.shape[1],
        "num_better": int((changes > 0).sum()),
        "num_worse": int((changes < 0).sum()),
    }
