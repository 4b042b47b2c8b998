"""Whole users and whole items held out."""

import numpy as np
import pytest

from tcf.data.held_out_splits import split_by_user, split_cold_items
from tcf.errors import DataError
from tests import worlds


def known(part) -> list[list[int]]:
    return [part.rows[a:b].tolist() for a, b in zip(part.starts, part.ends, strict=True)]


def test_users_held_out_are_trained_on_by_nothing():
    histories = [[n % 7 + 1, n % 5 + 1, n % 3 + 1] for n in range(40)]
    split = split_by_user(
        worlds.catalog(7), worlds.interactions(histories), seed=0, validation=0.1, test=0.2
    )
    assert (len(split.validation), len(split.test)) == (4, 8)
    assert not set(split.validation.users) & set(split.test.users)
    counts = split.train.counts()
    assert split.num_users == 40 and (counts == 0).sum() == 12
    for part in (split.validation, split.test):
        assert (counts[part.users] == 0).all()
        assert known(part) == [histories[user][:-1] for user in part.users]
        assert part.targets.tolist() == [histories[user][-1] for user in part.users]
    assert split.report.settings == {"validation": 0.1, "test": 0.2, "seed": 0}


def test_who_is_held_out_follows_the_seed_alone():
    whole = worlds.catalog(2), worlds.interactions([[1, 2]] * 30)
    one, same, other = (split_by_user(*whole, seed=seed) for seed in (0, 0, 1))
    assert one.checksum == same.checksum != other.checksum


def test_held_out_users_without_a_history_are_counted():
    whole = worlds.catalog(2), worlds.interactions([[1], [1, 2]] * 20)
    split = split_by_user(*whole, seed=0, validation=0.3, test=0.3)
    for name, part in (("validation", split.validation), ("test", split.test)):
        assert split.report.left_out[f"{name}: under 1 known items"] == 12 - len(part)
    with pytest.raises(DataError, match="at least one validation task; by user"):
        split_by_user(worlds.catalog(2), worlds.interactions([[1]] * 30), seed=0)


@pytest.mark.parametrize(("validation", "test"), [(0, 0.1), (0.1, 0), (0.5, 0.5)])
def test_shares_leave_something_to_train_on(validation: float, test: float):
    whole = worlds.catalog(2), worlds.interactions([[1, 2]] * 30)
    message = f"shares above 0 and together below 1; got {validation} and {test}"
    with pytest.raises(ValueError, match=message):
        split_by_user(*whole, seed=0, validation=validation, test=test)
    with pytest.raises(ValueError, match=message):
        split_cold_items(*whole, seed=0, validation=validation, test=test)


def test_cold_items_are_targets_and_nothing_else():
    # the newest is 5, before it 4; 6 was never taken and cannot be asked for
    histories = [[1, 2, 4, 3, 5], [4, 1, 4, 5, 2], [5, 1], [3, 2]]
    times = [[1, 2, 5, 6, 9], [6, 7, 8, 9, 9], [10, 11], [3, 4]]
    split = split_cold_items(
        worlds.catalog(6),
        worlds.interactions(histories, times),
        seed=None,
        by="newest",
        validation=0.2,
        test=0.2,
    )
    assert worlds.history_ids(split.catalog, split.train) == {
        "u0": ["i1", "i2", "i3"],
        "u1": ["i1", "i2"],
        "u2": ["i1"],
        "u3": ["i3", "i2"],
    }
    assert split.validation.users.tolist() == split.test.users.tolist() == [0, 1]
    assert set(split.validation.targets) == {4} and set(split.test.targets) == {5}
    assert known(split.validation) == [[1, 2], [1]]  # of u1, before the second time
    assert known(split.test) == [[1, 2, 3], [1]]
    assert split.num_items == 6
    assert split.report.left_out == {
        "test: under 1 known items": 1,  # u2 starts with it
        "test: earlier interactions with held-out items": 0,
        "validation: under 1 known items": 0,
        "validation: earlier interactions with held-out items": 1,
    }


def test_of_items_that_came_together_the_lower_rows_are_held_out():
    whole = worlds.catalog(4), worlds.interactions([[1, 2, 3, 4]], [[1, 2, 2, 2]])
    split = split_cold_items(*whole, seed=None, by="newest", validation=0.25, test=0.25)
    assert split.test.targets.tolist() == [2] and split.validation.targets.tolist() == [3]


def test_drawn_items_follow_the_seed_and_need_no_times():
    rng = np.random.default_rng(0)
    whole = worlds.catalog(20), worlds.interactions(rng.integers(1, 21, (50, 8)).tolist())
    one, same, other = (split_cold_items(*whole, seed=seed) for seed in (0, 0, 1))
    assert one.checksum == same.checksum != other.checksum
    assert len(set(one.test.targets)) == len(set(one.validation.targets)) == 2
    assert not one.train.item_counts(20)[one.test.targets].any()
    assert not one.test.target_in_history.any()


def test_seed_and_kind_go_together():
    whole = worlds.catalog(2), worlds.interactions([[1, 2]] * 30)
    for settings in ({"seed": None}, {"seed": 0, "by": "newest"}, {"seed": 0, "by": "oldest"}):
        with pytest.raises(ValueError, match="by must be 'random' with a seed, or 'newest' with"):
            split_cold_items(*whole, **settings)
    with pytest.raises(DataError, match="times of interactions are needed; these have none"):
        split_cold_items(*whole, seed=None, by="newest")
