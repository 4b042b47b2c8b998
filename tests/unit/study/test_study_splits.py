"""Studies under every split, and with filters: they run, and their records say so."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tcf.data.catalog import Catalog, Interactions
from tcf.data.count_filters import filter_core, filter_counts
from tcf.data.event_filters import filter_times
from tcf.data.filter import filter_interactions
from tcf.data.split import Split, drop_tasks, leave_one_out
from tcf.data.time_splits import split_by_time
from tcf.errors import DataError
from tcf.study import DSSMConfig, SASRecConfig, Study, grid
from tcf.study.cells import read_cells
from tcf.study.evidence import evidence
from tcf.study.opened import load_split
from tcf.study.records import read_records
from tcf.study.runner import Outcome, run_study
from tests import worlds
from tests.tiny_study import ARMS, TRAIN

BACKBONES = [(SASRecConfig(max_history=5), TRAIN)]
BY_TIME = worlds.SPLITS["by time, first"]


def without_new_users(split: Callable[..., Split], *data: Any) -> Split:
    return drop_tasks(split(*data), new_users=True)


def study(split: Callable[..., Split], *, user_ids: bool = False, **settings: Any) -> Study:
    return Study(
        name="timed",
        load=lambda _data: worlds.timed(),
        runs=grid(
            dataset="blocks",
            arms=ARMS,
            backbones=[*BACKBONES, *([(DSSMConfig(), TRAIN)] if user_ids else [])],
            seeds=(0,),
            dim=8,
        ),
        metrics=("hr@10",),
        split=split,
        **{"min_interactions": 1, "last": None, **settings},
    )


def run(planned: Study, folder: Path) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    made = run_study(
        planned, records=folder / "records", cache=folder / "cache", num_workers=1, say=lines.append
    )
    return made, lines


@pytest.mark.parametrize("name", worlds.SPLITS)
def test_a_study_runs_under_every_split_and_its_records_tell_it(name: str, tmp_path: Path):
    planned = study(worlds.SPLITS[name])
    made, lines = run(planned, tmp_path)
    assert made == Outcome(num_found=0, num_made=3, num_elsewhere=0)
    split, _ = load_split(planned, None)
    assert lines[1] == f"timed: {split.report}"
    for record in read_records(tmp_path / "records").values():
        assert record["data"]["split"] == split.report.as_dict()
        assert record["data"]["checksum"] == split.checksum
        assert record["metrics"]["hr@10"]["num_users"] == len(split.test)
    found = evidence(read_cells(tmp_path / "records"), metrics=["hr@10"])
    assert found["num_users"].unique().to_list() == [len(split.test)]
    assert run(planned, tmp_path)[0] == Outcome(num_found=3, num_made=0, num_elsewhere=0)


def test_user_ids_run_where_every_user_asked_is_trained_on(tmp_path: Path):
    planned = study(partial(without_new_users, BY_TIME), user_ids=True)
    assert run(planned, tmp_path)[0].num_made == 5
    (record, *_) = read_records(tmp_path / "records").values()
    assert record["data"]["split"]["left_out"]["test: new users"] > 0


def test_user_ids_that_nothing_is_known_of_stop_the_study_before_any_work(tmp_path: Path):
    planned = study(worlds.SPLITS["by user"], user_ids=True)
    with pytest.raises(
        ValueError, match=r"DSSM knows the users of its training .* reads histories"
    ):
        run(planned, tmp_path)
    assert not list(tmp_path.iterdir())


def test_several_targets_of_a_user_are_refused():
    planned = study(partial(split_by_time, validation_from=12, test_from=17, targets="all"))
    message = r"a study asks each user for one test target, .* asks \d+ users for \d+: take targets"
    with pytest.raises(ValueError, match=message):
        load_split(planned, None)


def test_data_without_times_is_refused_by_what_needs_them():
    def untimed(_data: Path | None) -> tuple[Catalog, Interactions]:
        catalog, taken = worlds.timed()
        return catalog, replace(taken, times=None)

    with pytest.raises(DataError, match="times of interactions are needed; these have none"):
        load_split(replace(study(BY_TIME), load=untimed), None)
    with pytest.raises(DataError, match="times of interactions are needed; these have none"):
        filters = (partial(filter_times, end=9),)
        load_split(replace(study(leave_one_out), load=untimed, filters=filters), None)


def test_filters_come_first_and_records_tell_each(tmp_path: Path):
    filters = (partial(filter_times, start=5), partial(filter_core, min_item=5, min_user=4))
    planned = study(leave_one_out, filters=filters, min_interactions=5, last=8)
    planned = replace(planned, runs=(planned.runs[-1],))
    made, lines = run(planned, tmp_path)
    assert made.num_made == 1
    starts = ["times: kept", "k-core: kept", "interactions: kept", "kept"]
    for line, start in zip(lines[:4], starts, strict=True):
        assert line.startswith(f"timed: {start} ")
    (record,) = read_records(tmp_path / "records").values()
    data, (times, core, last) = record["data"], record["data"]["filters"]
    assert (times["name"], times["start"]) == ("times", 5.0)
    assert (core["name"], core["min_item"], core["min_user"]) == ("k-core", 5, 4)
    assert data["interactions_before"] == times["interactions_before"]
    assert times["interactions_after"] == core["interactions_before"]
    assert core["interactions_after"] > data["interactions_after"] == last["interactions_after"]
    assert (last["name"], last["min_interactions"], last["last"]) == ("interactions", 5, 8)
    assert "split" not in data  # plain leave-one-out


def test_a_warm_set_is_made_of_the_published_protocols_data():
    """Users of at least 5, their last 8; items of at least 8 of these; users of 5 again."""
    protocol = {"min_interactions": 5, "last": 8}
    filters = (partial(filter_interactions, **protocol), partial(filter_counts, min_item=8))
    split, report = load_split(study(leave_one_out, filters=filters, **protocol), None)
    first, warm, last = report.steps
    assert warm.items_after < first.items_after and warm.users_after >= last.users_after
    catalog, kept, _ = filter_interactions(*worlds.timed(), **protocol)
    catalog, kept, _ = filter_counts(catalog, kept, min_item=8, min_user=5)
    assert split.checksum == leave_one_out(catalog, kept).checksum


def test_plain_studies_tell_what_they_always_told(tmp_path: Path):
    planned = study(leave_one_out, min_interactions=5, last=23)
    planned = replace(planned, runs=(planned.runs[-1],), split=Study.split)
    run(planned, tmp_path)
    (record,) = read_records(tmp_path / "records").values()
    assert list(record["data"]) == [
        "checksum",
        "users_before",
        "users_after",
        "items_before",
        "items_after",
        "interactions_before",
        "interactions_after",
        "audit",
    ]


def test_a_split_of_ones_own_is_a_function(tmp_path: Path):
    def every_other_user(catalog: Catalog, taken: Interactions) -> Split:
        split = leave_one_out(catalog, taken)
        some = split.test.take(split.test.users % 2 == 0)
        return Split(catalog, split.train, split.validation, some)

    planned = study(every_other_user, min_interactions=5, last=23)
    planned = replace(planned, runs=(planned.runs[-1],))
    assert run(planned, tmp_path)[0].num_made == 1
    (record,) = read_records(tmp_path / "records").values()
    assert record["data"]["split"] == {"name": "one's own"}
