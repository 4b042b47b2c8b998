"""page_data(): what the page's script draws, as JSON. Loads no torch."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from tcf.report.findings import Findings
from tcf.study.cells import Cell
from tcf.study.series import series_of

__all__ = ["page_data"]

_SLICE_COLUMNS = ("dataset", "backbone", "arm", "slice", "value", "low", "high")
_SLICE_COLUMNS += ("interval_about", "num_seeds", "num_users")


def page_data(findings: Findings, *, explorer: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return everything that the page shows but the verdicts: tables, records and data sets.

    Args:
        findings: From `gather`.
        explorer: From `neighbour_lists`, or None.

    Returns:
        JSON values: ``metrics``; tables ``marks``, ``comparisons``, ``slices``, each
        ``{"columns": [...], "rows": [[...], ...]}``; ``runs`` (every record with the name of its
        file); ``data`` (one entry a data set); ``explorer``.
    """
    return {
        "metrics": findings.metrics,
        "against": findings.against,
        "panels": findings.panels,
        "marks": _table(_with_series(findings)),
        "fits": [
            one.drawn(band=one.metric == findings.metrics[0])
            for one in findings.series
            if one.fit is not None
        ],
        "comparisons": _table(findings.comparisons),
        "slices": _table(findings.slices.select(_SLICE_COLUMNS)),
        "runs": [
            {"file": path.name, "record": record}
            for cell in findings.cells
            for path, record in zip(cell.paths, cell.records, strict=True)
        ],
        "data": _data_sets(findings),
        "explorer": explorer,
    }


def _table(frame: pl.DataFrame) -> dict[str, Any]:
    """Return a frame as columns and rows, floats to six significant digits."""
    floats = pl.selectors.float()
    return {
        "columns": frame.columns,
        "rows": frame.with_columns(floats.round_sig_figs(6)).rows(),
    }


def _with_series(findings: Findings) -> pl.DataFrame:
    """Add the line of a curve that an arm belongs to: what shares all but the size."""
    series = {
        (cell.dataset, cell.backbone, cell.arm): series_of(cell.records[0]["config"]["arm"])
        for cell in findings.cells
    }
    keys = findings.evidence.select("dataset", "backbone", "arm").rows()
    return findings.evidence.with_columns(
        pl.Series("series", [series[key] for key in keys], dtype=pl.String)
    )


def _data_sets(findings: Findings) -> list[dict[str, Any]]:
    first = {cell.dataset: cell for cell in reversed(findings.cells)}
    names = dict.fromkeys(cell.dataset for cell in findings.cells)
    return [_data_set(first[name], findings) for name in names]


def _data_set(cell: Cell, findings: Findings) -> dict[str, Any]:
    about: dict[str, Any] = {"dataset": cell.dataset, "counts": cell.records[0]["data"]}
    split = findings.splits.get(cell.dataset)
    if split is None:
        return about
    slices = findings.slices.filter(dataset=cell.dataset).unique("slice", maintain_order=True)
    return about | {
        "num_users": split.height,
        "target_in_history": int(split["target_in_history"].sum()),
        "cold": int((split["target_train_count"] == 0).sum()),
        "history_length": _quartiles(split["history_length"]),
        "target_train_count": _quartiles(split["target_train_count"]),
        "slices": slices.select("slice", "num_users").rows(),
    }


def _quartiles(values: pl.Series) -> list[int]:
    """Return minimum, quartiles and maximum."""
    return [int(values.quantile(q, "nearest") or 0) for q in (0, 0.25, 0.5, 0.75, 1)]
