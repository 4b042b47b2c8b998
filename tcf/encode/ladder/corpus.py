"""Texts -> tokens, a held-out part, and the one order of batches that every size sees."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from tcf.encode.ladder.recipe import Recipe

__all__ = ["Corpus", "distinct_texts"]

_LEAST = 40


@dataclass(frozen=True)
class Corpus:
    """The texts of a ladder as every size reads them.

    Attributes:
        ids: Token ids of each distinct text, ``<s>`` first, cut at the recipe's ``max_tokens``.
        num_bytes: ``(n,)``, UTF-8 bytes of each text as far as it is read.
        train: Places of the texts trained on.
        held_out: Places of the texts that the validation loss is of.
        order: Seed of the order of the batches.
        tokenizer: What made the ids.
    """

    ids: list[NDArray[np.int64]]
    num_bytes: NDArray[np.int64]
    train: NDArray[np.int64]
    held_out: NDArray[np.int64]
    order: np.random.SeedSequence
    tokenizer: Tokenizer

    @classmethod
    def of(
        cls,
        distinct: Sequence[str],
        recipe: Recipe,
        *,
        held_out: np.random.SeedSequence,
        order: np.random.SeedSequence,
    ) -> "Corpus":
        """Tokenise the texts from `distinct_texts` and hold a part of them out."""
        tokenizer = train_tokenizer(distinct, vocab_size=recipe.vocab_size)
        tokenizer.encode_special_tokens = True  # "<pad>" in a text is five letters
        found = tokenizer.encode_batch(list(distinct))
        ids = [np.array(one.ids[: recipe.max_tokens]) for one in found]
        num_bytes = [
            len(text[: one.offsets[len(kept) - 1][1]].encode())
            if len(kept) < len(one.ids)
            else len(text.encode())
            for text, one, kept in zip(distinct, found, ids, strict=True)
        ]
        train, kept_out = _parted(distinct, rng=np.random.default_rng(held_out))
        return cls(ids, np.array(num_bytes), train, kept_out, order, tokenizer)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens to predict in each text, ``(n,)``: all but ``<s>``."""
        return np.array([len(row) - 1 for row in self.ids])

    def batches(self, recipe: Recipe) -> Iterator[NDArray[np.int64]]:
        """Yield places of the texts of one step after another, pass after pass without an end."""
        rng = np.random.default_rng(self.order)
        while True:
            order = rng.permutation(self.train)
            for start in range(0, len(order), recipe.batch_size):
                yield order[start : start + recipe.batch_size]

    def duration(self, recipe: Recipe) -> tuple[int, int]:
        """Return the steps that a recipe takes, and the tokens predicted in them."""
        a_pass = -(-len(self.train) // recipe.batch_size)
        steps = None if recipe.num_epochs is None else recipe.num_epochs * a_pass
        num_tokens = 0
        for step, rows in enumerate(self.batches(recipe)):
            if step == steps or num_tokens >= (recipe.num_tokens or np.inf):
                return step, num_tokens
            num_tokens += int(self.lengths[rows].sum())
        raise AssertionError  # batches have no end


def distinct_texts(texts: Sequence[str]) -> list[str]:
    """Return the distinct texts in their sorted order.

    Raises:
        ValueError: If fewer than 40 are distinct, or one is blank.
    """
    for place, text in enumerate(texts):
        if not text.strip():
            raise ValueError(
                "every text of a ladder needs a token to predict; the text at place "
                f"{place:,} of {len(texts):,} is blank, {text!r}: leave it out"
            )
    distinct = sorted(set(texts))
    if len(distinct) < _LEAST:
        raise ValueError(
            f"a ladder needs at least {_LEAST} distinct texts, of which one in twenty is held "
            f"out; got {len(distinct)}"
        )
    return distinct


def train_tokenizer(texts: Sequence[str], *, vocab_size: int) -> Tokenizer:
    """Return a byte-level BPE tokenizer of these texts; ``<s>`` stands before each, as in OPT."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<pad>", "<s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def _parted(
    distinct: Sequence[str], *, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return places to train on and to hold out: one in twenty, and what is nearly the same.

    A text that differs from a held-out one in case, spaces, marks or accents alone goes with it.
    """
    held_out, train = np.split(rng.permutation(len(distinct)), [len(distinct) // 20])
    bare = [_bare(text) for text in distinct]
    kept_out = {bare[place] for place in held_out}
    alike = np.array([bare[place] in kept_out for place in train])
    if alike.all():
        raise ValueError(
            f"texts of a ladder must differ in more than case, spaces, marks and accents; all "
            f"{len(distinct)} are like the held-out {distinct[held_out[0]]!r}: give other texts"
        )
    return train[~alike], np.concatenate([held_out, train[alike]])


def _bare(text: str) -> str:
    """Letters and digits alone, lower case, without accents; of a text without any, all of it."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(x for x in letters if x.isalnum()) or text
