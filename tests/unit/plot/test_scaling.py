"""Scaling plots: the data are what the artists draw, and what is drawn is explained."""

import numpy as np
import polars as pl
import pytest
from matplotlib.text import Text

from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS
from tcf.plot import published_plot, scaling_plot
from tests.drawn import clipped, legend, lines, names, patches, words
from tests.evidence_rows import LADDER, arm, study, table


def only_axes(drawing):
    (axes,) = drawing.figure.axes
    return axes


def test_the_data_are_what_the_artists_draw():
    drawing = scaling_plot(table())
    axes = only_axes(drawing)
    for row in drawing.data.iter_rows(named=True):
        if row["mark"] == "seed":
            line = lines(axes, f"_seed:{row['arm']}:{row['seed']}")[""]
            assert line.get_ydata()[0] == row["value"]
            if row["x"] is not None:
                assert line.get_xdata()[0] == row["x"]
        elif row["x"] is not None:
            mean, bar = lines(axes, "_mean:")[row["arm"]], lines(axes, "_interval:")[row["arm"]]
            assert (mean.get_xdata()[0], mean.get_ydata()[0]) == (row["x"], row["value"])
            assert list(bar.get_ydata()) == [row["low"], row["high"]]
        else:
            assert list(lines(axes, "_line:")[row["arm"]].get_ydata()) == [row["value"]] * 2


def test_every_arm_has_a_mean_and_every_seed_but_popularitys_a_dot():
    data = scaling_plot(table()).data
    assert sorted(data.filter(mark="mean")["arm"]) == sorted(
        [*LADDER, "TF-IDF", "untrained", "item ID", "popularity"]
    )
    assert data.filter(mark="seed").group_by("arm").len()["len"].to_list() == [3] * 6


def test_means_and_values_are_fractions_and_the_axis_is_in_per_cent():
    drawing = scaling_plot(table())
    axes = only_axes(drawing)
    assert drawing.data.filter(mark="mean", arm="small")["value"][0] == pytest.approx(0.061)
    assert axes.get_ylabel() == "HR@10 (%)"
    assert axes.yaxis.get_major_formatter()(0.025, 0) == "2.5"


def test_the_order_of_the_seeds_does_not_matter():
    straight = table().sort("arm", maintain_order=True)
    turned = table().reverse().sort("arm", maintain_order=True)
    assert scaling_plot(turned).data.equals(scaling_plot(straight).data)


@pytest.mark.parametrize(
    ("datasets", "backbones", "grid"),
    [
        (1, 1, (1, 1)),
        (1, 2, (1, 2)),
        (3, 2, (3, 2)),
        (2, 1, (1, 2)),
        (2, 3, (3, 2)),
        (4, 1, (2, 2)),
    ],
)
def test_there_is_a_panel_for_each_dataset_and_backbone(datasets, backbones, grid):
    rows = []
    for dataset in range(datasets):
        for backbone in range(backbones):
            rows += study(dataset=f"data {dataset}", backbone=f"net {backbone}")
    drawing, column = scaling_plot(table(rows)), scaling_plot(table(rows), width="column")
    axes = drawing.figure.axes
    assert len({one.get_title(loc="left") for one in axes}) == datasets * backbones
    down = {round(one.get_position().y0, 6) for one in axes}
    across = {round(one.get_position().x0, 6) for one in axes}
    assert (len(down), len(across)) == grid
    assert len({one.get_xlim() for one in axes}) == 1
    assert len({round(one.get_position().x0, 6) for one in column.figure.axes}) == 1
    assert [x.figure.get_figwidth() for x in (column, drawing)] == [3.4, 7.0]
    assert not clipped(drawing.figure) and not clipped(column.figure)


def test_a_pair_without_runs_leaves_its_place_empty():
    rows = study(dataset="a") + study(dataset="b") + study(dataset="b", backbone="DSSM")
    titles = [one.get_title(loc="left") for one in scaling_plot(table(rows)).figure.axes]
    assert sorted(titles) == ["a · SASRec", "b · DSSM", "b · SASRec"]


def test_static_encoders_stand_left_of_the_break_at_zero():
    rows = study() + arm("word2vec", "static", 0.04)
    drawing = scaling_plot(table(rows))
    axes = only_axes(drawing)
    static = drawing.data.filter(mark="mean", kind="static")["x"]
    (slashes,) = lines(axes, "_break").values()
    to_data = axes.transAxes + axes.transData.inverted()
    cut = to_data.transform((np.mean(slashes.get_xdata()), 0))[0]
    sized = drawing.data.filter(pl.col("kind").is_in(["model", "random"]))["x"]
    assert static.n_unique() == 2
    assert static.max() < cut < sized.min()
    ticks = {
        tick: label.get_text()
        for tick, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    }
    assert [ticks[x] for x in sorted(static)] == ["0", "0"]
    assert {"10k", "100k", "1M"} < set(ticks.values())


def test_without_static_encoders_there_is_no_break():
    rows = [row for row in study() if row["kind"] != "static"]
    assert not lines(only_axes(scaling_plot(table(rows))), "_break")


def test_points_of_a_family_are_joined_in_the_order_of_their_parameters():
    rows = study()[::-1] + arm("alone", "model", 0.07, parameters=50_000)
    (name, line), *others = lines(only_axes(scaling_plot(table(rows))), "_family:").items()
    assert (name, others) == ("OPT", [])
    assert list(line.get_xdata()) == sorted(LADDER.values())
    assert line.get_ydata() == pytest.approx([0.061, 0.071, 0.081])


def test_random_weights_are_an_open_marker_at_their_own_parameters():
    axes = only_axes(scaling_plot(table()))
    means = lines(axes, "_mean:")
    assert means["untrained"].get_markerfacecolor() == "white"
    assert means["untrained"].get_xdata()[0] == 310_000
    assert means["small"].get_markerfacecolor() == means["small"].get_markeredgecolor()


@pytest.mark.parametrize("kind", ["nearest", "transitions"])
def test_what_is_not_trained_is_a_dashed_line_in_every_panel(kind: str):
    extra = arm("counted", kind, 0.02, seeds=(0,), parameters=5, backbone=None)
    drawing = scaling_plot(table(study() + study(backbone="DSSM") + extra))
    assert drawing.data.filter(arm="counted")["mark"].to_list() == ["mean", "mean"]
    for axes in drawing.figure.axes:
        assert lines(axes, "_line:")["counted"].is_dashed()


def test_item_id_is_a_band_of_its_interval_and_popularity_a_dashed_line():
    drawing = scaling_plot(table())
    axes = only_axes(drawing)
    band = patches(axes, "_band:")["item ID"]
    row = drawing.data.filter(mark="mean", arm="item ID").row(0, named=True)
    ends = (band.get_y(), band.get_y() + band.get_height())
    assert ends == pytest.approx((row["low"], row["high"]))
    dashed = lines(axes, "_line:")
    assert dashed["popularity"].is_dashed() and not dashed["item ID"].is_dashed()
    assert {"item ID", "popularity"} <= set(names(axes))


def test_what_stopped_at_its_epoch_limit_is_a_triangle_and_explained():
    rows = study() + arm("cut", "model", 0.08, parameters=900_000, limited=(1,))
    rows += arm("ID, cut", "id", 0.095, limited=(0,))
    drawing = scaling_plot(table(rows))
    axes = only_axes(drawing)
    means = lines(axes, "_mean:")
    assert (means["cut"].get_marker(), means["small"].get_marker()) == ("^", "o")
    dots = [lines(axes, f"_seed:cut:{seed}")[""].get_marker() for seed in range(3)]
    assert dots == ["o", "^", "o"]
    assert "ID, cut ▲" in names(axes)
    assert "stopped at its epoch limit: may not have converged" in legend(drawing.figure)
    assert "epoch limit" not in words(scaling_plot(table()).figure)


def one_seed():
    return arm("one", "model", 0.06, parameters=100, seeds=(0,)) + arm("ID", "id", 0.1, seeds=(0,))


def test_the_note_says_what_the_intervals_cover():
    several, one = scaling_plot(table()), scaling_plot(table(one_seed()))
    assert f"for {NEW_SEEDS} (3 seeds, 5,000 users" in words(several.figure)
    assert NEW_USERS not in words(several.figure)
    assert f"for {NEW_USERS} (1 seed, 5,000 users" in words(one.figure)
    assert NEW_SEEDS not in words(one.figure)
    mixed = scaling_plot(table(study() + arm("new", "model", 0.07, parameters=9, seeds=(0, 1))))
    assert f"; or, where seeds are too few, for {NEW_USERS} (2 seeds" in words(mixed.figure)
    about = mixed.data.filter(mark="mean", arm="new")["interval_about"].to_list()
    assert about == [NEW_USERS]


def test_names_of_close_encoders_cover_neither_each_other_nor_a_marker():
    rows = arm("TF-IDF", "static", 0.027, parameters=0) + arm("item ID", "id", 0.069)
    for depth, count in enumerate((11_900_000, 15_500_000, 19_000_000, 22_700_000)):
        rows += arm(f"MiniLM to block {2 * depth}", "model", 0.03, parameters=count)
    axes = only_axes(scaling_plot(table(rows)))
    axes.figure.canvas.draw()
    texts = [Text.get_window_extent(text) for text in axes.texts]
    marks = [line.get_window_extent() for line in lines(axes, "_mean:").values()]
    assert len(texts) == 6 and len(marks) == 5
    for number, name in enumerate(texts):
        assert not any(name.overlaps(other) for other in texts[:number])
        assert not any(name.overlaps(mark) for mark in marks)


@pytest.mark.parametrize(
    ("x", "label", "sizes"),
    [
        ("parameters", "encoder parameters used, embeddings included", [10_000, 310_000]),
        ("parameters_without_embeddings", "parameters used, embeddings left out", [5000, 155_000]),
        ("flops_per_item", "encoder FLOPs for an item of mean length", [10_000, 310_000]),
    ],
)
def test_the_axis_says_what_counts_as_size(x, label, sizes):
    drawing = scaling_plot(table(), metric="ndcg@10", x=x)
    axes = only_axes(drawing)
    assert label in axes.get_xlabel() and axes.get_ylabel() == "NDCG@10 (%)"
    assert drawing.data["metric"].unique().to_list() == ["ndcg@10"]
    found = drawing.data.filter(mark="mean", kind="model")
    assert found["x"].to_list()[:2] == found[x].to_list()[:2] == sizes


def test_a_slice_is_drawn_alone():
    rows = study() + [row | {"slice": "some", "num_users": 7} for row in study()]
    data = scaling_plot(table(rows), slice="some").data
    assert data["slice"].unique().to_list() == ["some"]
    assert data["num_users"].unique().to_list() == [7]


def test_controls_are_open_markers_named_in_the_legend_and_join_no_family():
    rows = study() + arm("noise", "static", 0.02, control="random vectors", parameters=0)
    for name, parameters in LADDER.items():
        about = {"family": "OPT", "control": "shuffled text", "parameters": parameters}
        rows += arm(f"{name}, shuffled", "model", 0.02, **about)
    drawing = scaling_plot(table(rows))
    axes = only_axes(drawing)
    means = lines(axes, "_mean:")
    for name in ("noise", "small, shuffled"):
        assert means[name].get_markerfacecolor() == "white"
    assert means["noise"].get_marker() != means["small, shuffled"].get_marker()
    assert {"control: random vectors", "control: shuffled text"} < set(legend(drawing.figure))
    at_limit = table(rows).with_columns(hit_epoch_limit=pl.lit(True))
    limited = lines(only_axes(scaling_plot(at_limit)), "_mean:")
    assert limited["noise"].get_marker() == means["noise"].get_marker()
    assert limited["small"].get_marker() == "^"
    assert set(lines(axes, "_family:")) == {"OPT", "OPT:shuffled text"}
    assert "small, shuffled" not in names(axes) and "small" in names(axes)


def test_a_tuned_arm_has_its_family_s_colour_and_a_line_of_its_own():
    rows = study() + arm("small, tuned", "model", 0.1, family="OPT", tuned="top", parameters=10_000)
    drawing = scaling_plot(table(rows))
    means = lines(only_axes(drawing), "_mean:")
    frozen, tuned = means["small"], means["small, tuned"]
    assert frozen.get_markeredgecolor() == tuned.get_markeredgecolor()
    assert frozen.get_marker() != tuned.get_marker()
    assert "OPT, tuned (top)" in legend(drawing.figure)
    assert lines(only_axes(drawing), "_family:")["OPT:top"].is_dashed()


def fits(*, backbone="SASRec", form="log-linear", band=True):
    grid = np.geomspace(10_000, 10**8, 5)
    value = 0.06 + 0.01 * np.log10(grid / 10_000)
    columns = {"dataset": "world", "backbone": backbone, "family": "OPT", "form": form}
    ends = (value - 0.02, value + 0.02) if band else ([None] * 5, [None] * 5)
    return pl.DataFrame(
        {"parameters": grid, "value": value, "low": ends[0], "high": ends[1]},
        schema_overrides=dict.fromkeys(("low", "high"), pl.Float64),
    ).with_columns(**{name: pl.lit(text) for name, text in columns.items()})


def test_a_fit_is_a_line_with_its_band_in_place_of_the_family_s_own():
    both = pl.concat([fits(), fits(form="constant", band=False)])
    drawing = scaling_plot(table(), fits=both)
    axes = only_axes(drawing)
    curve, other = (lines(axes, "_fit:")[f"OPT:{x}"] for x in ("log-linear", "constant"))
    drawn = drawing.data.filter(mark="fit", form="log-linear")
    assert list(curve.get_xdata()) == drawn["x"].to_list() == fits()["parameters"].to_list()
    assert list(curve.get_ydata()) == drawn["value"].to_list()
    assert curve.get_linestyle() != other.get_linestyle()
    band = patches(axes, "_fit_band:")["OPT:log-linear"].get_paths()[0].vertices
    assert set(drawn["low"]) | set(drawn["high"]) == set(band[:, 1])
    assert not lines(axes, "_family:")
    assert axes.get_xlim()[1] > 10**8
    assert {"fit: log-linear", "fit: constant"} < set(legend(drawing.figure))
    assert "beyond the largest encoder it is a prediction" in words(drawing.figure)


def published(**columns):
    about = {"dataset": "world", "backbone": "SASRec", "metric": "hr@10"} | columns
    sizes = {"OPT-125M": 125_000_000, "OPT-175B": 175_000_000_000}
    rows = [about | {"arm": name, "parameters": size} for name, size in sizes.items()]
    return pl.DataFrame(rows).with_columns(value=pl.Series([0.03, 0.07]))


def test_published_numbers_are_grey_crosses_and_named_so():
    drawing = scaling_plot(table(), published=published())
    axes = only_axes(drawing)
    cross = lines(axes, "_published:")["OPT-175B"]
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (175e9, 0.07)
    assert (cross.get_color(), cross.get_marker()) == ("#888888", "x")
    assert "published, not ours" in legend(drawing.figure)
    assert "other runs, none of ours" in words(drawing.figure)
    assert "OPT-175B" not in names(axes)  # ours have the names
    assert drawing.data.filter(mark="published")["arm"].to_list() == ["OPT-125M", "OPT-175B"]


def test_published_numbers_alone_have_their_names_and_fits():
    rows = pl.concat([published(), published(backbone="DSSM")])
    curves = pl.concat([fits(), fits(backbone="DSSM")])
    drawing = published_plot(rows, fits=curves, title="Published")
    assert [axes.get_label() for axes in drawing.figure.axes] == ["world · SASRec", "world · DSSM"]
    for axes in drawing.figure.axes:
        assert names(axes) == ["OPT-125M", "OPT-175B"]
        assert list(lines(axes, "_fit:")) == ["OPT:log-linear"]
    assert legend(drawing.figure) == ["fit: log-linear", "published, not ours"]
    assert not clipped(drawing.figure)


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (fits().drop("form"), "a table of fits needs the columns form"),
        (fits().clear(), "a table of fits needs at least one row; it is empty"),
        (fits().with_columns(value=float("nan")), "value must be finite; got dataset='world'"),
        (fits().with_columns(parameters=0.0), "parameters must be above 0; got .*parameters=0.0"),
        (fits().with_columns(low=1.0), "low <= value <= high must hold; got .*low=1.0"),
        (
            fits(backbone="DSSM"),
            "fits must be of the panels drawn, world · SASRec; got world · DSS",
        ),
    ],
)
def test_fits_that_cannot_be_drawn_are_refused(fit, message):
    with pytest.raises(ValueError, match=message):
        scaling_plot(table(), fits=fit)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (published().drop("arm"), "a table of published numbers needs the columns arm"),
        (published(metric="mrr@10"), "metric must be one of mrr@10; got 'hr@10'"),
        (published().with_columns(value=19.0), "values must be fractions between 0 and 1; got"),
        (published().with_columns(parameters=0), "parameters must be above 0"),
        (published().with_columns(arm=pl.lit("x")), "an arm has one published number; got"),
        (published(dataset="MIND"), "published must be of the panels drawn, .*; got MIND · SASRec"),
    ],
)
def test_published_numbers_that_cannot_be_drawn_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        scaling_plot(table(), published=rows)


def change(**columns):
    """The table with other values in its first row, the mean of TF-IDF."""
    first = pl.int_range(pl.len()) == 0
    new = {
        name: pl.when(first).then(pl.lit(value)).otherwise(pl.col(name))
        for name, value in columns.items()
    }
    return table().filter(metric="hr@10").with_columns(**new)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (table().drop("low", "family"), "a table of evidence needs the columns family, low"),
        (table().clear(), "a table of evidence needs at least one row; it is empty"),
        (change(value=None), "value must be filled; got dataset='world'.*arm='TF-IDF'.*value=None"),
        (change(arm=None), "arm must be filled"),
        (change(low=None), "low must be filled; got .*mark='mean'"),
        (change(mark="seed"), "seed must be filled; got .*mark='seed'"),
        (change(mark="median"), "mark must be mean or seed; got .*mark='median'"),
        (change(hit_epoch_limit=None), "hit_epoch_limit must be filled"),
        (change(value=float("nan")), "value must be finite; got .*value=nan"),
        (change(high=float("inf")), "high must be finite"),
        (change(value=5.0, high=5.5), "values must be fractions between 0 and 1; got .*value=5.0"),
        (change(low=0.9), "low <= value <= high must hold; got .*low=0.9"),
        (change(kind="big"), "kind must be one of model, random, static, id, nearest, transit"),
        (table().filter(pl.col("mark") == "seed"), "an arm needs a row that is its mean; got"),
        (pl.concat([table(), table()]), "an arm has one mean and one run a seed; got"),
        (change(family="f"), "an arm has one kind, family, tuned, control, parameters; got"),
        (
            table().with_columns(
                parameters=pl.when(kind="static").then(12).otherwise("parameters")
            ),
            "a static encoder has 0 parameters; got .*parameters=12",
        ),
        (
            table().with_columns(
                kind=pl.when(kind="static").then(pl.lit("model")).otherwise("kind")
            ),
            "an encoder needs its parameters, above 0; got",
        ),
        (table().filter(kind="id"), "needs an arm of kind model or random; found none"),
    ],
)
def test_a_table_that_cannot_be_drawn_is_refused(broken, message):
    with pytest.raises(ValueError, match=message):
        scaling_plot(broken)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"metric": "hr@1"}, "metric must be one of hr@10, ndcg@10; got 'hr@1'; did you mean 'hr@"),
        ({"slice": "al"}, "slice must be one of all; got 'al'; did you mean 'all'?"),
        ({"x": "parameter"}, "x must be one of flops_per_item, parameters, .*did you mean 'param"),
        ({"width": "colum"}, "width must be one of column, page; got 'colum'; did you mean 'colu"),
    ],
)
def test_a_choice_that_is_not_there_is_refused_with_the_near_miss(wrong, message):
    with pytest.raises(ValueError, match=message):
        scaling_plot(table(), **wrong)
