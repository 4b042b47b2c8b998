"""The curves of the reference study: the committed record is what the analysis gives.

The numbers were published by others and lie beside the real data sets
(``$TCF_TEST_DATA/../reference/published.csv``); elsewhere the record is checked against itself: its
values are fitted again. SciPy's curve_fit is the witness of the least squares.
"""

import json
import os
import runpy
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.optimize import curve_fit

from tcf.study.scaling import fit_curve

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "published"
PANELS = json.loads((FOLDER / "published.json").read_text(encoding="utf-8"))["panels"]
SOURCE = Path(os.environ.get("TCF_TEST_DATA", ROOT.parent / "shared" / "data")).parent
SOURCE = SOURCE / "reference" / "published.csv"


def assert_close(found, expected, where: str = "") -> None:
    if isinstance(expected, dict):
        assert set(found) == set(expected), where
        for name, value in expected.items():
            assert_close(found[name], value, f"{where}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for place, value in enumerate(expected):
            assert_close(found[place], value, f"{where}[{place}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6), where
    else:
        assert found == expected, where


@pytest.mark.skipif(not SOURCE.exists(), reason=f"the published numbers are not at {SOURCE}")
def test_the_record_is_what_the_analysis_gives():
    analyse = runpy.run_path(str(FOLDER / "analyse.py"))["analyse"]
    made = analyse(pl.read_csv(SOURCE))
    assert_close(made["panels"], PANELS)


def test_there_are_twelve_panels_of_nine_sizes():
    assert len(PANELS) == 12
    assert all(len(panel["values"]) == 9 for panel in PANELS)


@pytest.mark.parametrize(
    "panel", PANELS, ids=lambda p: f"{p['dataset']}-{p['backbone']}-{p['metric']}"
)
def test_scipy_finds_the_same_least_squares(panel):
    sizes, values = np.array(panel["parameters"], float), np.array(panel["values"])
    x = np.log(sizes)
    line = np.polyfit(x, values, 1)
    found = panel["forms"]["log-linear"]["parameters"]
    assert (found["b"], found["a"]) == pytest.approx(tuple(line), rel=1e-5)
    start = panel["forms"]["power law"]
    made, _ = curve_fit(
        lambda z, c, a, b: c - a * np.exp(-b * (z - x.mean())),
        x,
        values,
        p0=(values.max() + 0.01, 0.02, 0.1),
        bounds=([0, -1, 1e-4], [1, 2, 3]),
        max_nfev=20_000,
    )
    residual = values - (made[0] - made[1] * np.exp(-made[2] * (x - x.mean())))
    # its exponent may come nearer to 0, which is a logarithm, than ours
    assert start["residual_sum"] <= (residual**2).sum() * 1.01


def test_the_verdicts_are_those_of_the_numbers_in_the_record():
    for panel in PANELS[:3]:
        fit = fit_curve(panel["parameters"], panel["values"], seed=0, baseline=panel["id"])
        assert fit.verdict == panel["verdict"]
