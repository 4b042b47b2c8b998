"""Small data sets, some with an answer known beforehand."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tcf.data.catalog import Catalog, Interactions
from tcf.data.held_out_splits import split_by_user, split_cold_items
from tcf.data.split import Split, Targets, leave_one_out
from tcf.data.time_splits import leave_one_out_before, split_by_time
from tcf.encode.embeddings import Embeddings


def catalog(num_items: int) -> Catalog:
    """Items ``i1``, ``i2``, ..., each with a text of its own."""
    numbers = range(1, num_items + 1)
    return Catalog(tuple(f"i{n}" for n in numbers), tuple(f"the item {n}" for n in numbers))


def interactions(
    histories: Sequence[Sequence[int]], times: Sequence[Sequence[int]] | None = None
) -> Interactions:
    """Users ``u0``, ``u1``, ... with these rows, oldest first, and when each was taken."""
    return Interactions(
        tuple(f"u{n}" for n in range(len(histories))),
        np.array([row for history in histories for row in history], np.int32),
        np.cumsum([0, *map(len, histories)]),
        None if times is None else np.array([t for part in times for t in part], np.int64),
    )


def history_ids(catalog: Catalog, taken: Interactions) -> dict[str, list[str]]:
    """The item ids that each user took, by user id."""
    ids = np.array(["", *catalog.item_ids], dtype=object)[taken.rows]
    parts = np.split(ids, taken.offsets[1:-1])
    return {user: part.tolist() for user, part in zip(taken.user_ids, parts, strict=True)}


def ranking_tasks(histories: Sequence[Sequence[int]], targets: Sequence[int]) -> Targets:
    """One task a user: these rows are known, this one is to be found."""
    offsets = np.cumsum([0, *map(len, histories)])
    rows = np.array([row for history in histories for row in history], np.int32)
    users = np.arange(len(targets))
    return Targets(users, np.array(targets, np.int32), rows, offsets[:-1], offsets[1:])


def random_split(*, num_users: int, num_items: int, seed: int, longest: int = 12) -> Split:
    """Users of 3 to ``longest`` interactions, items drawn with repetition and skew."""
    rng = np.random.default_rng(seed)
    popularity = rng.permutation(1 / np.arange(1, num_items + 1))
    histories = [
        rng.choice(num_items, rng.integers(3, longest + 1), p=popularity / popularity.sum()) + 1
        for _ in range(num_users)
    ]
    return leave_one_out(catalog(num_items), interactions(histories))


def block_split(
    *, num_blocks: int = 4, block: int = 15, num_users: int = 120, length: int = 9, seed: int = 0
) -> Split:
    """Users stay inside one block of items and take none twice: blocks are all there is to learn.

    A model that knows the blocks finds every target in the top ``block - length + 1``; popularity
    knows nothing.
    """
    rng = np.random.default_rng(seed)
    histories = [
        rng.permutation(block)[:length] + 1 + block * (user % num_blocks)
        for user in range(num_users)
    ]
    return leave_one_out(catalog(num_blocks * block), interactions(histories))


def embeddings(items: Catalog, vectors: np.ndarray) -> Embeddings:
    """Vectors of a catalogue's items, in its order."""
    manifest = {"name": "test", "parameters": {"total": 0, "without_embeddings": 0}}
    return Embeddings(items.item_ids, vectors.astype(np.float32), manifest, "0" * 64)


def user_vectors(split: Split, *, width: int = 6) -> Any:
    """Random vectors of every history that a split asks for."""
    from tcf.model import UserVectors
    from tcf.study.user_texts import states_of

    users, lengths, _ = states_of(split)
    vectors = np.random.default_rng(0).normal(size=(len(users), width))
    return UserVectors(users, lengths, vectors.astype(np.float32))


def timed(*, num_users: int = 120, seed: int = 0) -> tuple[Catalog, Interactions]:
    """Users who stay inside one of four blocks of 15 items, an item a day from a day of their own.

    Days are 0 to 31; some users come when others have left.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 13, num_users)
    histories = [
        (rng.permutation(15)[:length] + 1 + 15 * (user % 4)).tolist()
        for user, length in enumerate(lengths)
    ]
    days = [
        (first + np.arange(length)).tolist()
        for first, length in zip(rng.integers(0, 21, num_users), lengths, strict=True)
    ]
    return catalog(60), interactions(histories, days)


SPLITS: dict[str, Callable[[Catalog, Interactions], Split]] = {
    "leave one out before": partial(leave_one_out_before, limit=14),
    "by time, first": partial(split_by_time, validation_from=12, test_from=17),
    "by time, last": partial(split_by_time, validation_from=12, test_from=17, targets="last"),
    "by user": partial(split_by_user, seed=0, validation=0.2, test=0.2),
    "cold items": partial(split_cold_items, seed=0),
    "newest items": partial(split_cold_items, seed=None, by="newest"),
}
"""Every way of splitting `timed` that asks a user once."""
