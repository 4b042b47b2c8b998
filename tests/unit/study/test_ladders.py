"""A ladder's losses beside a study: who belongs to whom, how a metric follows, what is fitted."""

import json
import math

import numpy as np
import polars as pl
import pytest

from tcf.errors import DataError
from tcf.study import (
    Arm,
    fit_loss,
    loss_evidence,
    loss_fit_table,
    loss_ranks,
    read_cells,
    read_ladder,
)
from tcf.study.ladders import rank_correlation
from tests.ladders import SIZES, write_ladder
from tests.runs import ID, write_arm


@pytest.fixture
def ladder(tmp_path):
    return read_ladder(write_ladder(tmp_path / "ladder"))


def write_study(folder, *, better=lambda n: 0.5 + 0.2 * n, **changes):
    for n, (name, count) in enumerate(SIZES.items()):
        arm = Arm(name=f"LM {name}", kind="model", encoder=name, family="ladder", **changes)
        write_arm(folder, arm, better=better(n), parameters=2 * count)
    write_arm(folder, Arm(name="random", kind="random", encoder="random"), parameters=2 * 10**6)
    write_arm(folder, ID, better=2)
    return read_cells(folder)


def test_a_ladder_is_read_from_its_folder_or_file(ladder, tmp_path):
    assert ladder["name"].to_list() == [*SIZES, "random"]
    assert ladder.equals(read_ladder(tmp_path / "ladder" / "ladder.json"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"the ladder.json that `tcf ladder` writes .* is needed \(FileNotFoundError"),
        ("{", r"is needed \(JSONDecodeError"),
        ('{"members": [{"name": "a"}]}', r"is needed \(KeyError: 'parameters'"),
        ('{"members": []}', "a ladder needs a finished size; it has none yet: train it"),
    ],
)
def test_what_is_no_ladder_is_named(content, message, tmp_path):
    if content is not None:
        (tmp_path / "ladder.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_ladder(tmp_path)


def test_the_fit_finds_the_loss_law(ladder):
    fit = fit_loss(ladder, seed=0)
    assert fit.exponent is not None
    assert fit.exponent.mean == pytest.approx(0.3, abs=1e-4)
    assert (1 - fit.ceiling.mean) * math.log(256) == pytest.approx(1.0, abs=1e-4)
    table = loss_fit_table(fit)
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    np.testing.assert_allclose(table["value"], 1 + 20 * table["x"].to_numpy() ** -0.3, rtol=1e-4)


def test_too_few_sizes_are_no_curve(ladder):
    with pytest.raises(ValueError, match="a curve needs at least 4 sizes, got 3"):
        fit_loss(ladder.head(3), seed=0)


def test_evidence_has_the_loss_of_each_member_and_of_nothing_else(ladder, tmp_path):
    table = loss_evidence(write_study(tmp_path / "records"), ladder, metrics=["hr@10"])
    losses = dict(ladder.select("name", "validation_loss_per_byte").rows())
    for row in table.iter_rows(named=True):
        assert row["loss"] == losses.get(row["arm"].removeprefix("LM ")) or (
            row["arm"] == "random" and row["loss"] is None
        )
    assert table["loss"].null_count() < len(table)


def test_a_metric_that_rises_as_losses_fall_correlates_wholly(ladder, tmp_path):
    (rank,) = loss_ranks(write_study(tmp_path / "r"), ladder, metrics=["hr@10"], seed=0)
    assert (rank.dataset, rank.backbone, rank.series) == ("world", "SASRec", "ladder")
    assert (rank.metric, rank.num_sizes, rank.refused) == ("hr@10", 6, "")
    assert rank.correlation.mean == 1
    assert 0.5 < rank.correlation.low <= rank.correlation.high == 1
    assert rank.correlation.about == "new seeds and new users"


def test_a_metric_that_falls_with_them_correlates_the_other_way(ladder, tmp_path):
    cells = write_study(tmp_path / "r", better=lambda n: 1.5 - 0.2 * n)
    (rank,) = loss_ranks(cells, ladder, metrics=["hr@10"], seed=0)
    assert rank.correlation.mean < -0.9


def test_a_family_with_too_few_sizes_says_why_it_has_none(ladder, tmp_path):
    cells = [cell for cell in write_study(tmp_path / "r") if cell.arm[-2:] not in ("1M", "3k")]
    (rank,) = loss_ranks(cells[:4], ladder, metrics=["hr@10"], seed=0)
    assert rank.correlation is None
    assert rank.refused.startswith("a curve needs at least 4 sizes")


def test_correlation_is_that_of_scipy_and_its_interval_holds_it():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    losses = [2.0, 1.5, 1.2, 1.1, 0.9]
    values = [(rng.random((3, 300)) < p).astype(float) for p in (0.2, 0.25, 0.22, 0.3, 0.28)]
    found = rank_correlation(losses, values, seed=0)
    means = [value.mean() for value in values]
    assert found.mean == pytest.approx(spearmanr(-np.array(losses), means).statistic)
    assert found.low <= found.mean <= found.high
    assert found.low < found.high
    flat = rank_correlation(losses, [np.full((2, 9), 0.5)] * 5, seed=0)
    assert (flat.low, flat.mean, flat.high) == (0, 0, 0)


def test_noise_alone_has_an_interval_around_nothing():
    rng, held = np.random.default_rng(1), 0
    for _ in range(40):
        values = [(rng.random((3, 200)) < 0.2).astype(float) for _ in range(6)]
        found = rank_correlation([6, 5, 4, 3, 2, 1], values, seed=0, num_resamples=200)
        held += found.low <= 0 <= found.high
    assert held >= 30


def test_an_arm_of_another_ladder_is_refused(ladder, tmp_path):
    cells = write_study(tmp_path / "records")
    unknown = ladder.head(1).with_columns(name=pl.lit("x"))
    with pytest.raises(ValueError, match=r"must be sizes of the ladder, x; they are opt-100k, opt"):
        loss_evidence(cells, unknown, metrics=["hr@10"])
    other = ladder.with_columns(pl.col("parameters_without_embeddings") + 1)
    with pytest.raises(ValueError, match=r"must be the ladder's opt-\w+; that has .*1 parameters"):
        loss_evidence(cells, other, metrics=["hr@10"])


def test_controls_are_no_sizes(ladder, tmp_path):
    with pytest.raises(ValueError, match="must be sizes of the ladder"):
        loss_ranks(
            write_study(tmp_path / "r", control="shuffled"), ladder, metrics=["hr@10"], seed=0
        )


def test_what_the_tool_writes_is_what_is_read(tmp_path):
    from tcf.data.simulate import simulate
    from tcf.encode.ladder import Recipe, Size, train_ladder

    texts = simulate(num_users=1, num_items=60, seed=0)[0].texts
    recipe = Recipe(num_tokens=500, vocab_size=300)
    sizes = [Size(8, 1, 1), Size(16, 1, 2)]
    train_ladder(texts, folder=tmp_path, recipe=recipe, sizes=sizes, seed=0, progress=False)
    table = read_ladder(tmp_path)
    told = json.loads((tmp_path / "opt-h16-l1" / "ladder.json").read_text())
    assert table.row(1, named=True).items() <= told.items()
