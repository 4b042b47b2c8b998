"""What a search may choose, and how it gets into a config."""

import pytest
from pydantic import ValidationError

from tcf.study import (
    Arm,
    Choice,
    DSSMConfig,
    Integer,
    LogUniform,
    RunConfig,
    SASRecConfig,
    Tuning,
    Uniform,
    fingerprint,
)
from tcf.study.space import with_settings

STATIC = Arm(name="text", kind="static", encoder="tfidf-svd")
RUN = RunConfig(dataset="d", arm=STATIC, backbone=SASRecConfig())
RATE = LogUniform(low=1e-4, high=1e-2)


def tuning(**settings) -> Tuning:
    return Tuning(**{"space": {"train.learning_rate": RATE}, "num_trials": 4, **settings})


def test_settings_get_into_the_fields_they_name_and_into_no_other():
    chosen = {"train.learning_rate": 0.5, "backbone.num_layers": 3, "dim": 16, "scores": "cosine"}
    found = with_settings(RUN, chosen)
    expected = RUN.model_copy(
        update={
            "train": RUN.train.model_copy(update={"learning_rate": 0.5}),
            "backbone": SASRecConfig(num_layers=3),
            "dim": 16,
            "scores": "cosine",
        }
    )
    assert found == expected
    assert found.arm.encoding() == {}  # a static arm hands on what was set by hand, still nothing


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "train.learning_rat",
            1,
            "text/seed 0 takes no 'train.learning_rat' among batch_size",
        ),
        ("backbone.name", "DSSM", "takes no 'backbone.name' among dropout, max_history, name"),
        ("backbone.dropout", 1.0, "dropout"),
        ("arm.layer", 3, "none of dataset, arm, seed, tuning; .* takes no 'arm.layer'"),
        ("seed", 3, "takes no 'seed' to be tuned"),
        ("nothing", 3, "takes no 'nothing' to be tuned"),
        ("nothing.at_all", 3, "takes no 'nothing.at_all' to be tuned"),
        ("dim", 0, "dim"),
        ("dim.x", 0, "takes no 'dim.x' to be tuned"),
    ],
)
def test_what_a_run_does_not_have_or_take_is_refused(field: str, value, message: str):
    with pytest.raises(ValueError, match=message):
        with_settings(RUN, {field: value})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(low=1, high=1), "low must be below high; got 1.0 and 1.0"),
        (lambda: Integer(low=3, high=2), "low must be below high; got 3 and 2"),
        (lambda: Integer(low=1.5, high=2), "low"),
        (lambda: LogUniform(low=0, high=2), "low"),
        (lambda: Choice(values=("a",)), "values"),
        (lambda: Choice(values=("a", "a")), r"a choice needs different values; got \['a', 'a'\]"),
        (lambda: tuning(space={}), "space"),
        (lambda: tuning(num_trials=0), "num_trials"),
        (lambda: tuning(pruner="x"), "pruner"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(make, message: str):
    with pytest.raises(ValidationError, match=message):
        make()


def test_a_search_is_checked_against_every_run_before_a_trial():
    dssm = RUN.model_copy(update={"backbone": DSSMConfig()})
    heads = tuning(space={"backbone.num_heads": Choice(values=(1, 2))})
    heads.check([RUN])
    message = (
        r"takes no 'backbone.num_heads' among dropout, name, num_layers: leave it out, or tune"
    )
    with pytest.raises(ValueError, match=message):
        heads.check([RUN, dssm])
    high = tuning(space={"backbone.dropout": Uniform(low=0.0, high=1.0)})
    with pytest.raises(ValueError, match="dropout"):
        high.check([RUN])
    message = "has the seed of the trials: give the runs other seeds than trial_seed=0"
    with pytest.raises(ValueError, match=message):
        tuning(trial_seed=0).check([RUN])


def test_it_comes_back_from_its_json_and_is_part_of_the_fingerprint():
    space = {
        "dim": Integer(low=8, high=16),
        "backbone.dropout": Uniform(low=0, high=0.5),
        "train.learning_rate": RATE,
        "train.clip_norm": Choice(values=(None, 1.0)),
        "learn_temperature": Choice(values=(False, True)),
    }
    one = RUN.model_copy(update={"tuning": tuning(space=space)})
    again = RunConfig.model_validate_json(one.model_dump_json())
    assert again == one
    assert [type(d) for d in again.tuning.space.values()] == [type(d) for d in space.values()]
    assert again.tuning.space["learn_temperature"].values == (False, True)
    keys = {fingerprint(run, split="s", vectors=None) for run in (RUN, one)}
    assert len(keys) == 2
    assert "tuning" not in RUN.model_dump()


@pytest.mark.parametrize(
    ("num_trials", "rounds"),
    [
        (2, [[0, 1]]),
        (3, [[0, 1, 2]]),
        (4, [[0, 1, 2], [3]]),
        (8, [[0, 1, 2], [3, 4], [5, 6], [7]]),
    ],
)
def test_rounds_are_a_prefix_of_those_of_a_longer_search(num_trials: int, rounds: list):
    found = tuning(num_trials=num_trials, num_random=3, at_once=2).rounds()
    assert [list(numbers) for numbers in found] == rounds
