"""What could be claimed, and which control explains it."""

from pathlib import Path

import pytest

from tcf.encode import PCA, Shuffle
from tcf.study.arms import Arm, TunedConfig
from tcf.study.cells import read_cells
from tcf.study.claims import claims
from tests.runs import ID, POPULARITY, write_run

SMALL = Arm(name="small", kind="model", encoder="s", family="f")
LARGE = Arm(name="large", kind="model", encoder="l", family="f")
SHUFFLED = Arm(
    name="large, shuffled texts",
    kind="model",
    encoder="l",
    transforms=(Shuffle(),),
    control="shuffled",
    control_of="large",
)


def sized(total: int) -> dict:
    return {"parameters": {"total": total, "without_embeddings": total}}


def write(folder: Path, arm: Arm, *, better: float, total: int = 0) -> None:
    for seed in range(3):
        write_run(folder, arm, seed=seed, better=better, num_users=2000, vectors=sized(total))


def at_one_width(arm: Arm) -> Arm:
    settings = {"name": f"{arm.name}, PCA to one width", "control": "width"}
    settings |= {"transforms": (PCA(dims="smallest"),), "control_of": arm.name, "family": "w"}
    return arm.model_copy(update=settings)


def test_a_claim_that_no_control_reaches_stands_and_says_what_is_missing(tmp_path: Path):
    write(tmp_path, LARGE, better=3.0, total=10)
    write(tmp_path, SHUFFLED, better=1.0, total=10)
    write_run(tmp_path, POPULARITY, num_users=2000)
    (claim,) = claims(read_cells(tmp_path))
    assert claim.explained_by == ()
    assert claim.missing == ("random_weights", "random_vectors", "tfidf")
    assert claim.gain.low > 0
    assert "What large reads in the texts counts; closest is" in claim.verdict
    assert "Not controlled for: random weights, random vectors, TF-IDF." in claim.verdict


def test_a_control_that_does_as_well_explains_it(tmp_path: Path):
    write(tmp_path, LARGE, better=1.0, total=10)
    write(tmp_path, SHUFFLED, better=1.0, total=10)
    (claim,) = claims(read_cells(tmp_path))
    (why,) = claim.explained_by
    assert why.startswith("shuffled texts cannot be told from it or are ahead")
    assert "Explained: shuffled texts" in claim.verdict


def test_a_gain_from_size_that_one_width_takes_away_is_explained(tmp_path: Path):
    write(tmp_path, SMALL, better=1.0, total=10)
    write(tmp_path, LARGE, better=2.0, total=100)
    for arm in (SMALL, LARGE):
        write(tmp_path, at_one_width(arm), better=1.0)
    (claim,) = claims(read_cells(tmp_path))
    assert claim.text == "In f, large beats small"
    (why,) = claim.explained_by
    assert why.startswith("PCA to one width, the gain is ") and "told from 0" in why
    assert claim.missing == ("random_weights",)


def test_one_width_is_compared_by_one_and_the_same_way(tmp_path: Path):
    write(tmp_path, SMALL, better=1.0, total=10)
    write(tmp_path, LARGE, better=2.0, total=100)
    write(tmp_path, at_one_width(LARGE), better=1.0)
    projected = at_one_width(SMALL).model_copy(update={"name": "small, projected to one width"})
    write(tmp_path, projected, better=2.0)
    claim = claims(read_cells(tmp_path))[-1]
    assert claim.explained_by == () and claim.missing == ("width", "random_weights")


def test_a_tuned_arm_is_no_larger_size_of_the_frozen_ones(tmp_path: Path):
    write(tmp_path, SMALL, better=1.0, total=10)
    tuned = LARGE.model_copy(update={"tuned": TunedConfig(num_tuned_layers=1)})
    write(tmp_path, tuned, better=2.0, total=100)
    assert not [claim for claim in claims(read_cells(tmp_path)) if claim.text.startswith("In f")]


def test_a_gain_from_size_that_stays_at_one_width_stands(tmp_path: Path):
    write(tmp_path, SMALL, better=1.0, total=10)
    write(tmp_path, LARGE, better=2.0, total=100)
    write(tmp_path, at_one_width(SMALL), better=1.0)
    write(tmp_path, at_one_width(LARGE), better=2.0)
    write(tmp_path, Arm(name="r", kind="random", encoder="l"), better=1.0)
    claim = claims(read_cells(tmp_path))[-1]
    assert claim.explained_by == () and claim.missing == ()
    assert claim.verdict.endswith("No control explains it.")


def test_random_weights_that_do_as_well_explain_it(tmp_path: Path):
    write(tmp_path, SMALL, better=1.0, total=10)
    write(tmp_path, LARGE, better=2.0, total=100)
    write(tmp_path, Arm(name="r", kind="random", encoder="l"), better=2.0)
    claim = claims(read_cells(tmp_path))[-1]
    assert any("random weights do as well" in why for why in claim.explained_by)


@pytest.mark.parametrize("arms", [[ID], [SMALL], [SMALL, LARGE]])
def test_what_nothing_can_be_claimed_of_gives_no_claim(tmp_path: Path, arms: list[Arm]):
    for total, arm in enumerate(arms, 1):
        write(tmp_path, arm, better=1.0, total=total)
    assert claims(read_cells(tmp_path)) == []
