"""What every benchmark prints and keeps: times in turns, their spread, the machine, the commit."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tcf.study.provenance import provenance

__all__ = ["machine", "median_ratio", "spread", "table", "take_turns", "timed", "write_result"]

RESULTS = Path(__file__).parent / "results"


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def take_turns(
    arms: dict[str, Callable[[], float]], *, repeats: int, show: bool = True
) -> dict[str, list[float]]:
    """Call each arm once a turn, after a turn that warms up, and return what it measured.

    In turns, a machine whose speed drifts slows all arms alike.
    """
    values: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(repeats + 1):
        taken = {name: arm() for name, arm in arms.items()}
        if turn:
            for name, value in taken.items():
                values[name].append(value)
            if show:
                print({name: round(value, 3) for name, value in taken.items()}, flush=True)
    return values


def spread(values: Sequence[float], *, digits: int = 2) -> dict[str, float]:
    """Return median, low and high."""
    figures = {"median": statistics.median(values), "low": min(values), "high": max(values)}
    return {name: round(value, digits) for name, value in figures.items()}


def median_ratio(over: Sequence[float], under: Sequence[float], *, digits: int = 3) -> float:
    """Return the median over the turns of ``over / under``."""
    pairs = zip(over, under, strict=True)
    return round(statistics.median(o / u for o, u in pairs), digits)


def machine() -> dict[str, Any]:
    """Return where a result was measured: threads, load of others, system, commit and versions."""
    import torch

    return {
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        "system": platform.platform(),
        "provenance": provenance(),
    }


def table(rows: Sequence[Sequence[object]], *, head: Sequence[str]) -> str:
    """Return a Markdown table."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def write_result(name: str, result: dict[str, Any]) -> None:
    """Write ``results/NAME.json`` with the machine, and print it."""
    text = json.dumps(result | machine(), indent=1)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)
