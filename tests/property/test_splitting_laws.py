"""Every way of splitting: nothing asked for is learned, and known is what came before it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcf.data.catalog import Catalog, Interactions
from tcf.data.held_out_splits import split_by_user, split_cold_items
from tcf.data.split import Split, Targets, drop_tasks, leave_one_out
from tcf.data.time_splits import leave_one_out_before, split_by_time
from tcf.errors import DataError
from tests import worlds

LAW = settings(derandomize=True, max_examples=60, deadline=None)
TIMES = st.lists(
    st.lists(st.integers(0, 12), min_size=3, max_size=8).map(sorted), min_size=1, max_size=9
)
MIN_HISTORY = st.integers(0, 2)
WHICH = st.sampled_from(["first", "last", "all"])
SPLITS: dict[str, Callable[..., Split]] = {
    "leave one out": leave_one_out,
    "before": lambda *data: leave_one_out_before(*data, limit=6, min_history=0),
    "first": lambda *data: split_by_time(*data, validation_from=4, test_from=8),
    "last": lambda *data: split_by_time(*data, validation_from=4, test_from=8, targets="last"),
    "all": lambda *data: split_by_time(*data, validation_from=4, test_from=8, targets="all"),
    "user": lambda *data: split_by_user(*data, seed=0, validation=0.3, test=0.3),
    "cold": lambda *data: split_cold_items(*data, seed=0, validation=0.2, test=0.2),
    "newest": lambda *data: split_cold_items(
        *data, seed=None, by="newest", validation=0.2, test=0.2
    ),
}


def numbered(times: list[list[int]]) -> tuple[Catalog, Interactions]:
    """Users of these times, every event an item of its own."""
    ends = np.cumsum([len(part) for part in times])
    histories = np.split(np.arange(1, ends[-1] + 1), ends[:-1])
    return worlds.catalog(int(ends[-1])), worlds.interactions(histories, times)


def tasks(part: Targets) -> list[tuple[int, int, list[int]]]:
    spans = zip(part.users, part.targets, part.starts, part.ends, strict=True)
    return [(int(u), int(t), part.rows[a:b].tolist()) for u, t, a, b in spans]


def histories_of(taken: Interactions) -> list[list[int]]:
    return [part.tolist() for part in np.split(taken.rows, taken.offsets[1:-1])]


@pytest.mark.parametrize("name", SPLITS)
@LAW
@given(times=TIMES)
def test_what_every_split_keeps(name: str, times: list[list[int]]):
    data = numbered(times)
    try:
        split = SPLITS[name](*data)
    except DataError:
        return
    whole, train = histories_of(data[1]), histories_of(split.train)
    assert split.train.user_ids == data[1].user_ids and split.catalog is data[0]
    assert all(set(mine) <= set(history) for mine, history in zip(train, whole, strict=True))
    assert split.train.times is not None  # numbered events: item n was taken at the nth time
    assert data[1].times is not None
    assert split.train.times.tolist() == data[1].times[split.train.rows - 1].tolist()
    for part in (split.validation, split.test):
        assert part.users.tolist() == sorted(part.users)
        assert part.one_a_user or name == "all"
        for user, target, known in tasks(part):
            assert target not in train[user]
            before = whole[user][: whole[user].index(target)]
            warm = [row for row in before if row in train[user]]
            assert known == (warm if name in ("cold", "newest") else before)
    asked = {target for part in (split.validation, split.test) for _, target, _ in tasks(part)}
    assert len(asked) == len(split.validation) + len(split.test)
    assert not asked & {row for mine in train for row in mine}
    assert SPLITS[name](*data).checksum == split.checksum


@pytest.mark.parametrize("name", SPLITS)
@LAW
@given(times=TIMES)
def test_without_test_no_row_of_it_is_left(name: str, times: list[list[int]]):
    try:
        split = SPLITS[name](*numbered(times))
    except DataError:
        return
    some = split.without_test()
    assert some.test is None
    assert tasks(some.validation) == tasks(split.validation)
    held = {*some.train.rows.tolist(), *some.validation.rows.tolist()}
    assert not held & set(split.test.targets.tolist())


@LAW
@given(st.lists(st.lists(st.integers(1, 12), max_size=8), min_size=1, max_size=9))
def test_cold_items_are_in_no_history_and_no_training(histories):
    try:
        split = SPLITS["cold"](worlds.catalog(12), worlds.interactions(histories))
    except DataError:
        return
    train = histories_of(split.train)
    cold = set()
    for part in (split.validation, split.test):
        assert not cold & set(part.targets.tolist())  # items of one part alone
        cold |= set(part.targets.tolist())
        for user, target, known in tasks(part):
            before = len(histories[user]) - 1 - histories[user][::-1].index(target)
            assert known == [row for row in histories[user][:before] if row in train[user]]
            assert known == train[user][: len(known)]
    assert not cold & {row for mine in train for row in mine}


@LAW
@given(TIMES, st.integers(1, 12), MIN_HISTORY)
def test_leave_one_out_before_is_as_defined(times, limit, min_history):
    data = numbered(times)
    whole = list(zip(histories_of(data[1]), times, strict=True))

    def last(place: int) -> list[tuple[int, int, list[int]]]:
        return [
            (user, rows[-place], rows[:-place])
            for user, (rows, at) in enumerate(whole)
            if at[-place] >= limit and len(rows) - place >= min_history
        ]

    learned = [[r for r, t in zip(*user, strict=True) if t < limit] for user in whole]
    _check(
        lambda: leave_one_out_before(*data, limit=limit, min_history=min_history),
        learned,
        last(2),
        last(1),
    )


@LAW
@given(TIMES, st.integers(1, 6), st.integers(1, 6), WHICH, MIN_HISTORY)
def test_split_by_time_is_as_defined(times, first, length, which, min_history):
    data = numbered(times)
    whole = list(zip(histories_of(data[1]), times, strict=True))
    second = first + length

    def window(low: float, high: float) -> list[tuple[int, int, list[int]]]:
        found = []
        for user, (rows, at) in enumerate(whole):
            places = [place for place, t in enumerate(at) if low <= t < high]
            chosen = {"first": places[:1], "last": places[-1:], "all": places}[which]
            found += [(user, rows[p], rows[:p]) for p in chosen if p >= min_history]
        return found

    learned = [[r for r, t in zip(*user, strict=True) if t < first] for user in whole]
    _check(
        lambda: split_by_time(
            *data,
            validation_from=first,
            test_from=second,
            targets=which,
            min_history=min_history,
        ),
        learned,
        window(first, second),
        window(second, np.inf),
    )


def _check(make: Callable[[], Split], learned: list, validation: list, test: list) -> None:
    try:
        split = make()
    except DataError:
        assert not (any(learned) and validation and test)
        return
    assert histories_of(split.train) == learned
    assert (tasks(split.validation), tasks(split.test)) == (validation, test)


@LAW
@given(
    st.lists(st.lists(st.integers(1, 5), min_size=3, max_size=8), min_size=1, max_size=9),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_dropped_and_kept_tasks_sum_to_all(histories, repeated, cold_items, new_users):
    whole = leave_one_out(worlds.catalog(5), worlds.interactions(histories))
    wanted: dict[str, Any] = {
        "repeated": repeated,
        "cold_items": cold_items,
        "new_users": new_users,
    }
    try:
        split = drop_tasks(whole, **wanted)
    except DataError:
        return
    trained = set(whole.train.rows.tolist())
    for name, before, after in (
        ("validation", whole.validation, split.validation),
        ("test", whole.test, split.test),
    ):
        dropped = {k: n for k, n in split.report.left_out.items() if k.startswith(name)}
        assert sum(dropped.values()) + len(after) == len(before)
        assert tasks(after) == [
            (user, target, known)
            for user, target, known in tasks(before)
            if not (repeated and target in known) and not (cold_items and target not in trained)
        ]
