"""Several data sets as one, and a share of a target's users."""

import numpy as np
import pytest

from tcf.data.catalog import Catalog, Interactions
from tcf.data.sources import join_datasets, train_share
from tcf.errors import DataError
from tests import worlds


def parts(**histories: list[list[int]]) -> dict[str, tuple[Catalog, Interactions]]:
    """Data sets of three items each, whose ids are all i1, i2, i3 and u0, u1, ..."""
    return {
        name: (worlds.catalog(3), worlds.interactions(taken)) for name, taken in histories.items()
    }


def test_ids_that_clash_are_different_things_once_prefixed():
    catalog, taken = join_datasets(parts(a=[[1, 2], [3]], b=[[3, 1]]), prefixed=True)
    assert catalog.item_ids == ("a/i1", "a/i2", "a/i3", "b/i1", "b/i2", "b/i3")
    assert worlds.history_ids(catalog, taken) == {
        "a/u0": ["a/i1", "a/i2"],
        "a/u1": ["a/i3"],
        "b/u0": ["b/i3", "b/i1"],
    }
    assert catalog.texts[0] == catalog.texts[3] and taken.times is None


def test_ids_that_clash_are_refused_as_they_are():
    with pytest.raises(DataError, match=r"item ids that are distinct; 3 are in more than one of a"):
        join_datasets(parts(a=[[1, 2]], b=[[3, 1]]), prefixed=False)


def test_users_that_clash_are_refused_as_they_are():
    one = parts(a=[[1, 2]])["a"]
    other = Catalog(("x",), ("a text",)), worlds.interactions([[1, 1]])
    with pytest.raises(DataError, match=r"user ids that are distinct; 1 are .* \['u0'\]"):
        join_datasets({"a": one, "b": other}, prefixed=False)


def test_one_data_set_stays_as_it_is_and_none_is_refused():
    found = parts(a=[[1, 2]])
    assert join_datasets(found, prefixed=True) is found["a"]
    with pytest.raises(ValueError, match="at least one data set"):
        join_datasets({}, prefixed=True)


def test_times_stay_where_all_have_them():
    timed = worlds.catalog(3), worlds.interactions([[1, 2]], [[5, 6]])
    other = worlds.catalog(3), worlds.interactions([[3, 1]], [[1, 2]])
    _, taken = join_datasets({"a": timed, "b": other}, prefixed=True)
    assert taken.times is not None and taken.times.tolist() == [5, 6, 1, 2]
    _, taken = join_datasets({"a": timed, **parts(b=[[1]])}, prefixed=True)
    assert taken.times is None


def test_a_share_trains_and_validates_on_the_same_users_and_tests_all():
    split = worlds.random_split(num_users=50, num_items=20, seed=0)
    small = train_share(split, share=0.1, seed=3)
    users = np.flatnonzero(small.train.counts())
    assert small.validation.users.tolist() == users.tolist() and len(users) == 5
    assert small.test is split.test and small.num_users == 50
    for user in users:
        whole, part = (
            data.rows[data.offsets[user] : data.offsets[user + 1]]
            for data in (split.train, small.train)
        )
        assert whole.tolist() == part.tolist()
    assert small.report.settings == {"share": 0.1, "share_seed": 3}


def test_shares_of_a_seed_are_nested_and_all_is_the_split_itself():
    split = worlds.random_split(num_users=80, num_items=20, seed=0)
    few, more, other = (
        set(np.flatnonzero(train_share(split, share=share, seed=seed).train.counts()))
        for share, seed in ((0.1, 0), (0.5, 0), (0.1, 1))
    )
    assert few < more and few != other
    assert train_share(split, share=1, seed=0) is split


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (0, "share must be above 0 and at most 1; got 0"),
        (1.5, "share must be above 0 and at most 1; got 1.5"),
        (0.02, "share=0.02 of 50 is 1: take a larger share"),
    ],
)
def test_shares_that_leave_nobody_to_learn_from_are_refused(share: float, message: str):
    split = worlds.random_split(num_users=50, num_items=20, seed=0)
    with pytest.raises(ValueError, match=message):
        train_share(split, share=share, seed=0)


def test_a_share_of_users_who_are_not_validated_is_refused():
    split = worlds.SPLITS["by user"](*worlds.timed())
    with pytest.raises(DataError, match="at least one validation task"):
        train_share(split, share=0.5, seed=0)
