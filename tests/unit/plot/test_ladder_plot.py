"""The plot of a ladder: losses against size, a metric against losses, just as the tables say."""

import polars as pl
import pytest

from tcf.plot import ladder_plot
from tcf.study.ladders import fit_loss, loss_fit_table, read_ladder
from tests.drawn import clipped, lines, names, words
from tests.evidence_rows import arm, table
from tests.ladders import SIZES, loss, write_ladder


@pytest.fixture(scope="module")
def ladder(tmp_path_factory) -> pl.DataFrame:
    return read_ladder(write_ladder(tmp_path_factory.mktemp("plot")))


def evidence(**columns) -> pl.DataFrame:
    rows = arm("item ID", "id", 0.09, **columns)
    for place, (name, size) in enumerate(SIZES.items()):
        value = 0.06 + place / 100
        rows += arm(name, "model", value, family="ladder", parameters=2 * size, **columns)
    rows += arm("random weights", "random", 0.05, parameters=2 * 10**6, **columns)
    losses = {name: loss(size) for name, size in SIZES.items()}
    found = table([*rows, *arm("popularity", "popularity", 0.02, seeds=(0,), **columns)])
    return found.with_columns(
        loss=pl.col("arm").replace_strict(losses, default=None, return_dtype=pl.Float64)
    )


def test_losses_stand_over_sizes_and_the_metric_over_losses(ladder):
    fit = loss_fit_table(fit_loss(ladder, seed=0))
    drawing = ladder_plot(evidence(), ladder, fit=fit, notes=["A sentence."], title="Ladder")
    first, second = drawing.figure.axes
    (sizes,) = lines(first, "_sizes").values()
    assert dict(zip(sizes.get_xdata(), sizes.get_ydata(), strict=True)) == pytest.approx(
        {float(size): loss(size) for size in SIZES.values()}
    )
    assert set(names(first)) == set(SIZES)
    means = lines(second, "_mean:")
    for place, (name, size) in enumerate(SIZES.items()):
        at = (means[name].get_xdata()[0], means[name].get_ydata()[0])
        assert at == pytest.approx((loss(size), 0.06 + place / 100 + 0.001))
    assert set(lines(second, "_line:")) == {"item ID", "random weights", "popularity"}
    left, right = second.get_xlim()
    assert left > right  # a better model stands to the right
    assert "A sentence." in words(drawing.figure)
    assert clipped(drawing.figure) == []


def test_the_data_are_what_is_drawn(ladder):
    fit = loss_fit_table(fit_loss(ladder, seed=0))
    data = ladder_plot(evidence(), ladder, fit=fit).data
    assert data.filter(panel="loss", mark="size")["value"].to_list() == pytest.approx(
        [loss(size) for size in SIZES.values()]
    )
    assert data.filter(mark="fit")["value"].to_list() == fit["value"].to_list()
    metric = data.filter(panel="metric", mark="mean")
    assert dict(metric.filter(pl.col("x").is_not_null()).select("arm", "x").rows()) == {
        name: loss(size) for name, size in SIZES.items()
    }


@pytest.mark.parametrize("width", ["column", "page"])
def test_each_pair_of_data_set_and_backbone_has_a_panel(width, ladder):
    both = pl.concat([evidence(), evidence(backbone="DSSM")])
    drawing = ladder_plot(both, ladder, width=width)
    found = [str(axes.get_label()) for axes in drawing.figure.axes]
    assert found == ["language models", "world · SASRec", "world · DSSM"]
    assert "_joined" in [line.get_label() for line in drawing.figure.axes[0].get_lines()]
    assert clipped(drawing.figure) == []


def test_what_cannot_be_drawn_is_named(ladder):
    with pytest.raises(ValueError, match="needs the columns loss"):
        ladder_plot(table(), ladder)
    with pytest.raises(ValueError, match="a plot of a ladder needs an arm with a loss; found none"):
        ladder_plot(evidence().with_columns(loss=pl.lit(None, pl.Float64)), ladder)
    with pytest.raises(ValueError, match="a table of a ladder needs the columns num_steps"):
        ladder_plot(evidence(), ladder.drop("num_steps"))
    with pytest.raises(ValueError, match="validation_loss_per_byte must be finite; got name="):
        ladder_plot(evidence(), ladder.with_columns(validation_loss_per_byte=pl.lit(float("nan"))))
