"""encode_users(): each user's history as one text, read by the encoder of the items."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tcf._util import hash_json
from tcf.data.split import Split
from tcf.encode.backends.files import locate
from tcf.encode.embeddings import Embeddings
from tcf.encode.encoders import resolve
from tcf.encode.items import encode_items
from tcf.encode.spec import EncoderSpec
from tcf.errors import EncoderError
from tcf.model.user_texts import UserVectors
from tcf.study.arms import Arm

__all__ = ["ItemsAndUsers", "encode_users", "history_text", "states_of"]


@dataclass(frozen=True, eq=False)
class ItemsAndUsers:
    """Item vectors, and those of users' texts, of one encoder.

    Attributes:
        items: As of an arm whose items alone are texts.
        users: For every history that is trained on or ranked.
        key: Hash of all that shapes either.
    """

    items: Embeddings
    users: UserVectors
    key: str

    @property
    def manifest(self) -> dict[str, Any]:
        """How the item vectors were made."""
        return self.items.manifest

    @property
    def width(self) -> int:
        """Floats in a vector."""
        return self.items.width


def encode_users(
    arm: Arm, items: Embeddings, split: Split, *, encoder: Any, cache: Path
) -> ItemsAndUsers:
    """Make or find the vector of each user's text, beside the items'.

    A text holds titles of the history's last items, oldest first. Where there are too many tokens
    for the encoder, the oldest titles go: whole ones, so that what was taken last stays. Tokens are
    counted title by title.

    Args:
        arm: Says how, in ``user_text``.
        items: The item vectors of the arm.
        split: Whose users.
        encoder: As `encode_items` takes it.
        cache: Holds the vectors: a text is encoded once.

    Raises:
        ValueError: If a user has two histories of one length.
        EncoderError: If the encoder has no tokenizer to count with.
    """
    how = arm.user_text
    assert how is not None
    users, lengths, known = states_of(split)
    titles = split.catalog.texts
    tokens, fixed = _num_tokens(titles, arm, encoder)
    texts = [
        history_text(
            [titles[int(row) - 1] for row in last],
            [tokens[row - 1] for row in last],
            separator=how.separator,
            most=how.max_tokens - fixed,
        )
        for last in (rows[-how.max_items :].tolist() for rows in known)
    ]
    settings = {**arm.encoding(), "max_tokens": how.max_tokens}
    vectors = encode_items(texts, encoder=encoder, cache=cache, **settings)
    key = hash_json({"items": items.key, "user_text": how.model_dump(mode="json")})
    return ItemsAndUsers(items, UserVectors(users, lengths, vectors), key)


def states_of(split: Split) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return each history that is asked for: what comes before a user's last training item, say.

    Args:
        split: Its training part asks for the last item of each user with two and more; every
            validation and test task for its target.

    Returns:
        ``(n,)`` users, rising; ``(n,)`` numbers of known items, rising within a user; their rows.

    Raises:
        ValueError: If a user has two histories of one length.
    """
    train = split.train
    trained = np.flatnonzero(train.counts() >= 2)
    asked = [(trained, train.rows, train.offsets[trained], train.offsets[trained + 1] - 1)]
    asked += [
        (part.users, part.rows, part.starts, part.ends)
        for part in (split.validation, split.test)
        if part is not None  # a search sees no test
    ]
    found: dict[tuple[int, int], np.ndarray] = {}
    for users, rows, starts, ends in asked:
        for user, start, end in zip(users.tolist(), starts.tolist(), ends.tolist(), strict=True):
            held = found.setdefault((user, end - start), rows[start:end])
            if end > start and not np.array_equal(held, rows[start:end]):
                raise ValueError(
                    "a user's text is found by the number of items known, so a split must ask for "
                    f"one history of each length; {split.report} asks user {user} for two of "
                    f"{end - start} items"
                )
    keys = sorted(key for key in found if key[1])
    users, lengths = (np.array([key[n] for key in keys], np.int64) for n in (0, 1))
    return users, lengths, [found[key] for key in keys]


def history_text(titles: Sequence[str], tokens: Sequence[int], *, separator: str, most: int) -> str:
    """Join titles, the last ones that together have ``most`` tokens or fewer, at least one.

    Args:
        titles: Oldest first.
        tokens: Of each, its separator counted.
        separator: Between them.
        most: Tokens allowed.
    """
    together = np.cumsum(tokens[::-1])
    kept = max(1, int(np.searchsorted(together, most, side="right")))
    return separator.join(titles[-kept:])


def _num_tokens(texts: Sequence[str], arm: Arm, encoder: Any) -> tuple[list[int], int]:
    """Return the tokens of each title with its separator, and those that every text has."""
    from tcf.encode.backends.loading import load_tokenizer
    from tcf.encode.backends.tokens import Tokens

    how = arm.user_text
    assert how is not None
    if not isinstance(encoder, str | Path | EncoderSpec):
        raise EncoderError(
            f"arm {arm.name!r}: users' texts are read by a language model, named by its folder or "
            f"on the hub; {arm.encoder!r} is a {type(encoder).__name__}"
        )
    spec = resolve(encoder)
    tokenizer = load_tokenizer(locate(spec.name, revision=spec.revision, weights=False))
    special = tokenizer.num_special_tokens_to_add()
    around = arm.prompt.replace("{text}", "")
    fixed = special + len(tokenizer(around, add_special_tokens=False)["input_ids"])
    joined = [f"{how.separator}{text}" for text in texts]  # as most of them stand
    counts = Tokens.of(tokenizer, joined, max_tokens=how.max_tokens).lengths - special
    return counts.tolist(), fixed
