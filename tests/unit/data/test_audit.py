"""The audit of interactions and of a split, on hand-made data whose faults are known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tcf.data import Catalog, Finding, Interactions, audit_files, audit_split, leave_one_out
from tcf.data import audit as audit_
from tcf.data import audit_interactions as checks
from tcf.data.findings import summary
from tests import worlds

NOW = 1_700_000_000


def timed(histories: Sequence[Sequence[tuple[int, int]]]) -> Interactions:
    """Users with (row, seconds from a day in 2023)."""
    taken = worlds.interactions([[row for row, _ in history] for history in histories])
    times = [NOW + second for history in histories for _, second in history]
    return replace(taken, times=np.array(times, np.int64))


def said(finding: Finding) -> tuple[str, str]:
    return finding.verdict, finding.found


class TestHistories:
    def test_short_ones(self):
        taken = worlds.interactions([[1, 2], [1, 2, 3], [1, 2, 3, 4, 5]])
        finding = checks.short_histories(taken, min_interactions=3)
        assert said(finding) == (
            "warning",
            "1 of 3 users (33.3%) have fewer than 3 interactions; with them go 20% of all",
        )
        assert finding.figures == {"share_short": 1 / 3, "share_interactions_lost": 0.2}
        assert checks.short_histories(taken, min_interactions=2).verdict == "ok"
        with pytest.raises(ValueError, match="min_interactions must be at least 1; got 0"):
            checks.short_histories(taken, min_interactions=0)

    def test_repeats_count_across_and_in_a_row_but_not_between_users(self):
        taken = worlds.interactions([[1, 2, 2, 1], [1, 3], [3]])
        finding = checks.repeated_items(taken)
        assert said(finding) == (
            "warning",
            "2 of 7 interactions (28.6%) are with an item that the user had before, 1 of them "
            "right after it",
        )
        assert finding.figures == {"share_repeated": 2 / 7, "share_repeated_at_once": 1 / 7}
        assert checks.repeated_items(worlds.interactions([[1, 2], [2, 1], [1]])).verdict == "ok"

    def test_copies_of_a_history(self):
        same, turned = [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]
        taken = worlds.interactions([same, turned, same, [1, 2], [1, 2], same])
        finding = checks.identical_histories(taken)
        assert said(finding) == (
            "warning",
            "2 of 4 users (50%) with at least 5 interactions repeat another's whole history; the "
            "largest group has 3",
        )
        assert finding.figures == {"share_surplus": 0.5}
        assert checks.identical_histories(worlds.interactions([[1, 2]])).verdict == "ok"


class TestTimes:
    def test_equal_ones_make_the_target_arbitrary(self):
        taken = timed([[(1, 0), (2, 5), (3, 5)], [(1, 0), (2, 0), (3, 7)], [(1, 3)]])
        finding = checks.equal_times(taken)
        assert finding.figures == {"share_last_equal": 0.5, "share_steps_equal": 0.5}
        assert said(finding) == (
            "warning",
            "50% of a user's steps take no time; 50% of users have several last items",
        )
        every = checks.equal_times(timed([[(1, 0), (2, 0)]] * 3))
        assert every.verdict == "problem" and "arbitrary" in every.fix
        assert checks.equal_times(timed([[(1, 0), (2, 1)], [(1, 1), (2, 2)]])).verdict == "ok"

    @pytest.mark.parametrize("start", [0, 12])
    def test_positions_are_no_times(self, start: int):
        taken = timed([[(1, 0), (2, 1)], [(1, 0), (2, 1), (3, 2)]])
        assert taken.times is not None
        positions = replace(taken, times=taken.times - NOW + start)
        assert checks.true_times(positions) is None
        assert checks.true_times(taken) is taken.times
        finding = checks.equal_times(positions)
        assert said(finding) == (
            "ok",
            "not made: the data has positions in the history for times, only an order",
        )
        assert "has no times" in checks.equal_times(replace(taken, times=None)).found


class TestOrder:
    def test_rows_by_popularity_and_time(self):
        # Row 1 is taken by all, row 2 by all but one, ...: and later rows later.
        histories = [[(row, 10 * row) for row in range(1, last + 1)] for last in range(2, 8)]
        items = worlds.catalog(7)
        finding = checks.item_order(items, timed(histories))
        # Rows 1 and 2 are both taken by all: one tie among seven.
        assert finding.figures["row_popularity"] == pytest.approx(-0.99103, abs=1e-5)
        assert finding.figures["row_first_time"] == 1.0
        assert finding.figures["largest"] == 1.0
        assert finding.verdict == "warning" and "break no ties by row" in finding.fix
        assert "row with first time +1.00" in finding.found

    def test_numbers_in_ids(self):
        taken = worlds.interactions([[1, 2, 3], [1, 2], [1]])
        backwards = Catalog(("003", "02", "1"), ("a", "b", "c"))
        found = checks.item_order(backwards, taken).figures
        assert (found["row_popularity"], found["id_popularity"]) == (-1.0, 1.0)
        assert "row_first_time" not in found

    def test_a_shuffled_catalogue_says_nothing(self):
        split = worlds.random_split(num_users=300, num_items=200, seed=0)
        assert checks.item_order(split.catalog, split.train).verdict == "ok"

    def test_items_that_are_all_alike(self):
        taken = worlds.interactions([[1, 2], [2, 1]])
        assert checks.item_order(worlds.catalog(2), taken).figures["largest"] == 0.0


class TestSkew:
    @pytest.mark.parametrize(
        ("counts", "expected"),
        [([1, 1, 1, 1], 0.0), ([0, 0, 0, 4], 0.75), ([0, 0], 0.0), ([1, 3], 0.25)],
    )
    def test_gini(self, counts: list[int], expected: float):
        assert checks.gini(np.array(counts)) == expected

    def test_one_item_for_all(self):
        taken = worlds.interactions([[1, 1, 1], [1, 1, 2]])
        finding = checks.popularity_skew(taken, num_items=100)
        assert finding.verdict == "warning"
        assert finding.found == "Gini 0.987; 1% of items have 83.3% of interactions, 98 have none"


class TestSplit:
    def split(self):
        """Three users at 0, 100 and 200 seconds; targets at 4, 104 and 204."""
        rows = [[1, 2, 3, 4, 5], [1, 2, 3, 4, 6], [1, 2, 3, 4, 1]]
        histories = [
            [(row, 100 * user + step) for step, row in enumerate(history)]
            for user, history in enumerate(rows)
        ]
        return leave_one_out(worlds.catalog(6), timed(histories))

    def test_training_after_the_targets(self):
        finding = audit_.later_training(self.split())
        assert finding.figures == {
            "share_after_median": pytest.approx(1 / 3),
            "share_after_first": pytest.approx(2 / 3),
            "share_after_mean": pytest.approx(1 / 3),
        }
        assert said(finding) == (
            "warning",
            "33.3% of training interactions happened after the median test target, 66.7% after "
            "the first",
        )
        alone = leave_one_out(worlds.catalog(3), timed([[(1, 0), (2, 1), (3, 2)]]))
        assert audit_.later_training(alone).verdict == "ok"

    def test_without_times_it_cannot_be_told(self):
        split = leave_one_out(worlds.catalog(3), worlds.interactions([[1, 2, 3]]))
        assert said(audit_.later_training(split)) == (
            "ok",
            "not made: the data says in which order, not when; it cannot be told",
        )
        assert audit_.later_training(split).figures == {}
        whole = self.split()
        untold = replace(whole, test=replace(whole.test, times=None))
        assert "the split says of its targets in which" in audit_.later_training(untold).found

    def test_targets_without_training(self):
        finding = audit_.cold_targets(self.split())  # 5 and 6 are targets alone; 1 has three
        assert said(finding) == (
            "warning",
            "2 of 3 test targets (66.7%) have no training interaction, 100% fewer than 5",
        )
        assert finding.figures == {"share_cold": 2 / 3, "share_below_5": 1.0}

    def test_times_of_targets_follow_the_targets(self):
        split = self.split()
        assert split.test.times is not None and split.validation.times is not None
        assert (split.test.times - NOW).tolist() == [4, 104, 204]
        assert (split.validation.times - NOW).tolist() == [3, 103, 203]
        assert split.validation.alone().times is split.validation.times
        untimed = leave_one_out(
            split.catalog,
            worlds.interactions([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6], [1, 2, 3, 4, 1]]),
        )
        assert untimed.checksum == split.checksum


class TestWhole:
    def test_every_check_is_made_once(self):
        split = worlds.block_split()
        files = audit_files(split.catalog, split.train, min_interactions=5, seed=0)
        whole = [finding.check for finding in (*files, *audit_.split_findings(split))]
        assert len(set(whole)) == len(whole) == 14
        assert {f.check for f in audit_split(split)} == set(whole) - {
            "short histories",
            "near-duplicate texts",
        }

    def test_the_summary_for_a_record_is_small_and_says_each_verdict(self):
        findings = audit_split(worlds.block_split())
        made = summary(findings)
        assert sum(made["verdicts"].values()) == len(findings)
        assert list(made["verdicts"]) == ["ok", "warning", "problem"]
        assert made["checks"]["cold targets"] == {"verdict": "ok", "share_cold": 0.0}
        assert made["checks"]["equal times"] == {"verdict": "ok"}  # it could not be made
        assert len(str(made)) < 1000
