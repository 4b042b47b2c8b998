"""What intervals were measured to cover is what the experiment's results say, and is told."""

import json

import pytest

from experiments.truth import page
from experiments.truth.simulate import RESULTS
from tcf.evaluate.coverage import COVERAGE, MISREAD, coverage_note, measured_coverage
from tcf.evaluate.stats import NEW_SEEDS, NEW_USERS


def test_the_table_is_what_the_results_say():
    assert page.coverage(json.loads(RESULTS.read_text())) == COVERAGE


def test_defaults_hold_from_93_to_97_per_cent_at_five_seeds():
    for about, measured in COVERAGE.items():
        if about != MISREAD:
            low, high = measured[5]
            assert 0.93 <= low <= high <= 0.97, about


def test_a_number_of_seeds_that_was_not_simulated_takes_the_next_smaller():
    assert measured_coverage(4, NEW_SEEDS) == COVERAGE[NEW_SEEDS][3]
    assert measured_coverage(50, "exponent") == COVERAGE["exponent"][10]
    assert measured_coverage(2, NEW_SEEDS) is None


def test_what_holds_needs_no_note():
    assert coverage_note(3, NEW_SEEDS) == coverage_note(2, NEW_SEEDS) == ""


def test_an_interval_over_users_tells_how_it_does_on_new_seeds():
    low, high = COVERAGE[MISREAD][1]
    assert coverage_note(1, NEW_USERS) == (
        "with 1 seed, 95% intervals of this kind (these trained models on new users, asked about "
        f"new seeds) held {100 * low:.0f}% to {100 * high:.0f}% of the time"
    )
    assert coverage_note(2, NEW_USERS).startswith("with 2 seeds, 95% intervals")


def test_an_unknown_question_is_refused():
    with pytest.raises(ValueError, match=r"about must be one of .*'slope'.*; got 'height'"):
        measured_coverage(3, "height")
