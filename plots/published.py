"""Draws plots/published.svg and .csv from the record of the published curves: published.py."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tcf.plot import published_plot
from tcf.study.scaling import fit_curve

HERE = Path(__file__).parent
RECORD = HERE.parent / "experiments" / "published" / "published.json"
OPT = ("125M", "350M", "1.3B", "2.7B", "6.7B", "13B", "30B", "66B", "175B")


def main(out: Path = HERE) -> None:
    """Read the record and draw into ``out``."""
    panels = json.loads(RECORD.read_text(encoding="utf-8"))["panels"]
    hits = [panel for panel in panels if panel["metric"] == "hr@10"]
    numbers = pl.concat([points(panel) for panel in hits])
    fits = pl.concat([curve(panel) for panel in hits])
    title = "Frozen OPT encoders as published (Li et al., arXiv 2305.11700)"
    published_plot(numbers, fits=fits, title=title).save(out / "published")


def points(panel: dict[str, Any]) -> pl.DataFrame:
    """Return the nine numbers of a panel."""
    return pl.DataFrame(
        {
            **{name: [panel[name]] * len(OPT) for name in ("dataset", "backbone", "metric")},
            "arm": OPT,
            "parameters": panel["parameters"],
            "value": panel["values"],
        }
    )


def curve(panel: dict[str, Any]) -> pl.DataFrame:
    """Return the line in log N with its band: the form that most of the weight is on."""
    fit = fit_curve(panel["parameters"], panel["values"], seed=0)
    sizes = np.geomspace(panel["parameters"][0], panel["parameters"][-1], 40).round()
    line = fit.fits["log-linear"]
    low, high = fit.band(sizes, form="log-linear")
    return pl.DataFrame(
        {
            **{name: [panel[name]] * len(sizes) for name in ("dataset", "backbone")},
            "family": ["OPT"] * len(sizes),
            "form": ["log-linear"] * len(sizes),
            "parameters": sizes,
            "value": line.form.predict(line.row, np.log(sizes)).ravel(),
            "low": low,
            "high": high,
        }
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
