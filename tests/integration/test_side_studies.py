"""The scripts beside the side studies read what their studies leave."""

import json
import runpy
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from experiments.here import small_world
from experiments.more_data import analyse as more_data
from experiments.more_data.study import SHARES, nested
from experiments.precision import analyse as precision
from experiments.precision.drift import drift
from tcf.cli import app, load_studies
from tcf.study.runner import run_study

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def run_small(name: str, folder: Path) -> Path:
    """Run a study's smoke form and return its records."""
    for study in load_studies(EXPERIMENTS / name / "study.py", form="smoke"):
        run_study(
            study,
            records=folder / "records",
            cache=folder / "cache",
            num_workers=1,
            say=lambda line: None,
        )
    return folder / "records"


def test_precision_is_held_against_float32_of_the_same_arm(tmp_path: Path):
    records = run_small("precision", tmp_path)
    precision.main(records, tmp_path / "results.json")
    rows = json.loads((tmp_path / "results.json").read_text())["standings"]
    against = {row["arm"]: row["against"] for row in rows}
    assert against == {
        f"MiniLM, {name}{how}": f"MiniLM, float32{how}"
        for name in ("bfloat16", "int8")
        for how in ("", ", nearest")
    }


def test_drift_is_nothing_from_vectors_to_themselves_and_grows_with_noise():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((300, 16)).astype(np.float32)
    same = drift(vectors, vectors, seed=0)
    assert same["quantiles"]["0.0"] == pytest.approx(1)
    assert (same["num_items"], same["neighbours_kept"]) == (300, 1.0)
    little, much = (
        drift(vectors, vectors + np.float32(by) * vectors[::-1], seed=0) for by in (0.1, 0.5)
    )
    assert 1 > little["quantiles"]["0.5"] > much["quantiles"]["0.5"]
    assert 1 > little["neighbours_kept"] > much["neighbours_kept"]


def test_users_of_two_text_forms_are_paired(tmp_path: Path):
    records = run_small("text_fields", tmp_path)
    a = f"{records}/simulated world, title/SASRec/TF-IDF"
    done = CliRunner().invoke(app, ["diff", a, "simulated world, genres/SASRec/TF-IDF"])
    assert done.exit_code == 0, done.output
    assert "ndcg@10, about these trained models" in done.output


def test_more_data_ranks_the_same_for_all_and_fits_size_and_data(tmp_path: Path):
    records = run_small("more_data", tmp_path)
    more_data.main(records, tmp_path / "results.json")
    (fit,) = json.loads((tmp_path / "results.json").read_text())["datasets"].values()
    assert {one["training_users"] for one in fit["means"]} == {20, 58, 195}
    assert len({one["parameters"] for one in fit["means"]}) == 2
    assert fit["intervals"]["d"]["low"] < fit["intervals"]["d"]["mean"]


def test_samples_of_users_are_nested_and_tests_are_the_same():
    catalog, interactions = small_world(None)
    splits = [nested(catalog, interactions, share=share) for share in SHARES]
    trained = [set(np.flatnonzero(split.train.counts())) for split in splits]
    assert trained[0] < trained[1] < trained[2]
    for split in splits[1:]:
        for part in ("validation", "test"):
            one, other = getattr(split, part), getattr(splits[0], part)
            np.testing.assert_array_equal(one.targets, other.targets)
            np.testing.assert_array_equal(one.users, other.users)
            assert not trained[2] & set(one.users)


def test_every_encoder_has_its_year():
    path = EXPERIMENTS / "encoders_by_year"
    years = json.loads((path / "years.json").read_text())
    wanted = {
        config.arm.name
        for form in ("study", "paper")
        for study in load_studies(path / "study.py", form=form)
        for config in study.runs
        if config.arm.has_text and config.arm.control is None
    }
    told = json.loads((EXPERIMENTS / "published" / "figures.json").read_text())["figures"]
    published = {figure["encoder"] for figure in told if figure["study"] == "encoders"}
    assert years.keys() == wanted | published


def test_the_plot_by_years_is_drawn_from_its_records(tmp_path: Path):
    records = run_small("encoders_by_year", tmp_path)
    runpy.run_path(str(EXPERIMENTS.parent / "plots" / "encoders_by_year.py"))["main"](
        tmp_path, records
    )
    drawn = pl.read_csv(tmp_path / "encoders_by_year.csv").filter(mark="mean")
    years = dict(drawn.select("arm", "year").iter_rows())
    assert years["MiniLM"] == 2021
    assert years["MiniLM, random weights"] is None
