"""Time windows and repeated pairs."""

import pytest

from tcf.data.event_filters import filter_duplicates, filter_times
from tcf.errors import DataError
from tests import worlds

TAKEN = worlds.interactions([[1, 2, 3], [4, 4]], [[10, 20, 30], [20, 40]])


def test_a_window_holds_its_start_and_not_its_end():
    catalog, kept, report = filter_times(worlds.catalog(4), TAKEN, start=20, end=40)
    assert worlds.history_ids(catalog, kept) == {"u0": ["i2", "i3"], "u1": ["i4"]}
    assert kept.times is not None and kept.times.tolist() == [20, 30, 20]
    assert (report.name, report.settings) == ("times", {"start": 20.0, "end": 40.0})


def test_a_window_may_be_open_on_either_side():
    catalog, kept, report = filter_times(worlds.catalog(4), TAKEN, end="1970-01-01T00:00:20")
    assert worlds.history_ids(catalog, kept) == {"u0": ["i1"]}
    assert report.settings == {"end": 20.0}
    _, kept, _ = filter_times(worlds.catalog(4), TAKEN, start="80%")
    assert kept.user_ids == ("u1",)
    _, kept, _ = filter_times(worlds.catalog(4), TAKEN)
    assert kept.num_interactions == 5


def test_windows_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="a time window must end after its start; got 30 to 30"):
        filter_times(worlds.catalog(4), TAKEN, start=30, end=30)
    with pytest.raises(DataError, match=r"times \(start=41.0\) leaves none of 5"):
        filter_times(worlds.catalog(4), TAKEN, start=41)
    with pytest.raises(DataError, match="times of interactions are needed; these have none"):
        filter_times(worlds.catalog(1), worlds.interactions([[1]]), start=3)


@pytest.mark.parametrize(
    ("which", "keep", "expected", "times"),
    [
        ("consecutive", "first", ["i1", "i2", "i1"], [1, 3, 4, 7]),
        ("consecutive", "last", ["i1", "i2", "i1"], [2, 3, 6, 7]),
        ("any", "first", ["i1", "i2"], [1, 3, 7]),
        ("any", "last", ["i2", "i1"], [3, 6, 7]),
    ],
)
def test_one_of_the_repeats_stays(which, keep, expected: list[str], times: list[int]):
    taken = worlds.interactions([[1, 1, 2, 1, 1, 1], [], [1]], [[1, 2, 3, 4, 5, 6], [], [7]])
    catalog, kept, report = filter_duplicates(worlds.catalog(2), taken, which=which, keep=keep)
    assert worlds.history_ids(catalog, kept) == {"u0": expected, "u2": ["i1"]}
    assert kept.times is not None and kept.times.tolist() == times
    assert report.interactions_before - report.interactions_after == 7 - len(times)
    assert report.settings == {"which": which, "keep": keep}


@pytest.mark.parametrize("settings", [{"which": "all"}, {"keep": "none"}])
def test_other_choices_are_refused(settings: dict):
    with pytest.raises(ValueError, match="which must be 'consecutive' or 'any' and keep 'first'"):
        filter_duplicates(worlds.catalog(4), TAKEN, **settings)
