"""Verdicts in words: each sentence from a study in which it is true."""

from pathlib import Path

import pytest

from tcf.report import Verdict, gather, in_words
from tcf.report.verdicts import listed, say_p
from tcf.study import Arm, LogUniform, Tuning
from tcf.study.cells import read_cells
from tests.runs import ID, POPULARITY, write_arm, write_study


def size(name: str, **settings) -> Arm:
    return Arm(name=name, kind="model", encoder=name, family="OPT", **settings)


def verdicts(folder: Path, **settings) -> dict[str, Verdict]:
    """The verdicts of a study of one panel, by their labels, the first of each."""
    found = in_words(gather(read_cells(folder), **settings))
    assert len({(verdict.dataset, verdict.backbone) for verdict in found}) == 1
    return {verdict.label: verdict for verdict in reversed(found)}


def test_the_best_text_arm_behind_id(tmp_path: Path):
    said = verdicts(write_study(tmp_path))["behind ID"]
    assert (said.dataset, said.backbone, said.tone) == ("world", "SASRec", "behind")
    assert said.text.startswith("The best of 6 text arms, OPT-100000000, reaches NDCG@10 0.1")
    assert (
        "new seeds and new users; p < 0.001 after Holm's correction over 7 comparisons" in said.text
    )


def test_the_only_text_arm_ahead_of_id_in_another_metric(tmp_path: Path):
    write_arm(tmp_path, ID, better=0.5)
    write_arm(tmp_path, size("OPT"), better=2, parameters=7)
    said = verdicts(tmp_path, metric="hr@10")["ahead of ID"]
    assert said.tone == "ahead"
    assert said.text.startswith("The only text arm, OPT, reaches HR@10 0.")
    assert " ahead (95% interval +0." in said.text


def test_what_cannot_be_told_apart_is_not_called_equal(tmp_path: Path):
    write_arm(tmp_path, ID, better=1)
    write_arm(tmp_path, size("OPT"), better=1, parameters=7)
    said = verdicts(tmp_path)["not told from ID"]
    assert said.tone == "open"
    assert said.text.endswith("This does not show that they are equal.")


def test_arms_with_ids_controls_and_random_weights_are_no_text_arms(tmp_path: Path):
    write_arm(tmp_path, ID, better=1)
    write_arm(tmp_path, size("text"), better=0.5, parameters=7)
    write_arm(tmp_path, size("both", with_ids="sum"), better=2, parameters=7)
    write_arm(tmp_path, Arm(name="noise", kind="random", encoder="e"), better=2, parameters=7)
    said = verdicts(tmp_path)
    assert said["behind ID"].text.startswith("The only text arm, text,")
    assert said["ahead of ID"].text.startswith("The only arm with text and IDs, both,")


def test_without_the_arm_compared_with_there_is_no_comparison(tmp_path: Path):
    write_arm(tmp_path, size("text"), better=0.5, parameters=7)
    text = "No arm is named ID, so nothing is compared with it."
    assert verdicts(tmp_path)["no comparison"].text == text
    assert "no comparison" not in verdicts(tmp_path, against="text")


def test_a_curve_of_five_sizes_and_the_refusal_of_two(tmp_path: Path):
    said = verdicts(write_study(tmp_path / "five"))["5 sizes"]
    assert said.tone == "curve"
    assert said.text.startswith("OPT, NDCG@10: rises by ")
    assert "drawn is the " in said.text and "; by AICc, of 3 forms the " in said.text
    for n in range(4):
        write_arm(tmp_path / "four", size(f"o{n}"), better=0.2 + 0.1 * n, parameters=10**n)
    assert (
        "drawn is the constant, the only form that so"
        in verdicts(tmp_path / "four")["4 sizes"].text
    )
    for n, parameters in enumerate((10, 100)):
        write_arm(tmp_path / "two", size(f"o{n}"), better=0.5, parameters=parameters)
    refused = verdicts(tmp_path / "two")["no curve"]
    assert refused.text.startswith("OPT: no curve is fitted. a curve needs at least 4 sizes, got 2")


def test_a_control_that_does_as_well_explains_the_claim(tmp_path: Path):
    write_arm(tmp_path, size("text"), better=1)
    write_arm(tmp_path, Arm(name="TF-IDF", kind="static", encoder="tfidf-svd"), better=2)
    said = verdicts(tmp_path)["explained by a control"]
    assert said.tone == "caution"
    assert said.text.startswith("What text reads in the texts counts")
    assert "Explained: TF-IDF cannot be told from it or is ahead" in said.text


def test_epoch_limits_name_the_arms_or_all(tmp_path: Path):
    write_arm(tmp_path, ID, better=1, at_limit=(0, 2))
    write_arm(tmp_path, size("text"), better=0.5, parameters=7)
    text = (
        "Runs of ID (2 of 3) stopped at their epoch limit: longer training might have given more."
    )
    assert verdicts(tmp_path)["epoch limit"].text == text
    write_arm(tmp_path / "all", ID, better=1, at_limit=(0, 1, 2))
    assert verdicts(tmp_path / "all")["epoch limit"].text.startswith("Every run of all 1 arms")
    write_arm(tmp_path / "none", ID, better=1)
    assert "epoch limit" not in verdicts(tmp_path / "none")


SPACE = Tuning(space={"train.learning_rate": LogUniform(low=1e-4, high=1e-2)}, num_trials=8)
WIDER = Tuning(space={"train.learning_rate": LogUniform(low=1e-5, high=1e-2)}, num_trials=8)


@pytest.mark.parametrize(
    ("of_text", "label", "words"),
    [
        ((SPACE, 8), "equal tuning", "8 trials each. world, SASRec: each arm searched train."),
        ((SPACE, 2), "unequal tuning", "Some arms had 8 trials, text (2) had fewer"),
        ((None, 0), "unequal tuning", "Some arms had 8 trials, text (0) had fewer"),
        ((WIDER, 8), "unequal tuning", "The searches differ. "),
    ],
)
def test_tuning(tmp_path: Path, of_text, label: str, words: str):
    write_arm(tmp_path, ID, better=1, tuning=SPACE, num_trials=8)
    tuning, num_trials = of_text
    write_arm(
        tmp_path, size("text"), better=0.5, parameters=7, tuning=tuning, num_trials=num_trials
    )
    assert verdicts(tmp_path)[label].text.startswith(words)


def test_few_seeds_are_over_users_only(tmp_path: Path):
    write_arm(tmp_path, ID, better=1, seeds=(4,))
    write_arm(tmp_path, size("text"), better=0.5, parameters=7, seeds=(0, 1))
    write_arm(tmp_path, POPULARITY, better=0.5)
    said = verdicts(tmp_path)["few seeds"].text
    assert said.startswith(
        "Fewer than 3 seeds: ID (1) and text (2). Their intervals are over users"
    )
    assert "with 1 seed, 95% intervals of this kind" in said and "with 2 seeds, 95%" in said


def test_nothing_trained_is_a_panel_of_its_own(tmp_path: Path):
    write_arm(tmp_path, POPULARITY, better=0.5)
    found = gather(read_cells(tmp_path))
    assert found.panels == [("world", None)]
    assert [verdict.label for verdict in in_words(found)] == ["no comparison"]


def test_lists_and_p_values_in_words():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert [say_p(p) for p in (0.0001, 0.0123, 0.5)] == ["p < 0.001", "p = 0.012", "p = 0.50"]
