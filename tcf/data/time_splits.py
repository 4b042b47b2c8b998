"""Splits that see one clock: nothing a model learns from is later than what it is asked for.

Leave-one-out cuts each user's history where it ends, so that models learn from what other users did
after a target was taken. What that does to results: Ji et al., A Critical Study on Data Leakage in
Recommender System Offline Evaluation, TOIS 2023; Hidasi & Czapp, Widespread Flaws in Offline
Evaluation of Recommender Systems, RecSys 2023; Meng et al., Exploring Data Splitting Strategies for
the Evaluation of Recommendation Models, RecSys 2020.
"""

from typing import Any, Literal

import numpy as np

from tcf.data.catalog import Catalog, Interactions
from tcf.data.moments import Moment, moment, times_of
from tcf.data.spans import span_places
from tcf.data.split import Split, SplitReport, Targets, checked

__all__ = ["leave_one_out_before", "split_by_time"]


def leave_one_out_before(
    catalog: Catalog, interactions: Interactions, *, limit: Moment, min_history: int = 1
) -> Split:
    """Leave-one-out, with nothing learned from the time its targets are of.

    - Training: every interaction of every user before ``limit``.
    - Test: each user's last interaction, where it is at ``limit`` or later.
    - Validation: each user's last but one, where it is at ``limit`` or later.
    - Known at either: all that the user took before the target, after the limit too.

    Targets are those of `leave_one_out`; users whose last interaction is before the limit are
    trained on and asked nothing. Interactions that are at the limit or later, and no targets, are
    input only. The validation targets of some users are later than the test targets of others, so
    that the stopping epoch is chosen on the test period, though never on a test target:
    `split_by_time` with ``targets="last"`` keeps the two periods apart.

    Args:
        catalog: Items.
        interactions: With times.
        limit: A `Moment`.
        min_history: Targets with fewer known items are left out and counted; 0 keeps all.

    Raises:
        DataError: If there are no times, or a part is empty.
        ValueError: If ``limit`` is no moment or ``min_history`` is negative.

    Source: targets as Li et al., arXiv 2305.11700; one limit for the training of all users as in
    the global temporal split of Meng et al., RecSys 2020, and Gusak et al., arXiv 2507.16289.
    """
    cut = moment(interactions, limit)
    late = times_of(interactions) >= cut
    ends, late_counts = interactions.offsets[1:], interactions.counts(late)
    parts = {
        name: ends[late_counts >= place] - place for name, place in (("validation", 2), ("test", 1))
    }
    about = SplitReport("leave one out before", {"limit": cut, "min_history": min_history})
    return _split(catalog, interactions, ~late, parts, about, min_history=min_history)


def split_by_time(
    catalog: Catalog,
    interactions: Interactions,
    *,
    validation_from: Moment,
    test_from: Moment,
    targets: Literal["first", "last", "all"] = "first",
    min_history: int = 1,
) -> Split:
    """Train on what was before a time, validate on the period after it, test on the one after that.

    - Training: every interaction before ``validation_from``.
    - Validation: targets in ``[validation_from, test_from)``.
    - Test: targets at ``test_from`` or later.
    - Known: all that the user took before the target, whatever its period.

    A user may have a target in one period, in both or in none. With ``targets="all"`` a user has
    several tasks, each with the ones before it known: good for `rank_targets`, where a mean is then
    over interactions, and the work grows with the known items of all tasks together; a study asks
    each user once.

    Args:
        catalog: Items.
        interactions: With times; `filter_times` cuts an end.
        validation_from: A `Moment`.
        test_from: A later one.
        targets: Of each user and period, the first interaction, the last, or all.
        min_history: Targets with fewer known items are left out and counted; 0 keeps all. Of a
            user without a training interaction, the known items are of the periods themselves.

    Raises:
        DataError: If there are no times, or a part is empty.
        ValueError: If a setting is not as said.

    Source: Meng et al., RecSys 2020 (temporal global); Gusak et al., Time to Split, RecSys 2025,
    arXiv 2507.16289 (first, last and all targets).
    """
    if targets not in ("first", "last", "all"):
        raise ValueError(f"targets must be 'first', 'last' or 'all'; got {targets!r}")
    cuts = [moment(interactions, at) for at in (validation_from, test_from)]
    if cuts[0] >= cuts[1]:
        raise ValueError(
            f"test_from must be later than validation_from; got {test_from!r}, which is "
            f"{cuts[1]:.0f}, and {validation_from!r}, which is {cuts[0]:.0f}"
        )
    times, starts = times_of(interactions), interactions.offsets[:-1]
    first, second = (starts + interactions.counts(times < cut) for cut in cuts)
    parts = {
        name: _chosen(low, high, targets=targets)
        for name, low, high in (
            ("validation", first, second),
            ("test", second, interactions.offsets[1:]),
        )
    }
    settings: dict[str, Any] = {"validation_from": cuts[0], "test_from": cuts[1]}
    about = SplitReport("by time", {**settings, "targets": targets, "min_history": min_history})
    return _split(catalog, interactions, times < cuts[0], parts, about, min_history=min_history)


def _chosen(starts: np.ndarray, ends: np.ndarray, *, targets: str) -> np.ndarray:
    """Return the places of the targets among each user's ``starts[u]:ends[u]``."""
    if targets == "all":
        return span_places(starts, ends)
    some = ends > starts
    return starts[some] if targets == "first" else ends[some] - 1


def _split(
    catalog: Catalog,
    interactions: Interactions,
    trained: np.ndarray,
    parts: dict[str, np.ndarray],
    about: SplitReport,
    *,
    min_history: int,
) -> Split:
    """Return the split that trains where ``trained`` is True and asks for what lies at places."""
    if min_history < 0:
        raise ValueError(f"min_history must not be negative; got {min_history}")
    made: dict[str, Any] = {}
    asked = np.zeros(interactions.num_interactions, bool)
    left_out = {}
    for name, found in parts.items():
        users = np.searchsorted(interactions.offsets, found, side="right") - 1
        starts = interactions.offsets[users]
        enough = found - starts >= min_history
        left_out[f"{name}: under {min_history} known items"] = int((~enough).sum())
        users, starts, found = users[enough], starts[enough], found[enough]
        rows, when = interactions.rows, interactions.times_at(found)
        made[name] = Targets(users, rows[found], rows, starts, found, when)
        asked[found] = True
    left_out["interactions neither trained on nor asked for"] = int((~trained & ~asked).sum())
    report = SplitReport(about.name, about.settings, left_out)
    return checked(Split(catalog, interactions.where(trained), **made, report=report))
