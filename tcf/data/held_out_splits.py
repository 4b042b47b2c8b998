"""Splits that hold out whole users, or whole items, and train on nothing of them."""

from typing import Literal

import numpy as np

from tcf.data.catalog import Catalog, Interactions
from tcf.data.moments import times_of
from tcf.data.split import Split, SplitReport, Targets, checked

__all__ = ["split_by_user", "split_cold_items"]


def split_by_user(
    catalog: Catalog,
    interactions: Interactions,
    *,
    seed: int,
    validation: float = 0.1,
    test: float = 0.1,
) -> Split:
    """Hold out some users altogether: a model that has never seen them gets their history.

    All interactions of the other users are trained on. A held-out user's last interaction is the
    target, all before it are known. Strong generalisation: a model must know users by what they
    took, so that DSSM, which knows them by their IDs, is refused. Nothing is said of time: what is
    trained on may be later than a target.

    Args:
        catalog: Items.
        interactions: Users, oldest interaction first.
        seed: Draws who is held out.
        validation: Share of the users, rounded.
        test: Likewise.

    Raises:
        ValueError: If the shares are not above 0 and together below 1.
        DataError: If a part is empty. Held-out users with one interaction are counted and left out.

    Source: Marlin, Collaborative Filtering: A Machine Learning Perspective, 2004 (strong
    generalisation); Liang et al., WWW 2018.
    """
    groups = _drawn(interactions.num_users, seed, validation=validation, test=test)
    counts, left_out, parts = interactions.counts(), {}, {}
    trained = np.ones(interactions.num_users, bool)
    for name, users in groups.items():
        trained[users] = False
        enough = users[counts[users] >= 2]
        left_out[f"{name}: under 1 known items"] = len(users) - len(enough)
        starts, last = interactions.offsets[enough], interactions.offsets[enough + 1] - 1
        rows, when = interactions.rows, interactions.times_at(last)
        parts[name] = Targets(enough, rows[last], rows, starts, last, when)
    settings = {"validation": validation, "test": test, "seed": seed}
    return checked(
        Split(
            catalog,
            interactions.where(np.repeat(trained, counts)),
            **parts,
            report=SplitReport("by user", settings, left_out),
        )
    )


def split_cold_items(
    catalog: Catalog,
    interactions: Interactions,
    *,
    seed: int | None,
    by: Literal["random", "newest"] = "random",
    validation: float = 0.1,
    test: float = 0.1,
) -> Split:
    """Hold out some items altogether: no model has seen an interaction with them.

    Of the items that anybody took, a share is held out for the test and another one for validation;
    all their interactions are removed from training. Each user's last interaction with an item held
    out for the test is the test target, likewise for validation; known is what was taken before it
    of the items not held out, so that no held-out item is input. A user for whom that is nothing is
    left out. All items stay in the catalogue and are ranked; losses that draw negatives from the
    catalogue, or read all of it, push held-out items down, in-batch softmax does not see them.

    Nothing is said of time: a user's training interactions may be later than the target. For items
    that are cold because they are new, take `split_by_time` and the slice of cold targets.

    Args:
        catalog: Items.
        interactions: Users, oldest interaction first; with times for ``by="newest"``.
        seed: Draws the items; None for the newest, where nothing is drawn.
        by: ``"random"``; ``"newest"``: those whose first interaction is the latest, for the test,
            and the ones before them for validation; of the same time, the lower rows.
        validation: Share of the items that anybody took, rounded.
        test: Likewise.

    Raises:
        ValueError: If the shares are not above 0 and together below 1, or ``by`` and ``seed`` do
            not go together.
        DataError: If a part is empty, or ``by="newest"`` finds no times.

    Source: Schein et al., Methods and Metrics for Cold-Start Recommendations, SIGIR 2002; Volkovs
    et al. (DropoutNet), NIPS 2017.
    """
    if by not in ("random", "newest") or (by == "random") != (seed is not None):
        raise ValueError(
            "by must be 'random' with a seed, or 'newest' with seed=None; "
            f"got {by!r} and seed={seed}"
        )
    taken = np.flatnonzero(interactions.item_counts(catalog.num_items))
    if seed is None:
        taken = taken[
            np.argsort(-_first_times(interactions, catalog.num_items)[taken], kind="stable")
        ]
    groups = _drawn(len(taken), seed, validation=validation, test=test)
    held_out = np.zeros(catalog.num_items + 1, np.int8)
    for group, (_, places) in enumerate(groups.items(), 1):
        held_out[taken[places]] = group
    kind = held_out[interactions.rows]
    train = interactions.where(kind == 0)
    warm_before = np.concatenate(([0], np.cumsum(kind == 0)))
    parts, left_out = {}, {}
    for group, name in enumerate(groups, 1):
        found, counts = np.flatnonzero(kind == group), interactions.counts(kind == group)
        users = np.flatnonzero(counts)
        last = found[np.cumsum(counts)[users] - 1]
        starts, ends = train.offsets[users], warm_before[last]
        some = ends > starts
        left_out[f"{name}: under 1 known items"] = int((~some).sum())
        targets, when = interactions.rows[last[some]], interactions.times_at(last[some])
        parts[name] = Targets(users[some], targets, train.rows, starts[some], ends[some], when)
        left_out[f"{name}: earlier interactions with held-out items"] = len(found) - len(users)
    settings = {"by": by, "validation": validation, "test": test, "seed": seed}
    report = SplitReport("cold items", settings, left_out)
    return checked(Split(catalog, train, **parts, report=report))


def _drawn(
    number: int, seed: int | None, *, validation: float, test: float
) -> dict[str, np.ndarray]:
    """Return, rising, which of a number are held out for the test, and which for validation.

    They are drawn; without a seed they are the first of them.
    """
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise ValueError(
            "validation and test must be shares above 0 and together below 1; "
            f"got {validation} and {test}"
        )
    order = np.arange(number) if seed is None else np.random.default_rng(seed).permutation(number)
    first = round(test * number)
    second = first + round(validation * number)
    return {"test": np.sort(order[:first]), "validation": np.sort(order[first:second])}


def _first_times(interactions: Interactions, num_items: int) -> np.ndarray:
    """Return the ``(num_items + 1,)`` time of each row's first interaction; infinite without."""
    first = np.full(num_items + 1, np.inf)
    np.minimum.at(first, interactions.rows, times_of(interactions))
    return first
