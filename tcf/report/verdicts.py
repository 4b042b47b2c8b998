"""in_words(): what a study's tables say, in sentences. Loads no torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from tcf.evaluate.coverage import coverage_note
from tcf.evaluate.stats import MIN_SEEDS, NEW_USERS
from tcf.report.findings import Findings
from tcf.study.cells import Cell
from tcf.study.series import SeriesFit
from tcf.study.summary import tuning_notes

__all__ = ["Tone", "Verdict", "in_words"]

Tone = Literal["ahead", "behind", "open", "curve", "caution", "note"]
LEVEL = 0.05


@dataclass(frozen=True)
class Verdict:
    """A conclusion about a data set and a backbone.

    Attributes:
        dataset, backbone: What it is about; no backbone where nothing is trained.
        tone: ``"ahead"``, ``"behind"`` or ``"open"`` of a comparison; ``"curve"`` of a family of
            sizes; ``"caution"`` for what may mislead; ``"note"`` for the rest.
        label: What it says, in two or three words.
        text: One or more sentences.
    """

    dataset: str
    backbone: str | None
    tone: Tone
    label: str
    text: str


def in_words(findings: Findings) -> list[Verdict]:
    """Return the verdicts of a study: for each data set and backbone, findings before cautions."""
    found = []
    for dataset, backbone in findings.panels:
        cells = findings.cells_of(dataset, backbone)
        for tell in (_against, _curves, _claims, _epoch_limits, _tuning, _seeds):
            found += [Verdict(dataset, backbone, *said) for said in tell(findings, cells)]
    return found


_Said = Iterator[tuple[Tone, str, str]]


def _against(findings: Findings, cells: Sequence[Cell]) -> _Said:
    """Compare the best arm of each kind of text with the arm that all are compared with."""
    against = findings.against
    if not any(cell.arm == against for cell in cells):
        yield "note", "no comparison", f"No arm is named {against}, so nothing is compared with it."
        return
    groups = {"text arm": _text(cells), "arm with text and IDs": _text(cells, with_ids=True)}
    for what, arms in groups.items():
        names = [cell.arm for cell in arms]
        dataset, backbone = cells[0].dataset, cells[0].backbone
        rows = findings.comparisons.filter(
            pl.col("arm").is_in(names), dataset=dataset, backbone=backbone
        )
        if not rows.is_empty():
            best = rows.sort("difference", descending=True, maintain_order=True).row(0, named=True)
            yield _difference(findings, best, what=what, num_arms=len(rows))


def _text(cells: Sequence[Cell], *, with_ids: bool = False) -> list[Cell]:
    """Return the trained arms that read text, controls and random weights left out."""
    arms = [(cell, cell.records[0]["config"]["arm"]) for cell in cells]
    return [
        cell
        for cell, arm in arms
        if arm["kind"] in ("model", "static")
        and arm.get("control") is None
        and (arm.get("with_ids") is not None) == with_ids
    ]


def _difference(
    findings: Findings, row: dict[str, Any], *, what: str, num_arms: int
) -> tuple[Tone, str, str]:
    value, other = (_mean(findings, row, arm) for arm in (row["arm"], row["against"]))
    gap = f"{abs(row['difference']):.4f}"
    span = f"95% interval {_signed(row['low'])} to {_signed(row['high'])}, {row['interval_about']}"
    num_compared = len(findings.comparisons)
    p = f"{say_p(row['p_holm'])} after Holm's correction over {num_compared} comparisons"
    which = f"The best of {num_arms} {what}s" if num_arms > 1 else f"The only {what}"
    metric, against = _metric(findings.metrics[0]), row["against"]
    start = f"{which}, {row['arm']}, reaches {metric} {value:.4f}; {against} reaches {other:.4f}. "
    if row["p_holm"] >= LEVEL:
        difference = _signed(row["difference"])
        return (
            "open",
            f"not told from {against}",
            (
                f"{start}The two cannot be told apart: difference {difference} ({span}; {p}). "
                "This does not show that they are equal."
            ),
        )
    tone: Tone = "ahead" if row["difference"] > 0 else "behind"
    label = f"ahead of {against}" if tone == "ahead" else f"behind {against}"
    return tone, label, f"{start}It is {gap} {tone} ({span}; {p})."


def _mean(findings: Findings, row: dict[str, Any], arm: str) -> float:
    means = findings.evidence.filter(
        pl.col("backbone").eq_missing(row["backbone"]),
        dataset=row["dataset"],
        arm=arm,
        metric=row["metric"],
        mark="mean",
    )
    return means["value"].item()


def _curves(findings: Findings, cells: Sequence[Cell]) -> _Said:
    """Say what the curve of each family does, over parameters with the embeddings."""
    panel = (cells[0].dataset, cells[0].backbone)
    metric = findings.metrics[0]
    for series in findings.series:
        if (series.dataset, series.backbone) != panel or series.metric != metric:
            continue
        if series.axis != "parameters":
            continue
        if series.fit is None:
            yield "note", "no curve", f"{series.series}: no curve is fitted. {series.refused}."
            continue
        text = (
            f"{series.series}, {_metric(metric)}: {series.fit.verdict}. Parameters are counted "
            f"with embeddings; {_form(series)}; about {series.fit.curve.about}."
        )
        yield "curve", f"{series.num_sizes} sizes", text


def _claims(findings: Findings, cells: Sequence[Cell]) -> _Said:
    """Say of what the study invites one to claim whether a control shows it as well."""
    panel = (cells[0].dataset, cells[0].backbone)
    for claim in findings.claims:
        if (claim.dataset, claim.backbone) != panel:
            continue
        if claim.explained_by:
            yield "caution", "explained by a control", claim.verdict
        else:
            yield "note", "not all controlled" if claim.missing else "controlled", claim.verdict


def _form(series: SeriesFit) -> str:
    """Say which form is drawn, and which one the data alone would choose."""
    assert series.fit is not None
    name, best, num_forms = series.shown.form.name, series.fit.best, len(series.fit.fits)
    if num_forms == 1:
        return f"drawn is the {name}, the only form that so few sizes can tell"
    weight = f"of {num_forms} forms the {best.form.name} has the largest weight, {best.weight:.2f}"
    return f"drawn is the {name}; by AICc, {weight}"


def _epoch_limits(_findings: Findings, cells: Sequence[Cell]) -> _Said:
    trained = [cell for cell in cells if cell.backbone]
    stopped = {cell.arm: sum(map(_at_limit, cell.records)) for cell in trained}
    sizes = {cell.arm: len(cell.records) for cell in trained}
    if not any(stopped.values()):
        return
    if stopped == sizes:
        which = f"Every run of all {len(trained)} arms"
    else:
        names = [f"{name} ({n} of {sizes[name]})" for name, n in stopped.items() if n]
        which = f"Runs of {listed(names)}"
    yield (
        "caution",
        "epoch limit",
        f"{which} stopped at their epoch limit: longer training might have given more.",
    )


def _at_limit(record: dict[str, Any]) -> bool:
    return bool((record["history"] or {}).get("hit_epoch_limit", False))


def _tuning(_findings: Findings, cells: Sequence[Cell]) -> _Said:
    trials = {cell.arm: min(map(_num_trials, cell.records)) for cell in cells if cell.backbone}
    if not trials:
        return
    most, (space, *others) = max(trials.values()), tuning_notes(cells)
    fewer = [f"{name} ({count})" for name, count in trials.items() if count < most]
    if fewer:
        yield (
            "caution",
            "unequal tuning",
            f"Some arms had {most} trials, {listed(fewer)} had fewer: part of a difference "
            "between them may be the search.",
        )
    elif others:
        yield "caution", "unequal tuning", f"The searches differ. {'; '.join([space, *others])}."
    elif most:
        yield "note", "equal tuning", f"{most} trials each. {space}."
    else:
        yield "note", "no tuning", "No arm was tuned: all ran with the settings of the study."


def _num_trials(record: dict[str, Any]) -> int:
    return (record.get("tuning") or {}).get("num_trials", 0)


def _seeds(_findings: Findings, cells: Sequence[Cell]) -> _Said:
    few = {c.arm: len(c.records) for c in cells if c.backbone and len(c.records) < MIN_SEEDS}
    if few:
        names = [f"{name} ({count})" for name, count in few.items()]
        measured = {count: coverage_note(count, NEW_USERS) for count in sorted(set(few.values()))}
        yield (
            "caution",
            "few seeds",
            f"Fewer than {MIN_SEEDS} seeds: {listed(names)}. Their intervals are over users only: "
            f"in simulated studies (experiments/truth), {listed(list(measured.values()))}.",
        )


def say_p(p: float) -> str:
    """Return a p-value for a sentence: ``p = 0.012``, ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.1 else f"p = {p:.2f}"


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them: ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _metric(name: str) -> str:
    return name.upper()


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")
