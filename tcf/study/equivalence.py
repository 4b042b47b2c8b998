"""standings(): who is ahead, who is level, and where it cannot be told. Loads no torch."""

from collections.abc import Sequence

import polars as pl

from tcf.evaluate.corrections import holm
from tcf.evaluate.paired import no_worse
from tcf.study.cells import Cell
from tcf.study.compare import compare, paired_values

__all__ = ["drawable", "standings"]

_LEVEL = 0.05


def standings(
    cells: Sequence[Cell],
    *,
    against: str = "ID",
    metric: str = "ndcg@10",
    margin: float = 0.1,
    seed: int = 0,
) -> pl.DataFrame:
    """Hold every arm against one other, and say how it stands.

    ``ahead`` and ``behind``: the difference can be told from zero. ``level``: it can be told from
    the margin on either side, so that what is left is no difference to speak of; with ``ahead, by
    less than the margin`` and its mirror, both. ``open``: neither. Not to be told apart is not to
    be level. All tests of the table are corrected together (Holm), at 5%.

    Args:
        cells: From `read_cells`.
        against: Name of the arm held against.
        metric: Such as ``"ndcg@10"``.
        margin: Share of that arm's mean that counts as no difference; to be named before looking.
        seed: Of the resampling.

    Returns:
        As `tcf.study.compare.compare`, with columns margin (in the metric's units), p_level and
        verdict.

    Raises:
        ValueError: If the margin is not above 0, or as `compare`.
    """
    table = compare(cells, against=against, metrics=[metric], seed=seed)
    by_name = {(cell.dataset, cell.backbone, cell.arm): cell for cell in cells}
    margins, levels = [], []
    for row in table.iter_rows(named=True):
        other = by_name[row["dataset"], row["backbone"], against]
        names = (row["dataset"], row["backbone"], row["arm"])
        cell = by_name.get(names) or by_name[row["dataset"], None, row["arm"]]
        a, b = paired_values(cell, other, metric)
        margins.append(margin * row["against_value"])
        tests = (no_worse(x, y, margin=margins[-1]) for x, y in ((a, b), (b, a)))
        levels.append(max(test.p for test in tests))
    table = table.with_columns(
        margin=pl.Series(margins, dtype=pl.Float64), p_level=pl.Series(levels, dtype=pl.Float64)
    )
    corrected = holm([*table["p"], *levels])
    apart, level = corrected[: len(table)] < _LEVEL, corrected[len(table) :] < _LEVEL
    told = [
        _verdict(difference, bool(x), bool(y))
        for difference, x, y in zip(table["difference"], apart, level, strict=True)
    ]
    return table.with_columns(verdict=pl.Series(told, dtype=pl.String))


def _verdict(difference: float, apart: bool, level: bool) -> str:
    side = "ahead" if difference > 0 else "behind"
    if apart:
        return f"{side}, by less than the margin" if level else side
    return "level" if level else "open"


def drawable(
    cells: Sequence[Cell], *, min_items: int = 500, min_users: int = 1000
) -> tuple[list[Cell], str]:
    """Return the cells of data sets that are large enough for a panel, and what to say of the rest.

    Args:
        cells: From `read_cells`.
        min_items: Items that a data set needs after its filters.
        min_users: Likewise users.

    Returns:
        The cells, and a sentence that names each data set left out with its size, or nothing.
    """
    kept, small = list[Cell](), dict[str, str]()
    for cell in cells:
        data = cell.records[0]["data"]
        items, users = data["items_after"], data["users_after"]
        if items >= min_items and users >= min_users:
            kept.append(cell)
        else:
            small[cell.dataset] = f"{cell.dataset} ({items:,} items, {users:,} users)"
    if not small:
        return kept, ""
    least = f"{min_items:,} items and {min_users:,} users"
    return kept, f"Not drawn, as a panel needs {least}: {'; '.join(small.values())}."
