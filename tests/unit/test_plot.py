import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from matplotlib.text import Text

from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS
from tcf.plot import scaling_plot

LADDER = {"small": 10_000, "medium": 310_000, "large": 3_000_000}


def runs(arm, kind, value, *, family=None, parameters=None, seeds=(0, 1, 2), limited=(), **names):
    """Rows of one arm: seed s scores ``value + s / 1000``, both metrics."""
    panel = {"dataset": "world", "backbone": "SASRec"} | names
    return [
        panel
        | {"arm": arm, "kind": kind, "family": family, "parameters": parameters, "seed": seed}
        | {"metric": metric, "value": share, "low": share - 0.005, "high": share + 0.005}
        | {"num_users": 5000, "epochs": 9, "hit_epoch_limit": seed in limited, "fingerprint": "f"}
        for seed in seeds
        for metric, share in (("hr@10", value + seed / 1000), ("ndcg@10", value / 2))
    ]


def study(**names):
    rows = runs("TF-IDF", "static", 0.05, parameters=0, **names)
    for place, (arm, parameters) in enumerate(LADDER.items()):
        value = 0.06 + place / 100
        rows += runs(arm, "model", value, family="OPT", parameters=parameters, **names)
    rows += runs("untrained", "random", 0.03, parameters=310_000, **names)
    rows += runs("item ID", "id", 0.09, **names)
    return rows + runs("popularity", "popularity", 0.01, seeds=(0,), **names)


def table(rows=None):
    return pl.DataFrame(study() if rows is None else rows, infer_schema_length=None)


def lines(axes, prefix):
    found = [line for line in axes.get_lines() if str(line.get_label()).startswith(prefix)]
    return {str(line.get_label()).removeprefix(prefix): line for line in found}


def words(figure):
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    return " ".join([*legend, *(text.get_text().replace("\n", " ") for text in figure.texts)])


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


def test_the_file_of_numbers_holds_the_data(tmp_path):
    drawing = scaling_plot(table())
    _, numbers = drawing.save(tmp_path / "hr@10.v1")
    assert numbers.name == "hr@10.v1.csv"
    assert pl.read_csv(numbers, schema=drawing.data.schema).equals(drawing.data)


def test_means_and_values_are_fractions_and_the_axis_is_in_per_cent():
    drawing = scaling_plot(table())
    axes = only_axes(drawing)
    assert drawing.data.filter(mark="mean", arm="small")["value"][0] == pytest.approx(0.061)
    assert axes.get_ylabel() == "HR@10 (%)"
    assert axes.yaxis.get_major_formatter()(0.025, 0) == "2.5"


def test_the_same_table_gives_the_same_bytes_whatever_the_order_of_seeds(tmp_path):
    scaling_plot(table(), title="One").save(tmp_path / "one")
    turned = table().reverse().sort("arm", maintain_order=True)
    straight = table().sort("arm", maintain_order=True)
    scaling_plot(table(), title="One").save(tmp_path / "two")
    for end in ("svg", "csv"):
        assert (tmp_path / f"one.{end}").read_bytes() == (tmp_path / f"two.{end}").read_bytes()
    assert scaling_plot(turned).data.equals(scaling_plot(straight).data)


def test_the_picture_keeps_its_words_as_text_and_no_date(tmp_path):
    picture, _ = scaling_plot(table(), title="Up & <on>, $5").save(tmp_path / "plot")
    svg = picture.read_text()
    assert "TF-IDF" in svg and "Up &amp; &lt;on&gt;, $5" in svg
    assert "<dc:date>" not in svg
    assert not list(tmp_path.glob("*.tmp")) and not list(tmp_path.glob(".*"))


def test_a_drawing_that_fails_to_save_leaves_the_old_files(tmp_path):
    drawing = scaling_plot(table())
    drawing.save(tmp_path / "plot")
    before = (tmp_path / "plot.svg").read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    drawing.figure.savefig = fail
    with pytest.raises(OSError, match="disk full"):
        drawing.save(tmp_path / "plot")
    assert (tmp_path / "plot.svg").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("datasets", "backbones", "grid"),
    [(1, 1, (1, 1)), (1, 2, (1, 2)), (3, 2, (2, 3)), (2, 1, (1, 2)), (2, 3, (2, 3))],
)
def test_there_is_a_panel_for_each_dataset_and_backbone(datasets, backbones, grid):
    rows = []
    for dataset in range(datasets):
        for backbone in range(backbones):
            rows += study(dataset=f"data {dataset}", backbone=f"net {backbone}")
    axes = scaling_plot(table(rows)).figure.axes
    assert len({one.get_title(loc="left") for one in axes}) == datasets * backbones
    down = {round(one.get_position().y0, 6) for one in axes}
    across = {round(one.get_position().x0, 6) for one in axes}
    assert (len(down), len(across)) == grid
    assert len({one.get_xlim() for one in axes}) == 1


def test_a_pair_without_runs_leaves_its_place_empty():
    rows = study(dataset="a") + study(dataset="b") + study(dataset="b", backbone="DSSM")
    titles = [one.get_title(loc="left") for one in scaling_plot(table(rows)).figure.axes]
    assert sorted(titles) == ["a · SASRec", "b · DSSM", "b · SASRec"]


def test_static_encoders_stand_left_of_the_break_at_zero():
    rows = study() + runs("word2vec", "static", 0.04, parameters=None)
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
    rows = study()[::-1] + runs("alone", "model", 0.07, parameters=50_000)
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
    extra = runs("counted", kind, 0.02, seeds=(0,), parameters=5, backbone=None)
    drawing = scaling_plot(table(study() + study(backbone="DSSM") + extra))
    assert drawing.data.filter(arm="counted")["mark"].to_list() == ["mean", "mean"]
    for axes in drawing.figure.axes:
        assert lines(axes, "_line:")["counted"].is_dashed()


def test_item_id_is_a_band_of_its_interval_and_popularity_a_dashed_line():
    drawing = scaling_plot(table())
    axes = only_axes(drawing)
    (band,) = [patch for patch in axes.patches if patch.get_label() == "_band:item ID"]
    row = drawing.data.filter(mark="mean", arm="item ID").row(0, named=True)
    ends = (band.get_y(), band.get_y() + band.get_height())
    assert ends == pytest.approx((row["low"], row["high"]))
    dashed = lines(axes, "_line:")
    assert dashed["popularity"].is_dashed() and not dashed["item ID"].is_dashed()
    assert {"item ID", "popularity"} <= {text.get_text() for text in axes.texts}


def test_what_stopped_at_its_epoch_limit_is_a_triangle_and_explained():
    rows = study() + runs("cut", "model", 0.08, parameters=900_000, limited=(1,))
    rows += runs("ID, cut", "id", 0.095, limited=(0,))
    drawing = scaling_plot(table(rows))
    axes = only_axes(drawing)
    means = lines(axes, "_mean:")
    assert (means["cut"].get_marker(), means["small"].get_marker()) == ("^", "o")
    dots = [lines(axes, f"_seed:cut:{seed}")[""].get_marker() for seed in range(3)]
    assert dots == ["o", "^", "o"]
    assert "ID, cut ▲" in {text.get_text() for text in axes.texts}
    assert "stopped at its epoch limit: may not have converged" in words(drawing.figure).replace(
        "\n", " "
    )
    assert "epoch limit" not in words(scaling_plot(table()).figure)


def test_the_note_says_what_the_intervals_cover():
    several, one = scaling_plot(table()), scaling_plot(table().filter(seed=0))
    assert f"for {NEW_SEEDS} (3 seeds, 5,000 users" in words(several.figure)
    assert NEW_USERS not in words(several.figure)
    assert f"for {NEW_USERS} (1 seed, 5,000 users" in words(one.figure)
    assert NEW_SEEDS not in words(one.figure)
    mixed = scaling_plot(table(study() + runs("new", "model", 0.07, parameters=9, seeds=(0, 1))))
    assert f"; or, where seeds are too few, for {NEW_USERS} (2 seeds" in words(mixed.figure)
    about = mixed.data.filter(mark="mean", arm="new")["interval_about"].to_list()
    assert about == [NEW_USERS]


def test_one_seed_keeps_its_interval_over_users():
    data = scaling_plot(table().filter(seed=0)).data
    row = data.filter(mark="mean", arm="small").row(0, named=True)
    assert (row["value"], row["low"], row["high"]) == pytest.approx((0.06, 0.055, 0.065))


def test_names_of_close_encoders_cover_neither_each_other_nor_a_marker():
    rows = runs("TF-IDF", "static", 0.027, parameters=0) + runs("item ID", "id", 0.069)
    for depth, count in enumerate((11_900_000, 15_500_000, 19_000_000, 22_700_000)):
        rows += runs(f"MiniLM to block {2 * depth}", "model", 0.03, parameters=count)
    axes = only_axes(scaling_plot(table(rows)))
    axes.figure.canvas.draw()
    names = [Text.get_window_extent(text) for text in axes.texts]
    marks = [line.get_window_extent() for line in lines(axes, "_mean:").values()]
    assert len(names) == 6 and len(marks) == 5
    for number, name in enumerate(names):
        assert not any(name.overlaps(other) for other in names[:number])
        assert not any(name.overlaps(mark) for mark in marks)


def test_the_label_of_the_axis_and_the_metric_are_arguments():
    drawing = scaling_plot(table(), metric="ndcg@10", x_label="parameters without embeddings")
    axes = only_axes(drawing)
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "parameters without embeddings",
        "NDCG@10 (%)",
    )
    assert drawing.data["metric"].unique().to_list() == ["ndcg@10"]


def test_a_change_of_matplotlibs_settings_does_not_reach_the_plot(tmp_path):
    import matplotlib

    scaling_plot(table()).save(tmp_path / "plain")
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 5, "axes.grid": True}):
        scaling_plot(table()).save(tmp_path / "changed")
        assert matplotlib.rcParams["font.size"] == 20
    assert (tmp_path / "plain.svg").read_bytes() == (tmp_path / "changed.svg").read_bytes()


def test_loading_loads_neither_torch_nor_matplotlib():
    code = "import sys, tcf.plot; print({'torch', 'matplotlib', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def change(**columns):
    first = pl.int_range(pl.len()) == 0
    new = [
        pl.when(first).then(pl.lit(value)).otherwise(pl.col(name))
        for name, value in columns.items()
    ]
    return (
        table()
        .filter(metric="hr@10")
        .with_columns(expr.alias(name) for expr, name in zip(new, columns, strict=True))
    )


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (table().drop("low", "family"), "a table of runs needs the columns low, family"),
        (table().clear(), "a table of runs needs at least one run; it is empty"),
        (table().filter(metric="mrr"), "needs at least one run"),
        (change(value=None), "value must be filled; got dataset='world'.*arm='TF-IDF'.*value=None"),
        (change(arm=None), "arm must be filled"),
        (change(hit_epoch_limit=None), "hit_epoch_limit must be filled"),
        (change(value=float("nan")), "value must be finite; got .*value=nan"),
        (change(high=float("inf")), "high must be finite"),
        (change(value=5.0, high=5.5), "values must be fractions between 0 and 1; got .*value=5.0"),
        (change(low=0.9), "low <= value <= high must hold; got .*low=0.9"),
        (
            change(kind="big"),
            "kind must be one of model, static, random, id, nearest, transit",
        ),
        (change(parameters=12), "a static encoder has 0 parameters; got .*parameters=12"),
        (change(kind="model"), "an encoder needs its number of parameters, above 0; got"),
        (change(seed=1), "an arm has one run a seed; got .*arm='TF-IDF'"),
        (change(family="f"), "an arm has one kind, family and number of parameters; got"),
        (table().filter(kind="id"), "needs a run of kind model or random; found none"),
    ],
)
def test_a_table_that_cannot_be_drawn_is_refused(broken, message):
    with pytest.raises(ValueError, match=message):
        scaling_plot(broken)


def test_a_metric_that_is_not_there_is_refused_with_the_near_miss():
    wanted = re.escape("metric must be one of hr@10, ndcg@10; got 'hr@1'; did you mean 'hr@10'?")
    with pytest.raises(ValueError, match=wanted):
        scaling_plot(table(), metric="hr@1")
