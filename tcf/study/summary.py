"""The table that `tcf table` prints: each arm's mean, its interval, and what its search was."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from tcf.evaluate.coverage import coverage_note
from tcf.evaluate.stats import NEW_SEEDS
from tcf.study.cells import Cell

__all__ = ["coverage_notes", "short_count", "summary", "tuning_notes"]

_PANEL = ("dataset", "backbone")


def summary(table: pl.DataFrame, cells: Sequence[Cell]) -> pl.DataFrame:
    """Return one row for each data set, backbone, arm and slice, one column for each metric.

    Args:
        table: From `tcf.study.evidence` of these cells.
        cells: From `read_cells`; their records say how each arm was tuned.

    Returns:
        Text columns: a metric's mean and 95% interval in fractions, ``*`` where it is about these
        trained models on new users alone; trials, seconds and flag of the search only where one
        was made.
    """
    means = table.filter(mark="mean")
    searches = _searches(cells)
    tuned = any(search["trials"] for search in searches.values())
    rows: dict[tuple, dict[str, Any]] = {}
    for row in means.iter_rows(named=True):
        cell = (*(row[name] for name in _PANEL), row["arm"])
        shown = rows.setdefault((*cell, row["slice"]), _about(row))
        shown[row["metric"]] = _interval(row)
        shown |= searches[cell] if tuned else {}
    return _without_empty(pl.DataFrame(list(rows.values()), infer_schema_length=None))


def coverage_notes(table: pl.DataFrame) -> list[str]:
    """Return a line for each kind of interval of trained arms that was measured to hold too seldom.

    Args:
        table: From `tcf.study.evidence`.
    """
    means = table.filter(mark="mean").drop_nulls("backbone")
    kinds = means.select("num_seeds", "interval_about").unique().sort("num_seeds", descending=True)
    return [note for kind in kinds.iter_rows() if (note := coverage_note(*kind))]


def tuning_notes(cells: Sequence[Cell]) -> list[str]:
    """Return what was searched, in a line for each data set and backbone."""
    spaces: dict[str, dict[str, None]] = {}
    for cell in cells:
        if cell.backbone is not None:
            about = f"{cell.dataset}, {cell.backbone}"
            spaces.setdefault(about, {})[_space(cell)] = None
    if all(list(found) == [""] for found in spaces.values()):
        return ["settings as given: no arm was searched for its own"]
    return [
        f"{about}: each arm searched {space}" if space else f"{about}: arms without a search"
        for about, found in spaces.items()
        for space in found
    ]


def _about(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "dataset": row["dataset"],
        "backbone": row["backbone"],
        "arm": row["arm"] + (f" [control: {row['control']}]" if row["control"] else ""),
        "slice": "" if row["slice"] == "all" else row["slice"],
        "users": f"{row['num_users']:,}",
        "parameters": "" if row["parameters"] is None else short_count(row["parameters"]),
        "seeds": row["num_seeds"],
        "at epoch limit": "yes" if row["hit_epoch_limit"] else "",
    }


def _interval(row: dict[str, Any]) -> str:
    star = "" if row["interval_about"] == NEW_SEEDS else "*"
    return f"{row['value']:.4f} ({row['low']:.4f} to {row['high']:.4f}){star}"


def _searches(cells: Sequence[Cell]) -> dict[tuple, dict[str, Any]]:
    """What the search of each cell was, flagged where the others of its panel had more."""
    found: dict[tuple, dict[str, Any]] = {}
    for cell in cells:
        searches = [record.get("tuning") for record in cell.records]
        search = next((x for x in searches if x), {})
        rivals = [other for other in cells if _panel(other) == _panel(cell) and other.backbone]
        found[cell.dataset, cell.backbone, cell.arm] = {
            "trials": search.get("num_trials"),
            "tuning seconds": round(search["seconds"]) if search else None,
            "tuning": _flag(cell, rivals) if cell.backbone else "",
        }
    return found


def _flag(cell: Cell, rivals: Sequence[Cell]) -> str:
    trials = {other.arm: _num_trials(other) for other in rivals}
    most = max(trials.values())
    if trials[cell.arm] < most:
        return f"fewer trials: {trials[cell.arm]} of {most}"
    spaces = {_space(other) for other in rivals if _num_trials(other)}
    return "spaces differ" if len(spaces) > 1 else ""


def _num_trials(cell: Cell) -> int:
    """Trials of the least tuned run: all seeds of an arm should have the same search."""
    return min((record.get("tuning") or {}).get("num_trials", 0) for record in cell.records)


def _panel(cell: Cell) -> tuple:
    return cell.dataset, cell.backbone


def _space(cell: Cell) -> str:
    tuning = cell.records[0]["config"].get("tuning")
    if not tuning:
        return ""
    ranges = ", ".join(_range(name, values) for name, values in sorted(tuning["space"].items()))
    return f"{ranges}, by {cell.records[0]['config']['train']['monitor']} on validation"


def _range(name: str, values: dict[str, Any]) -> str:
    if "values" in values:
        return f"{name} in {values['values']}"
    log = " (log)" if values["kind"] == "log_uniform" else ""
    return f"{name} {values['low']:g} to {values['high']:g}{log}"


def _without_empty(frame: pl.DataFrame) -> pl.DataFrame:
    """Leave out columns that say nothing of any row."""
    said = [x for x in frame.columns if (frame[x].cast(pl.String).fill_null("") != "").any()]
    return frame.select(said)


def short_count(number: float) -> str:
    """1234567 -> "1.23M"."""
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}" if isinstance(number, float) else str(number)
