"""What a check says: a verdict, the figures behind it, and what to do."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Verdict", "percent"]

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: What was looked at, in a few words; always the same for one check.
        verdict: ``"problem"`` spoils vectors or stops the run; ``"warning"`` deserves a look.
        found: What was found, in words with figures.
        fix: What to do; empty where the verdict is ``"ok"``.
    """

    check: str
    verdict: Verdict
    found: str
    fix: str = ""

    def __post_init__(self) -> None:
        assert (self.verdict == "ok") == (not self.fix), self


def percent(part: float, whole: float) -> str:
    """Return ``part / whole`` in words: ``"1.5%"``."""
    return f"{100 * part / whole:.3g}%"
