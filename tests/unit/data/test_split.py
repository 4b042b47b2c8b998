"""Leave-one-out, and the checksum that names a split."""

from dataclasses import replace

import numpy as np
import pytest

from tcf.data.catalog import Catalog
from tcf.data.split import LEAVE_ONE_OUT, Targets, drop_tasks, leave_one_out
from tcf.data.time_splits import leave_one_out_before
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


def test_plain_leave_one_out_has_the_checksum_it_always_had():
    split = leave_one_out(worlds.catalog(4), worlds.interactions(HISTORIES))
    assert split.checksum == "b999880a1e8b0b09e1da2e67a1471372b08e505cf5ba6fe4fe2d5e3a41f223a0"
    assert split.report == LEAVE_ONE_OUT and str(split.report) == "leave one out"


def test_repeated_targets_are_kept_or_dropped_and_counted():
    split = leave_one_out(worlds.catalog(4), worlds.interactions(HISTORIES))
    dropped = drop_tasks(split, repeated=True)
    assert dropped.test.users.tolist() == [0, 2] and dropped.test.targets.tolist() == [4, 1]
    assert known(dropped.test) == [[1, 2, 3], [3, 3, 3, 2]]
    assert dropped.validation.users.tolist() == [0, 1, 2]
    assert dropped.report.left_out == {
        "validation: repeated targets": 0,
        "test: repeated targets": 1,
    }
    assert str(dropped.report) == "leave one out; left out: 1 test: repeated targets"
    assert dropped.checksum != split.checksum
    assert drop_tasks(split).checksum == split.checksum


def test_cold_targets_and_new_users_are_dropped_and_each_counted_once():
    histories = [[1, 2, 3], [1, 2, 1, 2], [4, 4], [5, 1, 2]]
    times = [[1, 2, 3], [1, 2, 3, 4], [3, 4], [2, 3, 4]]
    split = leave_one_out_before(
        worlds.catalog(5), worlds.interactions(histories, times), limit=3, min_history=0
    )
    assert split.test.targets.tolist() == [3, 2, 4, 2]
    some = drop_tasks(split, repeated=True, cold_items=True, new_users=True)
    assert some.test.users.tolist() == [3]
    assert [n for what, n in some.report.left_out.items() if what.startswith("test: ")] == [
        0,  # too short a history
        2,  # repeated: u1 and u2, whose target is cold as well
        1,  # cold: u0
        0,
    ]
    users = drop_tasks(split, new_users=True)
    assert users.test.users.tolist() == [0, 1, 3] and users.report.left_out["test: new users"] == 1


def test_dropping_every_task_is_an_error():
    split = leave_one_out(worlds.catalog(1), worlds.interactions([[1, 1, 1]]))
    with pytest.raises(DataError, match="at least one validation task; leave one out; left out: 1"):
        drop_tasks(split, repeated=True)


def test_a_split_without_test_keeps_its_report():
    split = drop_tasks(leave_one_out(worlds.catalog(4), worlds.interactions(HISTORIES)))
    assert split.without_test().report == split.report


def test_users_may_have_one_task_or_several():
    one = worlds.ranking_tasks([[1], [2]], [3, 4])
    assert one.one_a_user and one.take(np.array([True, False])).targets.tolist() == [3]
    assert not one.take(np.array([0, 0])).one_a_user
