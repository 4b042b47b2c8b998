"""Moments: seconds, ISO dates and shares."""

import numpy as np
import pytest

from tcf.data.moments import moment
from tcf.errors import DataError
from tests import worlds

TAKEN = worlds.interactions([[1] * 5, [1] * 5], [[10, 20, 30, 40, 50], [15, 25, 35, 45, 55]])


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (12, 12.0),
        (12.5, 12.5),
        (np.int64(7), 7.0),
        ("1970-01-02", 86_400.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("2016-01-31 12:00", 1_454_241_600.0),
        ("0%", 10.0),
        ("50%", 35.0),
        ("90%", 55.0),
        ("99.9%", 55.0),
    ],
)
def test_seconds_dates_in_utc_and_shares(value, seconds: float):
    assert moment(TAKEN, value) == seconds


def test_at_most_the_share_is_before_it_and_fewer_where_times_are_the_same():
    taken = worlds.interactions([[1] * 4], [[1, 5, 5, 5]])
    assert moment(taken, "75%") == 5
    assert (taken.times < 5).sum() == 1


@pytest.mark.parametrize("value", ["100%", "-1%", "x%", "yesterday", "2016-31-01", ""])
def test_what_is_no_moment_is_refused(value: str):
    with pytest.raises(ValueError, match=f"a moment is a number of seconds, .*; got '{value}'"):
        moment(TAKEN, value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_moment_is_finite(value: float):
    with pytest.raises(ValueError, match="a moment must be finite; got"):
        moment(TAKEN, value)


def test_without_times_there_are_no_moments():
    message = "times of interactions are needed; these have none: read a source that says when"
    with pytest.raises(DataError, match=message):
        moment(worlds.interactions([[1]]), 5)
    with pytest.raises(DataError, match="are needed; there is no interaction"):
        moment(worlds.interactions([], []), 5)
