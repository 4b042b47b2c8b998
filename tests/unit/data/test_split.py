"""Leave-one-out, and the checksum that names a split."""

from dataclasses import replace

import numpy as np
import pytest

from tcf.data.catalog import Catalog
from tcf.data.split import Targets, leave_one_out
from tcf.errors import DataError
from tests import worlds

HISTORIES = [[1, 2, 3, 4], [4, 1, 4], [3, 3, 3, 2, 1]]


def known(targets: Targets) -> list[list[int]]:
    spans = zip(targets.starts, targets.ends, strict=True)
    return [targets.rows[start:end].tolist() for start, end in spans]


def test_the_last_item_is_the_test_the_one_before_it_the_validation():
    split = leave_one_out(worlds.catalog(4), worlds.interactions(HISTORIES))
    assert split.train.rows.tolist() == [1, 2, 4, 3, 3, 3]
    assert split.train.offsets.tolist() == [0, 2, 3, 6]
    assert split.train.user_ids == ("u0", "u1", "u2")
    assert split.validation.targets.tolist() == [3, 1, 2]
    assert split.test.targets.tolist() == [4, 4, 1]
    assert split.num_items == 4 and split.num_users == 3


def test_known_items_are_training_at_validation_and_the_validation_item_too_at_test():
    split = leave_one_out(worlds.catalog(4), worlds.interactions(HISTORIES))
    assert known(split.validation) == [[1, 2], [4], [3, 3, 3]]
    assert known(split.test) == [[1, 2, 3], [4, 1], [3, 3, 3, 2]]
    assert len(split.test) == 3


def test_a_target_that_is_also_known_is_flagged():
    split = leave_one_out(worlds.catalog(4), worlds.interactions(HISTORIES))
    assert split.test.target_in_history.tolist() == [False, True, False]
    assert split.validation.target_in_history.tolist() == [False, False, False]


def test_no_tasks_have_no_flags():
    assert worlds.ranking_tasks([], []).target_in_history.tolist() == []


def test_a_user_with_fewer_than_three_is_named():
    message = r"at least 3 interactions of every user .*; user 'u1' has 2: call filter_interactions"
    with pytest.raises(DataError, match=message):
        leave_one_out(worlds.catalog(4), worlds.interactions([[1, 2, 3], [1, 2]]))


def test_no_user_at_all_is_an_error():
    with pytest.raises(DataError, match="there is no user"):
        leave_one_out(worlds.catalog(4), worlds.interactions([]))


def test_the_checksum_follows_ids_and_arrays_and_not_texts():
    split = leave_one_out(worlds.catalog(4), worlds.interactions(HISTORIES))
    again = leave_one_out(worlds.catalog(4), worlds.interactions(HISTORIES))
    assert split.checksum == again.checksum and len(split.checksum) == 64
    other = [*HISTORIES[:2], [3, 3, 3, 1, 2]]
    changed = leave_one_out(worlds.catalog(4), worlds.interactions(other))
    items = split.catalog
    renamed = replace(split, catalog=Catalog(("x", *items.item_ids[1:]), items.texts))
    reworded = replace(split, catalog=Catalog(items.item_ids, ("x", *items.texts[1:])))
    assert changed.checksum != split.checksum
    assert renamed.checksum != split.checksum
    assert reworded.checksum == split.checksum  # texts belong to the vectors' key


def test_the_checksum_does_not_follow_the_type_of_the_integers():
    split = leave_one_out(worlds.catalog(4), worlds.interactions(HISTORIES))
    train = replace(split.train, rows=split.train.rows.astype(np.int64))
    assert replace(split, train=train).checksum == split.checksum


def test_times_go_with_the_training_part_and_are_no_part_of_the_checksum():
    untimed = worlds.interactions([[1, 2, 3], [4, 1, 2, 3]])
    split = leave_one_out(worlds.catalog(4), replace(untimed, times=np.arange(7)))
    assert split.train.times is not None and split.train.times.tolist() == [0, 3, 4]
    assert split.checksum == leave_one_out(worlds.catalog(4), untimed).checksum
