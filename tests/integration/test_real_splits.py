"""Filters and splits of real data where it is at hand: counts, and nothing from after the cut."""

import numpy as np
import pytest

from tcf.data.catalog import Catalog, Interactions
from tcf.data.count_filters import filter_core, filter_counts, item_threshold
from tcf.data.event_filters import filter_duplicates
from tcf.data.formats import read_folder
from tcf.data.split import Targets, drop_tasks
from tcf.data.time_splits import leave_one_out_before, split_by_time
from tests.integration.test_real_data import folder

Data = tuple[Catalog, Interactions]
COUNTS = {  # training, validation and test; targets already known; without history, of both parts
    "ml-latest-small": (80_003, 21, 22, 0, 64 + 60),
    "online-retail": (309_058, 1_001, 1_027, 502, 217 + 139),
}


@pytest.fixture(scope="module", params=sorted(COUNTS))
def data(request: pytest.FixtureRequest) -> tuple[str, Data]:
    return request.param, read_folder(folder(request.param))


def places(taken: Interactions, part: Targets) -> np.ndarray:
    """Where the targets of a part lie among all interactions: where what is known ends."""
    np.testing.assert_array_equal(part.starts, taken.offsets[part.users])
    np.testing.assert_array_equal(taken.rows[part.ends], part.targets)
    return part.ends


def test_a_global_time_split_has_its_counts_and_leaks_nothing(data: tuple[str, Data]):
    name, (catalog, taken) = data
    split = split_by_time(catalog, taken, validation_from="80%", test_from="90%")
    short = sum(n for what, n in split.report.left_out.items() if "under 1 known" in what)
    sizes = (split.train.num_interactions, len(split.validation), len(split.test))
    assert (*sizes, int(split.test.target_in_history.sum()), short) == COUNTS[name]
    first, second = split.report.settings["validation_from"], split.report.settings["test_from"]
    assert taken.times is not None and split.train.times is not None
    assert split.train.times.max() < first
    validation, test = (taken.times[places(taken, p)] for p in (split.validation, split.test))
    assert first <= validation.min() and validation.max() < second <= test.min()
    for part in (split.validation, split.test):  # known is all that came before, training first
        trained = split.train.counts()[part.users]
        assert (trained <= part.ends - part.starts).all()
        known_first = taken.rows[part.starts[trained > 0]]
        own_first = split.train.rows[split.train.offsets[part.users[trained > 0]]]
        np.testing.assert_array_equal(known_first, own_first)


def test_leave_one_out_under_a_limit_asks_for_last_items_only(data: tuple[str, Data]):
    _, (catalog, taken) = data
    split = leave_one_out_before(catalog, taken, limit="80%")
    assert taken.times is not None and split.train.times is not None
    limit = split.report.settings["limit"]
    assert split.train.times.max() < limit
    for place, part in ((1, split.test), (2, split.validation)):
        np.testing.assert_array_equal(places(taken, part), taken.offsets[part.users + 1] - place)
        assert (taken.times[part.ends] >= limit).all()


def test_repeated_and_cold_targets_are_dropped(data: tuple[str, Data]):
    _, (catalog, taken) = data
    split = split_by_time(catalog, taken, validation_from="80%", test_from="90%", targets="last")
    some = drop_tasks(split, repeated=True, cold_items=True, new_users=True)
    assert 0 < len(some.test) < len(split.test)
    assert not some.test.target_in_history.any()
    assert some.train.item_counts(catalog.num_items)[some.test.targets].min() > 0
    assert some.train.counts()[some.test.users].min() > 0


def test_filters_of_real_data_have_their_counts(data: tuple[str, Data]):
    name, whole = data
    core, warm, once = (
        make(*whole)[2]
        for make in (
            filter_core,
            lambda *data: filter_counts(*data, min_item=20, min_user=5),
            filter_duplicates,
        )
    )
    thresholds = [item_threshold(whole[1], share=share) for share in (0.5, 0.2)]
    found = (core.interactions_after, warm.items_after, once.interactions_after, thresholds)
    assert (
        found
        == {
            "ml-latest-small": (90_072, 1_303, 100_004, [40, 107]),
            "online-retail": (384_749, 2_494, 266_221, [247, 535]),
        }[name]
    )
