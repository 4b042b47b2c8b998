"""The tables of README.md, written from results.json: python -m experiments.truth.page."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.truth.cells import Cell
from experiments.truth.simulate import RATIOS, RESULTS, SEEDS
from tcf.evaluate.coverage import MISREAD
from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS

README = Path(__file__).parent / "README.md"
CURVE = "curves"

Row = tuple[str, str]  # what a reader sees, the measure

INTERVALS: tuple[Row, ...] = (
    ("an arm, new seeds (`mean_interval`)", "arm: new seeds"),
    ("a difference, new seeds (`difference_interval`)", "difference: new seeds"),
    (
        "a difference from an untrained arm, new seeds",
        "difference from an untrained arm: new seeds",
    ),
    ("an arm, these models (`bootstrap_mean`)", "arm: new users"),
    ("a difference, these models (`difference_interval`)", "difference: new users"),
    ("hierarchical bootstrap, for comparison", "arm: hierarchical bootstrap"),
)
READINGS: tuple[Row, ...] = (
    ("interval of an arm, one seed", "arm: one seed, read as new seeds"),
    ("interval of an arm, all seeds", "arm: new users, read as new seeds"),
    ("interval of a difference, one seed", "difference: one seed, read as new seeds"),
    ("interval of a difference, all seeds", "difference: new users, read as new seeds"),
    (
        "permutation test, one seed: false alarms",
        "paired_permutation, one seed: 0 errors, read as new seeds",
    ),
    (
        "permutation test, all seeds: false alarms",
        "paired_permutation: 0 errors, read as new seeds",
    ),
)
TESTS: tuple[Row, ...] = (
    ("`seed_test`: level", "seed_test: 0 errors"),
    ("`seed_test`: 2 errors", "seed_test: 2 errors"),
    ("`seed_test`: 4 errors", "seed_test: 4 errors"),
    ("`no_worse`, new seeds: level", "no_worse, new seeds: at the margin"),
    ("`no_worse`, one seed: level", "no_worse, new users, one seed: at the margin"),
    ("`paired_permutation`: level", "paired_permutation: 0 errors"),
    ("`paired_permutation`: 2 errors", "paired_permutation: 2 errors"),
    ("`paired_permutation`: 4 errors", "paired_permutation: 4 errors"),
    ("`mcnemar`, one seed: level", "mcnemar, one seed: 0 errors"),
    ("`mcnemar`, one seed: 2 errors", "mcnemar, one seed: 2 errors"),
    ("`mcnemar`, one seed: 4 errors", "mcnemar, one seed: 4 errors"),
)
MANY: tuple[Row, ...] = (
    ("ten equal arms: any uncorrected p < 0.05", "ten equal arms: any p below 0.05"),
    ("ten equal arms: any after `holm`", "ten equal arms: any after Holm"),
    (
        "ten equal arms: any after `benjamini_hochberg`",
        "ten equal arms: any after Benjamini-Hochberg",
    ),
    (
        "five of ten better, `benjamini_hochberg`: share of claims false",
        "five of ten better: share of false claims",
    ),
    (
        "five of ten better, `benjamini_hochberg`: found",
        "five of ten better: share of them found",
    ),
    ("five of ten better, `holm`: found", "five of ten better: share found after Holm"),
)
RISING: tuple[Row, ...] = (
    ("slope", "slope"),
    ("exponent, profile", "profile: exponent"),
    ("ceiling, profile", "profile: ceiling"),
    ("crossing, profile", "profile: crossing"),
    ("exponent, bootstrap", "bootstrap: exponent"),
    ("ceiling, bootstrap", "bootstrap: ceiling"),
    ("crossing, bootstrap", "bootstrap: crossing"),
    ("band, profile (default)", "band of the profile, within the sizes"),
    ("band of the true form, bootstrap", "band of the true form, within the sizes"),
    ("band of AICc's pick, bootstrap", "band of AICc's pick, within the sizes"),
    (
        "the same at ten times the largest size: profile",
        "band of the profile, ten times beyond the sizes",
    ),
    ("true form", "band of the true form, ten times beyond the sizes"),
    ("AICc's pick", "band of AICc's pick, ten times beyond the sizes"),
    ("slope told from zero", "slope told from zero"),
    ("exponent told from a logarithm, profile", "profile: exponent told from a logarithm"),
    ("crossing with both ends, profile", "profile: crossing has both ends"),
    ("scatter flagged at 1% though none is added", "scatter flagged that is not there"),
)
FLAT: tuple[Row, ...] = (
    ("slope", "slope"),
    ("slope told from zero: level", "slope told from zero"),
    ("band, profile (default)", "band of the profile, within the sizes"),
    ("the same at ten times the largest size", "band of the profile, ten times beyond the sizes"),
    ("exponent told from a logarithm", "profile: exponent told from a logarithm"),
    ("a crossing with both ends, where there is none", "profile: crossing has both ends"),
)
TABLES: dict[str, tuple[str, str, tuple[Row, ...]]] = {
    "intervals": ("pairs", "", INTERVALS),
    "misread": ("pairs", "", READINGS),
    "tests": ("pairs", "", TESTS),
    "many": ("tables", "", MANY),
    "rising": (CURVE, "power law, 6 sizes", RISING),
    "flat": (CURVE, "flat, 6 sizes", FLAT),
}
OFFERED = {  # about: the part and shape, the measures, the numbers of seeds in which it is offered
    NEW_USERS: ("pairs", "", ("arm: new users", "difference: new users"), SEEDS),
    NEW_SEEDS: (
        *("pairs", ""),
        tuple(measure for _, measure in INTERVALS[:3]),
        SEEDS[1:],
    ),
    MISREAD: (
        *("pairs", ""),
        ("arm: new users, read as new seeds", "difference: new users, read as new seeds"),
        SEEDS,
    ),
    "slope": (CURVE, "power law, 6 sizes", ("slope",), SEEDS),
    "exponent": (CURVE, "power law, 6 sizes", ("profile: exponent",), SEEDS),
    "ceiling": (CURVE, "power law, 6 sizes", ("profile: ceiling",), SEEDS),
    "crossing": (CURVE, "power law, 6 sizes", ("profile: crossing",), SEEDS),
}
FORMS = ("flat, 6 sizes", "power law, 6 sizes")
FORMS += ("flat, 9 sizes", "log-linear, 9 sizes", "power law, 9 sizes")


def share(entry: tuple[float, int]) -> tuple[float, float]:
    """Return a measured share and its binomial standard error, which is never 0."""
    found, of = entry
    near = (found + 1) / (of + 2)
    return found / of, math.sqrt(near * (1 - near) / of)


def tables(results: Mapping[str, Any]) -> dict[str, str]:
    """Return every table as Markdown, by name."""
    made = {name: _by_noise(results, *what) for name, what in TABLES.items()}
    few = {
        "uneven": _few(results, CURVE, "power law, 6 uneven sizes", RISING[:7]),
        "ndcg": _few(results, "pairs", "", (*INTERVALS, *TESTS[:8]), "ndcg@10"),
    }
    return {**made, "forms": _forms(results), **few}


def coverage(results: Mapping[str, Any]) -> dict[str, dict[int, tuple[float, float]]]:
    """Return what `tcf.evaluate.coverage.COVERAGE` has to say: least and most over the noise."""
    found = {
        about: {
            seeds: _extremes(results, [Cell(part, x, seeds, shape=shape) for x in RATIOS], measures)
            for seeds in offered
        }
        for about, (part, shape, measures, offered) in OFFERED.items()
    }
    one = [Cell("pairs", ratio, SEEDS[0]) for ratio in RATIOS]
    of_one = [name.replace("new users", "one seed") for name in OFFERED[MISREAD][2]]
    return {**found, MISREAD: {1: _extremes(results, one, of_one), **found[MISREAD]}}


def filled(page: str, results: Mapping[str, Any]) -> str:
    """Return the page with every table between its marks replaced.

    Raises:
        KeyError: If the page marks a table that there is not.
    """
    made = tables(results)
    return re.sub(
        r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}\n{made[found[2]]}\n\n{found[3]}",
        page,
        flags=re.DOTALL,
    )


def main() -> None:
    """Write the tables into the page."""
    results = json.loads(RESULTS.read_text())
    README.write_text(filled(README.read_text(), results))
    print("tcf.evaluate.coverage.COVERAGE must be", json.dumps(coverage(results), indent=1))


def _extremes(
    results: Mapping[str, Any], cells: Iterable[Cell], measures: Iterable[str]
) -> tuple[float, float]:
    entries = [results[cell.name]["measures"][name] for cell in cells for name in measures]
    shares = [round(share(entry)[0], 3) for entry in entries]
    return min(shares), max(shares)


def _by_noise(results: Mapping[str, Any], part: str, shape: str, rows: tuple[Row, ...]) -> str:
    lines = [
        "| per cent | noise | " + " | ".join(f"{seeds} seeds" for seeds in SEEDS) + " |",
        "|---|---|" + "---|" * len(SEEDS),
    ]
    for label, measure in rows:
        for ratio in RATIOS:
            cells = [Cell(part, ratio, seeds, shape=shape) for seeds in SEEDS]
            shown = [_shown(results, cell, measure) for cell in cells]
            lines.append(f"| {label} | {ratio:g} | " + " | ".join(shown) + " |")
            label = ""
    return "\n".join(lines)


def _forms(results: Mapping[str, Any]) -> str:
    lines = ["| the true curve | 3 seeds | 5 seeds |", "|---|---|---|"]
    for shape in FORMS:
        cells = [Cell(CURVE, 1.0, seeds, shape=shape) for seeds in (3, 5)]
        shown = [_shown(results, cell, "AICc picks the true form") for cell in cells]
        lines.append(f"| {shape} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _few(
    results: Mapping[str, Any], part: str, shape: str, rows: Iterable[Row], metric: str = "hr@10"
) -> str:
    lines = ["| per cent, noise 1 | 3 seeds | 5 seeds |", "|---|---|---|"]
    for label, measure in rows:
        cells = [Cell(part, 1.0, seeds, metric, shape) for seeds in (3, 5)]
        shown = [_shown(results, cell, measure) for cell in cells]
        lines.append(f"| {label} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _shown(results: Mapping[str, Any], cell: Cell, measure: str) -> str:
    entry = results[cell.name]["measures"].get(measure)
    if entry is None:
        return ""
    found, error = share(entry)
    return f"{100 * found:.1f} ± {100 * error:.1f}"


if __name__ == "__main__":
    main()
