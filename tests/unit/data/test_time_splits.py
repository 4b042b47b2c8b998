"""One clock for all users: what is learned is before what is asked."""

from pathlib import Path

import pytest

from tcf.data.count_filters import filter_core
from tcf.data.prepared import open_prepared, write_prepared
from tcf.data.split import Split, Targets
from tcf.data.time_splits import leave_one_out_before, split_by_time
from tcf.errors import DataError
from tests import worlds

HISTORIES = [[1, 2, 3, 4], [5, 6, 7], [8, 9], [1, 1, 2, 2]]
TIMES = [[1, 2, 3, 4], [3, 5, 6], [5, 6], [1, 2, 2, 3]]
WHOLE = worlds.catalog(9), worlds.interactions(HISTORIES, TIMES)


def told(split: Split, part: Targets) -> list[tuple[str, int, list[int]]]:
    spans = zip(part.users, part.targets, part.starts, part.ends, strict=True)
    ids = split.train.user_ids
    return [(ids[u], int(t), part.rows[a:b].tolist()) for u, t, a, b in spans]


def trained(split: Split) -> dict[str, list[str]]:
    return worlds.history_ids(split.catalog, split.train)


def test_leave_one_out_before_asks_for_last_items_and_trains_on_what_is_before():
    split = leave_one_out_before(*WHOLE, limit=3)
    assert trained(split) == {"u0": ["i1", "i2"], "u1": [], "u2": [], "u3": ["i1", "i1", "i2"]}
    assert told(split, split.validation) == [
        ("u0", 3, [1, 2]),
        ("u1", 6, [5]),
    ]
    assert told(split, split.test) == [
        ("u0", 4, [1, 2, 3]),
        ("u1", 7, [5, 6]),
        ("u2", 9, [8]),
        ("u3", 2, [1, 1, 2]),
    ]
    assert split.report.as_dict() == {
        "name": "leave one out before",
        "limit": 3.0,
        "min_history": 1,
        "left_out": {
            "validation: under 1 known items": 1,  # u2, whose last but one is its first
            "test: under 1 known items": 0,
            "interactions neither trained on nor asked for": 2,
        },
    }


def test_without_a_minimum_a_first_item_is_asked_for_too():
    split = leave_one_out_before(*WHOLE, limit=3, min_history=0)
    assert told(split, split.validation)[-1] == ("u2", 8, [])
    assert str(split.report) == (
        "leave one out before (limit=3.0, min_history=0); left out: "
        "1 interactions neither trained on nor asked for"
    )


@pytest.mark.parametrize(
    ("targets", "validation", "test"),
    [
        ("first", [("u0", 3, [1, 2]), ("u3", 2, [1, 1, 2])], [("u1", 6, [5])]),
        ("last", [("u0", 4, [1, 2, 3]), ("u3", 2, [1, 1, 2])], [("u1", 7, [5, 6]), ("u2", 9, [8])]),
        (
            "all",
            [("u0", 3, [1, 2]), ("u0", 4, [1, 2, 3]), ("u3", 2, [1, 1, 2])],
            [("u1", 6, [5]), ("u1", 7, [5, 6]), ("u2", 9, [8])],
        ),
    ],
)
def test_each_period_asks_for_what_is_in_it(targets, validation, test):
    split = split_by_time(*WHOLE, validation_from=3, test_from=5, targets=targets)
    assert trained(split) == {"u0": ["i1", "i2"], "u1": [], "u2": [], "u3": ["i1", "i1", "i2"]}
    assert told(split, split.validation) == validation
    assert told(split, split.test) == test
    assert split.test.one_a_user == (targets != "all")


def test_the_report_counts_who_is_left_out_for_want_of_a_history():
    split = split_by_time(*WHOLE, validation_from=3, test_from=5)
    assert split.report.settings == {
        "validation_from": 3.0,
        "test_from": 5.0,
        "targets": "first",
        "min_history": 1,
    }
    assert split.report.left_out == {
        "validation: under 1 known items": 1,
        "test: under 1 known items": 1,
        "interactions neither trained on nor asked for": 5,
    }
    everyone = split_by_time(*WHOLE, validation_from=3, test_from=5, min_history=0)
    assert told(everyone, everyone.validation)[1] == ("u1", 5, [])
    assert told(everyone, everyone.test)[1] == ("u2", 8, [])


def test_moments_may_be_dates_or_shares():
    split = split_by_time(*WHOLE, validation_from="30%", test_from="1970-01-01T00:00:05")
    assert split.report.settings["validation_from"] == 2.0
    assert split.report.settings["test_from"] == 5.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test_from": 3}, "test_from must be later than validation_from; got 3, which is 3, and"),
        ({"targets": "some"}, "targets must be 'first', 'last' or 'all'; got 'some'"),
        ({"min_history": -1}, "min_history must not be negative; got -1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        split_by_time(*WHOLE, **{"validation_from": 3, "test_from": 5} | settings)


@pytest.mark.parametrize(
    ("first", "second", "missing"),
    [(1, 5, "training interaction"), (2.5, 2.7, "validation task"), (3, 7, "test task")],
)
def test_an_empty_part_is_named(first: float, second: float, missing: str):
    message = rf"a split needs at least one {missing}; by time \(validation_from={float(first)}"
    with pytest.raises(DataError, match=message):
        split_by_time(*WHOLE, validation_from=first, test_from=second)


def test_data_without_times_is_refused():
    untimed = worlds.catalog(9), worlds.interactions(HISTORIES)
    with pytest.raises(DataError, match="times of interactions are needed; these have none"):
        split_by_time(*untimed, validation_from=3, test_from=5)
    with pytest.raises(DataError, match="times of interactions are needed; these have none"):
        leave_one_out_before(*untimed, limit="90%")


@pytest.mark.parametrize("name", worlds.SPLITS)
def test_a_prepared_data_set_is_filtered_and_split_as_it_was(name: str, tmp_path: Path):
    write_prepared(tmp_path / "prepared", *worlds.timed())
    found = []
    for data in (worlds.timed(), open_prepared(tmp_path / "prepared")):
        catalog, kept, report = filter_core(*data, min_item=8, min_user=3)
        assert report.users_after < report.users_before
        found.append(worlds.SPLITS[name](catalog, kept).checksum)
    assert found[0] == found[1]
