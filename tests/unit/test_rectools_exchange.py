"""What the other library's environment is handed, and the settings that both sides try."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.rectools.exchange import write_exchange
from benchmarks.rectools.space import FIXED, NUM_TRIALS, SPACE, TRIALS, trials
from benchmarks.simulated import simulated_split
from tests import worlds

SPLIT = worlds.random_split(num_users=15, num_items=20, seed=1)


def histories(path: Path) -> list[list[int]]:
    users, items, order = np.load(path)
    found = []
    for user in range(int(users.max()) + 1):
        mine = users == user
        assert order[mine].tolist() == list(range(mine.sum()))
        found.append(items[mine].tolist())
    return found


def test_files_hold_the_known_items_of_each_part_and_no_test_target(tmp_path: Path):
    write_exchange(SPLIT, tmp_path)
    train = [h.tolist() for h in np.split(SPLIT.train.rows, SPLIT.train.offsets[1:-1])]
    assert (
        histories(tmp_path / "train.npy") == histories(tmp_path / "known-validation.npy") == train
    )
    targets = np.load(tmp_path / "targets-validation.npy").tolist()
    known = [[*history, target] for history, target in zip(train, targets, strict=True)]
    assert histories(tmp_path / "known-test.npy") == known
    assert not (tmp_path / "targets-test.npy").exists()


def test_a_part_without_every_user_is_refused(tmp_path: Path):
    part = replace(SPLIT.test, users=SPLIT.test.users[::-1].copy())
    with pytest.raises(ValueError, match="every user must be in the test part once, in order"):
        write_exchange(replace(SPLIT, test=part), tmp_path)


def test_trials_are_distinct_values_of_the_space_and_the_same_at_every_call():
    assert trials(seed=0) == TRIALS and len(TRIALS) == NUM_TRIALS
    assert all(one != other for n, one in enumerate(TRIALS) for other in TRIALS[:n])
    for trial in TRIALS:
        assert trial.keys() == FIXED.keys() | SPACE.keys()
        assert all(trial[name] in values for name, values in SPACE.items())
    assert sorted(trial["loss"] for trial in TRIALS) == ["gbce", "gbce"] + ["sampled_softmax"] * 2


def test_simulated_interactions_are_as_many_as_asked_for_and_skewed():
    split = simulated_split(num_items=50, num_interactions=20_000, sample=7, seed=0)
    assert split.train.num_interactions == pytest.approx(20_000, rel=0.02)
    assert len(split.validation) == 7 and split.num_items == 50
    counts = split.train.item_counts(50)
    assert counts[0] == 0 and counts[1:].min() > 0 and counts[1] > 5 * counts[25]
    assert (split.validation.starts < split.validation.ends).all()
