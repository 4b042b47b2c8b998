"""read_epochs(): the epochs of every run as a table, for learning curves. Loads no torch."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from tcf.study.cells import Cell

__all__ = ["read_epochs"]

_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("dataset", "backbone", "arm", "kind", "family", "tuned"), pl.String),
    **dict.fromkeys(("control", "monitor"), pl.String),
    **dict.fromkeys(("seed", "epoch"), pl.Int64),
    **dict.fromkeys(("value", "loss", "train_seconds"), pl.Float64),
}


def read_epochs(cells: Sequence[Cell]) -> pl.DataFrame:
    """Return a row for each run and epoch; what is not trained has none.

    Args:
        cells: From `read_cells`.

    Returns:
        Columns dataset, backbone, arm, kind, family, tuned, control, monitor (the metric), seed,
        epoch (from 1), value (of the monitor on validation, a fraction), loss, train_seconds.
    """
    rows = []
    for cell in cells:
        for record in cell.records:
            config = record["config"]
            arm = config["arm"]
            about = {
                "dataset": cell.dataset,
                "backbone": cell.backbone,
                "arm": cell.arm,
                "kind": arm["kind"],
                "family": arm["family"],
                "tuned": (arm.get("tuned") or {}).get("method"),
                "control": arm.get("control"),
                "monitor": config["train"]["monitor"],
                "seed": config["seed"],
            }
            for epoch, told in enumerate((record["history"] or {}).get("epochs", ()), 1):
                numbers = {"value": told["validation"], "loss": told["loss"]}
                seconds = told["train_seconds"]
                rows.append({**about, **numbers, "epoch": epoch, "train_seconds": seconds})
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
