"""Answers of language models: labels, numbers, titles, lists, prose."""

import pytest

from tcf.evaluate import read_answer

FOUR = ["Alien", "Aliens (1986)", "Toy Story", "Heat"]
MANY = [f"Film {n}" for n in range(1, 31)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("B", 1),
        ("(b)", 1),
        ("B.", 1),
        ("2", 1),
        ("**C**", 2),
        ("C. Toy Story", 2),
        ("Toy Story", 2),
        ("A. Heat", 3),  # the title counts
        ('"toy  story".', 2),
        ("The answer is D.", 3),
        ("Answer: D", 3),
        ("[3]", 2),
        ('{"answer": "C"}', 2),
        ("They would enjoy Toy Story next.", 2),
        ("I think Aliens (1986) fits best", 1),
    ],
)
def test_a_choice(text: str, place: int):
    reading = read_answer(text, FOUR)
    assert (reading.places, reading.problem) == ((place,), "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("I'm sorry, but I cannot help with that.", "names no candidate"),
        ("E", "names no candidate"),
        ("7", "names no candidate"),
        ("Either Heat or Toy Story.", "names several candidates"),
        ("[1, 2]", "names no candidate"),
    ],
)
def test_what_is_no_choice(text: str, problem: str):
    reading = read_answer(text, FOUR)
    assert (reading.places, reading.problem) == ((), problem)


@pytest.mark.parametrize(
    "text",
    [
        "[3, 1, 20]",
        "Sure! [3, 1, 20]",
        '```json\n["3", "1", "20"]\n```',
        "3, 1, 20",
        "3\n1\n20",
        "1. Film 3\n2. Film 1\n3. Film 20",
        "1. 3\n2. 1\n3. 20",
        "3. Film 3\n1. Film 1\n20. Film 20",
        "Here are my picks:\n3, 1, 20",
        "[3, 1, 20, 5]",
    ],
)
def test_a_list(text: str):
    reading = read_answer(text, MANY, num_wanted=3)
    assert (reading.places, reading.problem) == ((2, 0, 19), "")


@pytest.mark.parametrize(
    ("text", "places", "problem"),
    [
        ("[3, 3, 1, 20]", (2, 0, 19), "repeats a candidate"),
        ("[3, 99]", (2,), "names too few candidates"),
        ("I like films of all kinds, and so might they.", (), "names no candidate"),
        ("[" * 5000, (), "names no candidate"),
    ],
)
def test_what_is_amiss_with_a_list(text: str, places: tuple[int, ...], problem: str):
    reading = read_answer(text, MANY, num_wanted=3)
    assert (reading.places, reading.problem) == (places, problem)
