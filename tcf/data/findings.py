"""What a check says: a verdict, the figures behind it, and what to do."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

__all__ = ["Finding", "Verdict", "as_json", "percent", "summary", "verdicts"]

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: What was looked at, in a few words; always the same for one check.
        verdict: ``"problem"`` spoils results or stops the run; ``"warning"`` deserves a look.
        found: What was found, in words with figures.
        fix: What it means and what to do; empty where the verdict is ``"ok"``.
        figures: The numbers behind it by name, for a record, the one it turns on first; shares lie
            in [0, 1]. Empty where the check could not be made, and for checks of encoders, whose
            figures are in words alone.
    """

    check: str
    verdict: Verdict
    found: str
    fix: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert (self.verdict == "ok") == (not self.fix), self

    @classmethod
    def judged(
        cls, check: str, found: str, *, warn: bool, fix: str, figures: Mapping[str, float]
    ) -> "Finding":
        """Return a warning with its fix where ``warn`` says so, else what was found, and no fix."""
        return cls(check, "warning" if warn else "ok", found, fix if warn else "", figures)


def percent(part: float, whole: float) -> str:
    """Return ``part / whole`` in words: ``"1.5%"``; of nothing it is 0."""
    return f"{100 * part / whole if whole else 0:.3g}%"


def summary(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return what a record tells: how many have each verdict; of each, verdict and first figure."""
    return {
        "verdicts": verdicts(findings),
        "checks": {
            f.check: {"verdict": f.verdict, **dict(itertools.islice(_figures(f).items(), 1))}
            for f in findings
        },
    }


def verdicts(findings: Sequence[Finding]) -> dict[str, int]:
    """Return how many findings have each verdict."""
    counts = Counter(finding.verdict for finding in findings)
    return {verdict: counts[verdict] for verdict in get_args(Verdict)}


def as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return the findings as JSON objects, their figures to six digits."""
    return [{**asdict(finding), "figures": _figures(finding)} for finding in findings]


def _figures(finding: Finding) -> dict[str, float]:
    return {
        name: value if isinstance(value, int) else float(f"{value:.6g}")
        for name, value in finding.figures.items()
    }
