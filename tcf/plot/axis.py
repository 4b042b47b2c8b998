"""Logarithmic axes, and the one with a place for encoders without parameters. No torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from tcf.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LogAxis", "short_count"]

_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8))


@dataclass(frozen=True)
class LogAxis:
    """An x axis in log10 units: slots of what has no size, the break, then sizes.

    Attributes:
        start, stop: Where sizes begin and end.
        slots: Place of each name left of the break.
        units: Letters for 1, thousand, million and so on.
    """

    start: float
    stop: float
    slots: dict[str, float] = field(default_factory=dict)
    units: str = " kMBTQ"

    @classmethod
    def of(
        cls, sizes: Sequence[float], *, without: Sequence[str] = (), units: str = " kMBTQ"
    ) -> "LogAxis":
        """Return the axis of these sizes, all above 0, and of the names ``without`` one."""
        low, high = math.log10(min(sizes)), math.log10(max(sizes))
        span, slack = max(high - low, 0.3), max(0.0, 0.2 - (high - low)) / 2  # sizes all alike
        start, stop = low - 0.09 * span - slack, high + 0.09 * span + slack
        places = [start - (0.16 + 0.17 * k) * span for k in reversed(range(len(without)))]
        return cls(start, stop, dict(zip(without, places, strict=True)), units)

    def set(self, axes: "Axes") -> None:
        """Give ``axes`` the limits, the ticks and, where there are slots, the break."""
        unit = (self.stop - self.start) / 1.18
        left = min(self.slots.values()) - 0.09 * unit if self.slots else self.start
        large = self._labelled_ticks()
        slots = [10**x for x in self.slots.values()]
        axes.set(xscale="log", xlim=(10**left, 10**self.stop))
        axes.set_xticks(
            slots + large, ["0"] * len(slots) + [short_count(x, self.units) for x in large]
        )
        axes.set_xticks([x for x in self._ticks(range(1, 10)) if x not in large], minor=True)
        axes.xaxis.set_minor_formatter(lambda *_: "")
        if slots:
            self._draw_break(axes, gap=self.start - 0.05 * unit, left=left)

    def _draw_break(self, axes: "Axes", *, gap: float, left: float) -> None:
        share = (gap - left) / (self.stop - left)
        ends, slash = [share - 0.008, share + 0.008], cast("Any", [(-0.6, -1), (0.6, 1)])
        across: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "zorder": 5}
        axes.plot(ends, [0, 0], color="white", lw=2.5, **across)
        look = {"ls": "", "ms": 8, "marker": slash, "color": style.GREY, "label": "_break"}
        axes.plot(ends, [0, 0], **look, **across)
        axes.axvline(10**gap, color="#CCCCCC", lw=0.7, ls=":", zorder=0.5)

    def _ticks(self, steps: Sequence[float]) -> list[float]:
        decades = range(math.floor(self.start), math.ceil(self.stop))
        every = [float(f"{step}e{decade}") for decade in decades for step in steps]
        return [x for x in every if self.start <= math.log10(x) <= self.stop]

    def _labelled_ticks(self) -> list[float]:
        tries = [self._ticks(steps) for steps in _STEPS]
        found = next((found for found in tries if len(found) >= 3), tries[-1])
        return found[:: math.ceil(len(found) / 7)]


def short_count(number: float, units: str) -> str:
    """Shorten a count for a tick: 350000000 is "350M"."""
    power = min(max(int(math.log10(number) / 3 + 1e-9), 0), len(units) - 1)
    return f"{number / 1000**power:g}{units[power].strip()}"
