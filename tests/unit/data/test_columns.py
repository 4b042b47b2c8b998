"""Columns of a batch: each row once, and negatives that are no one's own."""

import numpy as np
import pytest

from tcf.data.columns import BatchColumns, CatalogColumns, SampledColumns

SLOTS = np.array([5, 2, 5, 9, 2, 2])
TARGETS, OWNERS = np.array([5, 9, 2]), np.array([0, 0, 1])
KNOWN = (np.array([0, 0, 0, 1, 1]), np.array([2, 5, 9, 2, 30]))


def lay_out(columns):
    return columns.lay_out(SLOTS, targets=TARGETS, owners=OWNERS, known=KNOWN)


@pytest.mark.parametrize("num_items", [30, 5000], ids=["counted", "sorted"])
def test_a_batch_has_one_column_for_each_distinct_row(num_items: int):
    columns = BatchColumns(num_items)
    for _ in range(2):  # what one batch left behind does not show in the next
        laid = lay_out(columns)
        assert laid.rows.tolist() == [2, 5, 9] and laid.negatives is None
        assert laid.of(SLOTS).tolist() == [1, 0, 1, 2, 0, 0]
        assert laid.of(np.array([[9, -1], [-1, 2]])).tolist() == [[2, -1], [-1, 0]]
        assert laid.has(np.array([2, 3, 9, 30])).tolist() == [True, False, True, False]
        columns.lay_out(np.array([3, 30]), targets=TARGETS, owners=OWNERS, known=KNOWN)


def test_over_the_catalogue_a_column_is_a_row():
    laid = lay_out(CatalogColumns())
    assert laid.rows is None
    assert laid.of(SLOTS.astype(np.int32)).tolist() == SLOTS.tolist()
    assert laid.of(SLOTS.astype(np.int32)).dtype == np.int64
    assert laid.has(np.array([3, 30])).all()


@pytest.mark.parametrize("num_items", [30, 20_000])
def test_negatives_are_drawn_evenly_from_what_the_user_does_not_know(num_items: int):
    rng = np.random.default_rng(0)
    columns = SampledColumns(num_items, num_negatives=500, rng=rng)
    laid = lay_out(columns)
    assert laid.negatives.shape == (3, 500)
    drawn = laid.rows[laid.negatives]
    assert (np.diff(laid.rows) > 0).all() and set(SLOTS) <= set(laid.rows.tolist())
    for owner, rows in zip(OWNERS, drawn, strict=True):
        own = KNOWN[1][KNOWN[0] == owner]
        assert not np.isin(rows, own).any()
        assert rows.min() >= 1 and rows.max() <= num_items
    if num_items == 30:
        counts = np.bincount(drawn[0], minlength=31)[1:]
        free = np.delete(counts, KNOWN[1][KNOWN[0] == 0] - 1)
        assert np.abs(free - 500 / 27).max() < 5 * (500 / 27) ** 0.5


def test_where_nothing_can_be_drawn_the_target_stands():
    columns = SampledColumns(2, num_negatives=4, rng=np.random.default_rng(0))
    laid = columns.lay_out(
        np.array([1, 2]),
        targets=np.array([2]),
        owners=np.array([0]),
        known=(np.array([0, 0]), np.array([1, 2])),
    )
    assert laid.rows[laid.negatives].tolist() == [[2, 2, 2, 2]]


def test_negatives_follow_the_generator():
    drawn = [
        lay_out(SampledColumns(99, num_negatives=8, rng=np.random.default_rng(seed)))
        for seed in (1, 1, 2)
    ]
    first, same, other = (laid.rows[laid.negatives].tolist() for laid in drawn)
    assert first == same != other
