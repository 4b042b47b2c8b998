"""The other plots: what is drawn are the table's numbers, and nothing leaves the figure."""

from pathlib import Path

import polars as pl
import pytest

from tcf.plot import (
    cost_plot,
    grouped_plot,
    grouped_rows,
    layers_plot,
    learning_plot,
    transfer_plot,
    tuned_plot,
    versus_id_plot,
    warm_plot,
    years_plot,
)
from tests.drawn import clipped, words
from tests.evidence_rows import arm, study, table


def with_tuned() -> pl.DataFrame:
    return table(
        [*study(), *arm("tuned", "model", 0.1, family="OPT", parameters=3_000_000, tuned="top")]
    )


def sliced() -> pl.DataFrame:
    rows = study()
    for users, name in ((5000, "cold"), (3000, "1-4"), (400, "5-19")):
        part = f"target_train_count: {name}"
        rows += [row | {"slice": part, "num_users": users} for row in study()]
    return table(rows)


def dated() -> pl.DataFrame:
    years = {"TF-IDF": 1988, "small": 2019, "medium": 2019, "large": 2022, "untrained": 2022}
    return table().with_columns(year=pl.col("arm").replace_strict(years, default=None))


def epochs() -> pl.DataFrame:
    about = {"dataset": "world", "backbone": "SASRec", "family": None, "tuned": None}
    about |= {"control": None}
    return pl.DataFrame(
        [
            {**about, "arm": name, "kind": kind, "seed": seed, "epoch": epoch}
            | {"value": 0.1 * epoch / (epoch + 1 + seed), "loss": 7 / epoch}
            for name, kind in (("ID", "id"), ("text", "model"))
            for seed in (0, 1)
            for epoch in (1, 2, 3)
        ],
        infer_schema_length=None,
    )


LAYERS = pl.DataFrame(
    {
        "layer": [0, 0, 6, 6],
        "pooling": ["mean", "last_token"] * 2,
        "value": [0.05, 0.02, 0.07, 0.06],
    }
)
TRANSFERS = pl.DataFrame(
    {"source": ["A", "A", "B", "B"], "target": ["A", "B"] * 2, "value": [0.2, 0.03, 0.04, 0.1]}
)
GROUPED = pl.DataFrame(
    {
        "panel": ["choose 1 of 4"] * 3,
        "metric": ["hr@1"] * 3,
        "group": ["A", "A", "B"],
        "name": ["SASRec + ID", "popularity", "asked"],
        "value": [0.5, 0.4, 0.26],
        "low": [0.45, 0.36, None],
        "high": [0.55, 0.44, None],
        "chance": [0.25] * 3,
        "published": [False, False, True],
    }
)
DRAWINGS = {
    "grouped": lambda **k: grouped_plot(GROUPED, **k),
    "cost": lambda **k: cost_plot(table(), **k),
    "layers": lambda **k: layers_plot(LAYERS, **k),
    "learning": lambda **k: learning_plot(epochs(), **k),
    "transfer": lambda **k: transfer_plot(TRANSFERS, **k),
    "tuned": lambda **k: tuned_plot(with_tuned(), **k),
    "versus ID": lambda **k: versus_id_plot(table(), **k),
    "warm": lambda **k: warm_plot(sliced(), **k),
    "years": lambda **k: years_plot(dated(), **k),
}


@pytest.mark.parametrize("name", DRAWINGS)
@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_leaves_the_figure_and_it_comes_out_the_same_twice(
    name: str, width: str, tmp_path: Path
):
    drawing = DRAWINGS[name](title="A title", width=width)
    first = [path.read_bytes() for path in drawing.save(tmp_path / "a")]
    assert clipped(drawing.figure) == []
    again = DRAWINGS[name](title="A title", width=width).save(tmp_path / "b")
    assert first == [path.read_bytes() for path in again]
    assert drawing.figure.get_size_inches()[0] == pytest.approx(
        {"column": 3.4, "page": 7.0}[width], abs=0.05
    )


def test_ids_stand_first_and_every_arm_has_its_line():
    data = versus_id_plot(table()).data.filter(mark="mean")
    assert data["arm"][0] == "item ID"
    expected = table().filter(mark="mean", metric="hr@10")
    assert dict(data.select("arm", "value").rows()) == pytest.approx(
        dict(expected.select("arm", "value").rows())
    )


def test_text_alone_has_nothing_to_stand_against():
    with pytest.raises(ValueError, match="needs an arm of kind id and one of another kind"):
        versus_id_plot(table().filter(pl.col("kind") != "id"))


def test_a_tuned_encoder_stands_beside_itself_frozen():
    data = tuned_plot(with_tuned()).data.filter(mark="mean")
    on_line = data.filter(pl.col("line") == "tuned")
    assert set(on_line["arm"]) == {"tuned", "large"}
    assert "small" in words(tuned_plot(with_tuned()).figure)  # without a partner: named


def test_a_tuned_encoder_needs_a_partner():
    with pytest.raises(ValueError, match="needs an encoder of one family and number of parameters"):
        tuned_plot(table())


def test_a_slice_with_few_users_is_not_drawn_and_named():
    drawing = warm_plot(sliced())
    assert "target_train_count: 5-19" not in set(drawing.data["slice"])
    assert "5-19 (400)" in words(drawing.figure)
    with pytest.raises(ValueError, match="a slice needs min_users=9,000 to be drawn; the largest"):
        warm_plot(sliced(), min_users=9000)
    with pytest.raises(ValueError, match=r"needs rows of slices 'history_length: ...'; got only"):
        warm_plot(sliced(), by="history_length")


def test_arms_of_a_slice_have_the_same_users():
    rows = sliced().with_columns(
        num_users=pl.when(arm="small").then(pl.lit(4000)).otherwise("num_users")
    )
    with pytest.raises(ValueError, match="the arms of a slice are measured on the same users"):
        warm_plot(rows)


def test_an_encoder_needs_its_year():
    with pytest.raises(ValueError, match=r"an encoder needs its year; got .*arm='small'"):
        years_plot(dated().with_columns(year=pl.when(arm="small").then(None).otherwise("year")))


def test_the_frontier_has_no_arm_that_another_beats_in_both():
    data = cost_plot(table()).data.filter(mark="mean", cost="train_seconds")
    front = data.filter(pl.col("on_frontier"))
    assert len(front)
    for cost, value in front.select("x", "value").rows():
        beaten = (pl.col("x") <= cost) & (pl.col("value") > value)
        assert data.filter(pl.col("x").is_not_null() & beaten).is_empty()


def test_names_stand_below_their_group_and_published_ones_are_open():
    drawing = grouped_plot(GROUPED)
    (axes,) = drawing.figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["A", "SASRec + ID", "popularity", "B", "asked"]
    open_marks = [x.get_label() for x in axes.lines if x.get_markerfacecolor() == "white"]
    assert open_marks == ["_B:asked"]
    assert "published" in words(drawing.figure)
    assert "published" not in words(grouped_plot(GROUPED.head(2)).figure)


def test_means_of_evidence_become_groups_and_stand_beside_published_figures():
    rows = grouped_rows(
        table().filter(metric="hr@10"), panel=pl.col("dataset"), group=pl.col("kind")
    )
    assert rows["name"].to_list() == table().filter(mark="mean", metric="hr@10")["arm"].to_list()
    told = {"panel": "other", "metric": "hr@10", "group": "asked", "name": "a model", "value": 0.2}
    both = pl.concat([rows, pl.DataFrame([{**told, "published": True}])], how="diagonal")
    drawn = grouped_plot(both).data
    assert drawn["published"].to_list() == [False] * len(rows) + [True]
    assert drawn["chance"].is_null().all()


def test_the_dot_of_a_learning_curve_is_its_best_epoch():
    data = learning_plot(epochs()).data
    assert len(data) == len(epochs())


@pytest.mark.parametrize(
    ("draw", "frame", "message"),
    [
        (layers_plot, LAYERS.drop("pooling"), "a table of layers needs the columns pooling"),
        (layers_plot, LAYERS.head(0), "at least one row; it is empty"),
        (layers_plot, pl.concat([LAYERS, LAYERS]), "a pair of layer and pooling has one value"),
        (transfer_plot, TRANSFERS.with_columns(value=pl.lit(1.2)), "must be fractions between 0"),
        (learning_plot, epochs().drop("loss"), "a table of epochs needs the columns loss"),
        (grouped_plot, GROUPED.drop("group"), "a table of groups needs the columns group"),
        (grouped_plot, pl.concat([GROUPED, GROUPED]), "a name has one value in a group"),
        (grouped_plot, GROUPED.with_columns(low=None), "low must be filled"),
        (
            grouped_plot,
            GROUPED.with_columns(chance=pl.Series([0.25, 0.25, 0.1])),
            "a panel has one metric and one chance",
        ),
        (cost_plot, table().drop("train_seconds"), "needs the columns train_seconds"),
    ],
)
def test_a_table_that_lacks_something_is_refused(draw, frame: pl.DataFrame, message: str):
    with pytest.raises(ValueError, match=message):
        draw(frame)
