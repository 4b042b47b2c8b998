"""What transfers came to: a matrix of sources and targets, and factors between arms. No torch."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from tcf._util import hash_json
from tcf.evaluate.paired import ratio_interval
from tcf.evaluate.stats import mean_interval
from tcf.study.cells import Cell
from tcf.study.compare import paired_values

__all__ = ["factors", "transfer_table"]

_ENDS = ("low", "high")
_MATRIX: dict[str, Any] = {
    **dict.fromkeys(("source", "target", "backbone", "arm", "carry", "metric"), pl.String),
    **dict.fromkeys(("share", "value", *_ENDS), pl.Float64),
    "interval_about": pl.String,
    **dict.fromkeys(("num_seeds", "num_users"), pl.Int64),
}
_FACTORS: dict[str, Any] = {
    **dict.fromkeys(("dataset", "backbone", "arm", "against", "metric"), pl.String),
    **dict.fromkeys(("value", "against_value", "factor", *_ENDS), pl.Float64),
    "interval_about": pl.String,
    **dict.fromkeys(("num_seeds", "num_users"), pl.Int64),
}


def transfer_table(
    cells: Sequence[Cell], *, metrics: Sequence[str] = ("hr@10",), seed: int = 0
) -> pl.DataFrame:
    """Return a row for each source, target and way of carrying over; `transfer_plot` draws some.

    What an arm learned on the target itself, all of it or a share, stands on the diagonal, with no
    carry.

    Args:
        cells: From `read_cells`, of every target. Arms that no transfer is of are left out.
        metrics: Such as ``"hr@10"``.
        seed: Of the bootstrap.

    Returns:
        Columns source, target, backbone, arm (that was trained on the source), carry, metric, share
        (of the target's training users), value, low, high, interval_about, num_seeds, num_users.
    """
    started = {
        _settings(arm): arm["transfer"]["arm"] for arm in map(_arm, cells) if arm.get("transfer")
    }
    rows = []
    for cell in cells:
        arm = _arm(cell)
        transfer = arm.get("transfer") or {"sources": [cell.dataset]}
        if _settings(arm) not in started:
            continue
        for name in metrics:
            values = cell.values(name)
            interval = mean_interval(values, seed=seed)
            rows.append(
                {
                    "source": " + ".join(transfer["sources"]),
                    "target": cell.dataset,
                    "backbone": cell.backbone,
                    "arm": started[_settings(arm)],
                    "carry": transfer.get("carry"),
                    "metric": name,
                    "share": float(arm.get("share", 1)),
                    "value": interval.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "interval_about": interval.about,
                    "num_seeds": len(values),
                    "num_users": values.shape[1],
                }
            )
    return pl.DataFrame(rows, schema=_MATRIX, orient="row")


def factors(
    cells: Sequence[Cell],
    *,
    against: str = "chance",
    metrics: Sequence[str] = ("hr@10",),
) -> pl.DataFrame:
    """Return by which factor each arm is ahead of the arm ``against`` of its data set.

    Args:
        cells: From `read_cells`.
        against: Name of an arm; of one with backbones, each is compared with its own.
        metrics: Such as ``"hr@10"``.

    Returns:
        Columns dataset, backbone, arm, against, metric, value, against_value, factor with low and
        high (95%, `ratio_interval`; none where an arm has no hit at all), interval_about,
        num_seeds, num_users.

    Raises:
        ValueError: If no data set has the arm ``against``, or its mean is 0.
    """
    others = [cell for cell in cells if cell.arm == against]
    if not others:
        names = ", ".join(sorted({cell.arm for cell in cells}))
        raise ValueError(f"against must be an arm of these records: {names}; got {against!r}")
    rows = [
        _factor(cell, other, name)
        for other in others
        for cell in cells
        if cell.dataset == other.dataset
        and (None in (cell.backbone, other.backbone) or cell.backbone == other.backbone)
        and cell is not other
        for name in metrics
    ]
    return pl.DataFrame(rows, schema=_FACTORS, orient="row")


def _factor(cell: Cell, other: Cell, name: str) -> dict[str, Any]:
    a, b = paired_values(cell, other, name)
    interval = ratio_interval(a, b) if a.any() else None
    return {
        "dataset": cell.dataset,
        "backbone": cell.backbone,
        "arm": cell.arm,
        "against": other.arm,
        "metric": name,
        "value": float(a.mean()),
        "against_value": float(b.mean()),
        "factor": interval.mean if interval else 0.0,
        "low": interval and interval.low,
        "high": interval and interval.high,
        "interval_about": interval and interval.about,
        "num_seeds": len(a),
        "num_users": a.shape[1],
    }


def _arm(cell: Cell) -> dict[str, Any]:
    return cell.records[0]["config"]["arm"]


def _settings(arm: dict[str, Any]) -> str:
    """Tell arms apart that differ in more than where they start from and whom they learn from."""
    apart = {"name", "family", "transfer", "share"}
    return hash_json({name: value for name, value in arm.items() if name not in apart})
