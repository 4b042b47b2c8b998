"""Templates: those of the package, and what a file of one's own may hold."""

from importlib.resources import files
from pathlib import Path

import pytest

from tcf.errors import DataError
from tcf.evaluate import load_prompt, read_prompt
from tcf.evaluate.prompts import FIELDS

KINDS = ["movies", "videos", "products"]


def test_every_kind_has_a_template_for_every_task():
    names = {path.name for path in (files("tcf.evaluate") / "templates").iterdir()}
    assert names == {f"{task}_{kind}.txt" for task in FIELDS for kind in KINDS}
    for name in sorted(names):
        task, _, kind = name.removesuffix(".txt").partition("_")
        assert load_prompt(task, kind).task == task


def test_a_choice_shows_letters_and_a_list_numbers():
    shown = load_prompt("choose", "movies").fill(["Heat", "Alien\n 3"], ["{Toy} Story", "Up"])
    assert "- Heat\n- Alien 3\n" in shown
    assert "A. {Toy} Story\nB. Up\n" in shown
    many = [f"Film {n}" for n in range(1, 101)]
    shown = load_prompt("rank", "movies").fill(["Heat"], many, num_wanted=10)
    assert "1. Film 1\n" in shown and "100. Film 100\n" in shown
    assert "numbers of the 10 likeliest" in shown
    assert "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]" in shown


def test_a_template_of_ones_own(tmp_path: Path):
    path = tmp_path / "brief.txt"
    path.write_text("{history}\n?\n{candidates}")
    prompt = read_prompt(path, task="choose")
    assert (prompt.name, prompt.fill(["x"], ["y"])) == ("brief", "- x\n?\nA. y")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{history}", r"must hold \['candidates', 'history'\]"),
        ("{history} {candidates} {user}", r"may hold \['label'\]; found .*'user'"),
        ("{history} {candidates} {", "a template cannot be read"),
    ],
)
def test_a_template_without_its_fields_is_refused(template: str, message: str, tmp_path: Path):
    path = tmp_path / "mine.txt"
    path.write_text(template)
    with pytest.raises(DataError, match=message):
        read_prompt(path, task="choose")


def test_a_template_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"did you mean 'choose_movies'\?"):
        load_prompt("choose", "movie")
