"""Catalog and Interactions: rows, counts, and what they refuse."""

import numpy as np
import pytest

from tcf.data.catalog import Catalog, Interactions
from tcf.errors import DataError
from tests import worlds


def test_row_0_is_padding_and_row_r_is_the_rth_item():
    catalog = Catalog(("b", "a", "c"), ("text b", "text a", "text c"))
    assert catalog.num_items == 3
    rows = catalog.rows_of(["c", "b", "b"])
    assert rows.tolist() == [3, 1, 1] and rows.dtype == np.int32
    assert catalog.rows_of([]).tolist() == []


def test_select_renumbers_in_the_order_given():
    chosen = Catalog(("b", "a", "c"), ("text b", "text a", "text c")).select(np.array([3, 1]))
    assert chosen == Catalog(("c", "b"), ("text c", "text b"))


def test_unknown_ids_are_counted_and_named():
    with pytest.raises(DataError, match=r"2 of 3 are not, the first: \['x', 'y'\]"):
        worlds.catalog(2).rows_of(["x", "i1", "y"])


@pytest.mark.parametrize(
    ("ids", "texts", "message"),
    [
        (("a", "b"), ("one",), "one text for each item; got 2 ids and 1 texts"),
        ((), (), "at least one item; got none"),
        (("a", "b", "a"), ("1", "2", "3"), "must be distinct; 'a' is there more than once"),
    ],
)
def test_a_catalogue_refuses(ids: tuple, texts: tuple, message: str):
    with pytest.raises(DataError, match=message):
        Catalog(ids, texts)


def test_interactions_count_per_user_and_per_item():
    taken = worlds.interactions([[2, 1, 2], [], [3]])
    assert taken.num_users == 3 and taken.num_interactions == 4
    assert taken.counts().tolist() == [3, 0, 1]
    assert taken.users().tolist() == [0, 0, 0, 2]
    assert taken.item_counts(4).tolist() == [0, 1, 2, 1, 0]


@pytest.mark.parametrize("offsets", [[0, 2], [0, 1, 3]])
def test_offsets_must_fit_users_and_rows(offsets: list[int]):
    message = r"num_users \+ 1 = 3 values ending at num_interactions = 2; got \d ending at \d"
    with pytest.raises(DataError, match=message):
        Interactions(("u", "v"), np.array([1, 1], np.int32), np.array(offsets))


TIMES = np.array([1, 5, 5, 2, 3], np.int64)


def timed(times: np.ndarray) -> Interactions:
    return Interactions(
        ("u", "v", "w"), np.array([1, 2, 3, 1, 2], np.int32), np.array([0, 3, 3, 5]), times
    )


def test_times_may_fall_between_users_and_stand_still_within_one():
    assert timed(TIMES).times is TIMES
    assert timed(TIMES / 2).times is not None
    nobody = Interactions((), np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0))
    assert nobody.num_users == 0


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (TIMES[:4], "times must be int64 or float64, one for each of 5 interactions; got 4 of int"),
        (TIMES.astype(np.int32), "one for each of 5 interactions; got 5 of int32"),
        (np.array([1, 5, 4, 2, 3]), "oldest first; those of user 'u' are not: 5 comes before 4"),
        (np.array([1, 2, 3, 3, 2]), "oldest first; those of user 'w' are not: 3 comes before 2"),
        (np.array([1, 2, 3, 1, np.nan]), "those of user 'w' are not: 1.0 comes before nan"),
    ],
)
def test_times_must_fit_and_not_fall(times: np.ndarray, message: str):
    with pytest.raises(DataError, match=message):
        timed(times)


def test_taken_users_keep_their_last_rows_and_times():
    taken = timed(TIMES).take(np.array([2, 0]), last=2)
    assert taken.user_ids == ("w", "u")
    assert taken.rows.tolist() == [1, 2, 2, 3]
    assert taken.times is not None and taken.times.tolist() == [2, 3, 5, 5]
    assert taken.offsets.tolist() == [0, 2, 4]
