"""Draws plots/truth.svg and .csv from experiments/truth/results.json: python plots/truth.py."""

import json
import sys
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from tcf.plot import Drawing

HERE = Path(__file__).parent
RESULTS = HERE.parent / "experiments" / "truth" / "results.json"
METHODS = {  # measure: what the legend says, colour, line, mark
    "arm: new seeds": ("variance components (offered from three seeds)", "#0072B2", "-", "o"),
    "arm: hierarchical bootstrap": ("hierarchical bootstrap", "#009E73", "--", "s"),
    "arm: new users, read as new seeds": ("users alone, all seeds", "#E69F00", "-.", "^"),
    "arm: one seed, read as new seeds": ("users alone, one seed", "#D55E00", ":", "v"),
}


def numbers() -> pl.DataFrame:
    """Return the share of studies covered, by method, seed noise and number of seeds."""
    cells = json.loads(RESULTS.read_text()).values()
    rows = [
        {
            "method": METHODS[measure][0],
            "noise": cell["ratio"],
            "num_seeds": cell["num_seeds"],
            "covered": cell["measures"][measure][0] / cell["measures"][measure][1],
            "num_studies": cell["measures"][measure][1],
        }
        for measure in METHODS
        for cell in cells
        if cell["part"] == "pairs" and cell["metric"] == "hr@10"
    ]
    return pl.DataFrame(rows)


def draw(data: pl.DataFrame) -> Figure:
    """Return a panel for each seed noise, coverage against seeds."""
    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    ratios = data["noise"].unique(maintain_order=True)
    seeds = data["num_seeds"].unique(maintain_order=True).cast(pl.String).to_list()
    panels = figure.subplots(1, len(ratios), sharey=True)
    for panel, ratio in zip(panels, ratios, strict=True):
        panel.axhspan(93, 97, color="0.9")
        for label, colour, line, mark in METHODS.values():
            one = data.filter(method=label, noise=ratio)
            style = {"color": colour, "linestyle": line, "marker": mark, "label": label}
            panel.plot(range(len(one)), 100 * one["covered"], **style)
        panel.set_xticks(range(len(seeds)), seeds)
        panel.set(title=f"seed noise {ratio:g} x user noise", xlabel="seeds", ylim=(40, 100))
        panel.title.set_fontsize(9)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("95% intervals that hold\nfor new seeds and users, %")
    figure.legend(*panels[0].get_legend_handles_labels(), **_BELOW)
    return figure


_BELOW = {"loc": "outside lower center", "ncols": 2, "frameon": False, "fontsize": 8}


def main(out: Path = HERE) -> None:
    """Read the results and draw into ``out``."""
    data = numbers()
    Drawing(draw(data), data).save(out / "truth")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
