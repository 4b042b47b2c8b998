"""What a transfer learns from: several data sets as one, and a share of a target's users."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

import numpy as np

from tcf.data.catalog import Catalog, Interactions
from tcf.data.split import Split, SplitReport, checked
from tcf.errors import DataError

__all__ = ["join_datasets", "train_share"]

_FEWEST = 2  # in-batch negatives of a user are the items of another one


def join_datasets(
    parts: Mapping[str, tuple[Catalog, Interactions]], *, prefixed: bool
) -> tuple[Catalog, Interactions]:
    """Return several data sets as one: their items in one catalogue, their users one after another.

    Nobody is taken for one user and nothing for one item: ids that two data sets share are those of
    different things, which ``prefixed`` keeps apart. One data set alone comes back as it is. Times
    stay where every part has them, and so do labels, of which equal ones are the same.

    Args:
        parts: Items and interactions by the data set's name.
        prefixed: Put the name and a slash before every id of items and users. Otherwise ids must
            be distinct as they are.

    Raises:
        ValueError: If there is no part.
        DataError: If an id is in two of the parts and ``prefixed`` is False.
    """
    if not parts:
        raise ValueError("join_datasets needs at least one data set; got none")
    if len(parts) == 1:
        return next(iter(parts.values()))
    ids: dict[str, list[str]] = {"item": [], "user": []}
    for name, (catalog, interactions) in parts.items():
        before = f"{name}/" if prefixed else ""
        ids["item"] += [before + item_id for item_id in catalog.item_ids]
        ids["user"] += [before + user_id for user_id in interactions.user_ids]
    for what, found in ids.items():
        _check_apart(what, found, tuple(parts))
    catalogs, taken = zip(*parts.values(), strict=True)
    firsts = np.cumsum([0, *(catalog.num_items for catalog in catalogs)])
    rows = [part.rows + first for part, first in zip(taken, firsts[:-1], strict=True)]
    counts = np.concatenate([part.counts() for part in taken])
    times = [part.times for part in taken if part.times is not None]
    texts = tuple(text for catalog in catalogs for text in catalog.texts)
    labels = [catalog.labels for catalog in catalogs if catalog.labels is not None]
    joined = tuple(chain.from_iterable(labels)) if len(labels) == len(catalogs) else None
    return Catalog(tuple(ids["item"]), texts, joined), Interactions(
        tuple(ids["user"]),
        np.concatenate(rows).astype(np.int32),
        np.concatenate(([0], np.cumsum(counts))),
        np.concatenate(times) if len(times) == len(taken) else None,
    )


def train_share(split: Split, *, share: float, seed: int) -> Split:
    """Return the split with a share of the users to train and to validate on; the test part stays.

    Users are drawn and not interactions: whole histories are what a sequence model learns from,
    and what a platform that has just begun has of few people. Validation targets are those of the
    same users, since no others would be at hand. A smaller share of one seed is part of a larger
    one.

    Args:
        split: Whose training users are drawn from: those with a training interaction.
        share: Of them, above 0, rounded.
        seed: Draws them.

    Returns:
        The split itself where ``share`` is 1.

    Raises:
        ValueError: If ``share`` is not above 0 and at most 1, or leaves fewer than two users.
        DataError: If none of them has a validation task.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1; got {share}")
    if share == 1:
        return split
    users = np.flatnonzero(split.train.counts())
    num_users = round(share * len(users))
    if num_users < _FEWEST:
        raise ValueError(
            f"a share must leave {_FEWEST} training users or more, since negatives are the items "
            f"of others; share={share:g} of {len(users)} is {num_users}: take a larger share"
        )
    drawn = np.random.default_rng(seed).permutation(users)[:num_users]
    kept = np.zeros(split.num_users, bool)
    kept[drawn] = True
    validation = split.validation.take(kept[split.validation.users])
    about = {**split.report.settings, "share": share, "share_seed": seed}
    train = split.train.where(np.repeat(kept, split.train.counts()))
    report = SplitReport(split.report.name, about, split.report.left_out)
    return checked(replace(split, train=train, validation=validation, report=report))


def _check_apart(what: str, ids: list[str], names: tuple[str, ...]) -> None:
    if len(set(ids)) == len(ids):
        return
    twice = [one for one, count in Counter(ids).items() if count > 1]
    raise DataError(
        f"data sets that are joined need {what} ids that are distinct; {len(twice)} are in more "
        f"than one of {', '.join(names)}, the first: {twice[:3]}: prefixed=True puts the data "
        "set's name before them"
    )
