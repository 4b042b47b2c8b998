"""The simulation of experiments/truth: its law, a small part of it anew, and the page it filled."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from experiments.truth import page, trained
from experiments.truth.cells import LEVEL, Cell
from experiments.truth.law import Law
from experiments.truth.simulate import NUM_STUDIES, RESULTS, main, plan, simulate
from tcf.study.runner import run_study

CELLS = [
    Cell("pairs", 1.0, 5),
    Cell("tables", 3.0, 5),
    Cell("curves", 1.0, 5, shape="power law, 6 sizes"),
    Cell("curves", 3.0, 5, shape="flat, 6 sizes"),
]


@pytest.fixture(scope="module")
def results() -> dict:
    return json.loads(RESULTS.read_text())


def within(found: np.ndarray, truth: float) -> bool:
    """Is the mean of independent studies within four of its standard errors?"""
    return bool(abs(found.mean() - truth) < 4 * found.std(ddof=1) / math.sqrt(len(found)))


@pytest.mark.parametrize("metric", ["hr@10", "ndcg@10", "hr@1"])
def test_population_means_are_the_means_of_drawn_ledgers(metric: str):
    law = Law(metric, num_users=400)
    noise = 0.8
    arm, seeds = [], []
    for number in range(300):
        rng = np.random.default_rng(number)
        drawn = law.draw(np.array([2.6, 4.0]), seed_noise=noise, num_seeds=2, rng=rng)
        arm.append(drawn.values[0].mean())
        seeds.append(drawn.values[1].mean() - drawn.trained_means[1])
    assert within(np.array(arm), float(law.run_mean(2.6, seed_noise=noise)))
    assert within(np.array(seeds), 0.0)


def test_standard_errors_of_a_difference_are_those_of_drawn_ledgers():
    law = Law(num_users=300)
    noise, num_seeds, effect = 0.6, 3, 2.6
    of_users, of_both = law.difference_errors(effect, seed_noise=noise, num_seeds=num_seeds)
    gaps, left = [], []
    for number in range(1000):
        rng = np.random.default_rng([1, number])
        drawn = law.draw(np.full(2, effect), seed_noise=noise, num_seeds=num_seeds, rng=rng)
        first, second = drawn.values.mean((1, 2))
        gaps.append(first - second)
        left.append(first - second - drawn.trained_means[0] + drawn.trained_means[1])
    assert within(np.square(gaps), of_both**2)
    assert within(np.square(left), of_users**2)


def test_seed_noise_is_the_ratio_asked_for():
    law = Law()
    noise = law.seed_noise_of(3.0, level=LEVEL)
    effect = law.effect_of(LEVEL)
    runs = law.run_mean(effect + noise * np.random.default_rng(0).standard_normal(20_000))
    assert np.std(runs) == pytest.approx(3 * law.user_error(effect), rel=0.03)


def test_shared_seeds_make_equal_arms_equal_models():
    cell = Cell("pairs", 3.0, 5)
    drawn = cell.draw(np.full(2, 2.6), cell.rng(0), shared_seeds=True)
    assert (drawn.effects[0] == drawn.effects[1]).all()
    assert (drawn.ranks[0] != drawn.ranks[1]).any()


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_fresh_studies_agree_with_the_committed_ones(cell: Cell, results: dict):
    committed = results[cell.name]["measures"]
    fresh = simulate(cell, range(10 * NUM_STUDIES, 10 * NUM_STUDIES + 120))
    assert set(fresh) == set(committed)
    for name, (found, of) in fresh.items():
        known, total = committed[name]
        share = (known + found + 1) / (total + of + 2)
        error = math.sqrt(share * (1 - share) * (1 / of + 1 / total))
        assert abs(found / of - known / total) < 4 * error + 0.5 / of, name


def test_any_part_repeats():
    cell = Cell("tables", 0.3, 3)
    whole, parts = simulate(cell, range(6)), [simulate(cell, range(2)), simulate(cell, range(2, 6))]
    for name, (found, of) in whole.items():
        assert found == pytest.approx(sum(part[name][0] for part in parts))
        assert of == sum(part[name][1] for part in parts) == 6


def test_a_run_that_was_cut_off_goes_on(tmp_path: Path):
    path = tmp_path / "results.json"
    arguments = ["--studies", "2", "--only", "tables, hr@10, noise 1", "--results", str(path)]
    main([*arguments, "--workers", "1"])
    whole = json.loads(path.read_text())
    assert len(whole) == 4
    kept = dict(list(whole.items())[:3])
    path.write_text(json.dumps(kept))
    main([*arguments, "--workers", "1"])
    assert json.loads(path.read_text()) == whole


def test_every_cell_is_committed_in_full(results: dict):
    assert list(results) == [cell.name for cell in plan()]
    assert {cell["num_studies"] for cell in results.values()} == {NUM_STUDIES}


def test_the_page_says_what_the_results_say(results: dict):
    text = page.README.read_text()
    assert page.filled(text, results) == text
    assert text.count("<!-- table:") == len(page.tables(results))


def test_the_check_by_training_runs_small(tmp_path: Path):
    small = trained.study(1, num_users=60, max_epochs=1)
    records = tmp_path / "records"
    settings = {"cache": tmp_path / "cache", "num_workers": 1, "keep_models": False}
    run_study(small, records=records, say=lambda line: None, **settings)
    found = trained.check(records, num_measured=30)
    assert list(found) == ["ID", "TF-IDF", "ID - TF-IDF"]
    for entry in found.values():
        assert entry["covered"] == (entry["low"] <= entry["further"] <= entry["high"])


def test_the_trained_studies_on_the_page_are_those_committed():
    found = json.loads(trained.RESULTS.read_text())
    covered = [entry["covered"] for study in found.values() for entry in study.values()]
    said = f"{len(found)} studies: {sum(covered)} of {len(covered)} intervals"
    assert said in page.README.read_text()
