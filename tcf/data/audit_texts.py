"""What item texts show of themselves: blank, repeated, cut and foreign ones."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tcf.data.findings import Finding, percent
from tcf.data.hashing import in_chunks
from tcf.data.minhash import near_duplicates
from tcf.data.scripts import SCRIPTS, UNSPACED, letters_by_script

__all__ = [
    "cut_texts",
    "duplicate_texts",
    "is_readable",
    "language_mix",
    "one_word_texts",
    "readable_texts",
    "similar_texts",
    "text_findings",
]

_RARE = 0.01
_SHOWN = 40  # characters of an example
_PILE = 20  # texts of the greatest length; fewer may be an accident


def text_findings(texts: Sequence[str]) -> list[Finding]:
    """Return every check of texts but that for similar ones, which takes longest."""
    facts = TextFacts.of(texts)
    return [
        readable_texts(texts),
        duplicate_texts(texts),
        one_word_texts(facts),
        cut_texts(facts),
        language_mix(facts),
    ]


@dataclass(frozen=True, eq=False)
class TextFacts:
    """Counts of ``n`` texts.

    Attributes:
        num_characters: ``(n,)`` int.
        num_words: ``(n,)`` int, parts between white space.
        ends_open: ``(n,)`` bool, the text ends in an ellipsis.
        letters: ``(n, scripts)`` int characters of each of `SCRIPTS`.
    """

    num_characters: np.ndarray
    num_words: np.ndarray
    ends_open: np.ndarray
    letters: np.ndarray

    @classmethod
    def of(cls, texts: Iterable[str]) -> "TextFacts":
        """Count."""
        parts = [
            (
                np.array([len(text) for text in chunk], np.int64),
                np.array([len(text.split()) for text in chunk], np.int64),
                np.array([text.rstrip().endswith(("...", "…")) for text in chunk], bool),
                letters_by_script(chunk),
            )
            for chunk in in_chunks(texts)
        ]
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.num_characters)

    @property
    def script(self) -> np.ndarray:
        """``(n,)`` place in `SCRIPTS` of the script of most letters; 0 where there is none."""
        most = self.letters[:, 1:].argmax(axis=1) + 1
        return np.where(self.letters[:, 1:].any(axis=1), most, 0)


def is_readable(text: str) -> bool:
    """Whether a text has something to read and is valid Unicode."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return bool(text.strip())


def readable_texts(texts: Sequence[str]) -> Finding:
    """Blank texts, and texts with half a character, are refused by `encode_items`."""
    bad = [position for position, text in enumerate(texts) if not is_readable(text)]
    figures = {"share_unreadable": len(bad) / max(1, len(texts))}
    if not bad:
        return Finding("readable texts", "ok", f"all of {len(texts)} texts", figures=figures)
    shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
    return Finding(
        "readable texts",
        "problem",
        f"{len(bad)} of {len(texts)} are blank or not valid Unicode, at positions {shown}",
        "drop these items, or give them a title read as UTF-8",
        figures,
    )


def duplicate_texts(texts: Sequence[str]) -> Finding:
    """Items with one text get one vector: no recommender can tell them apart by it."""
    counts = Counter(texts)
    surplus = len(texts) - len(counts)
    figures = {"share_surplus": surplus / max(1, len(texts))}
    if not surplus:
        found = f"none among {len(texts)} texts"
        return Finding("duplicate texts", "ok", found, figures=figures)
    ((most, count),) = counts.most_common(1)
    return Finding.judged(
        "duplicate texts",
        f"{surplus} of {len(texts)} texts ({percent(surplus, len(texts))}) repeat another; "
        f"{count} are {most[:_SHOWN]!r}",
        warn=surplus > _RARE * len(texts),
        fix="they are encoded once, but items with one text share a vector: "
        "add a field to the text",
        figures=figures,
    )


def similar_texts(
    texts: Sequence[str], *, seed: int, advance: Callable[[int], None] | None = None
) -> Finding:
    """Near duplicates have nearly one vector, and may be one item that was entered twice.

    Args:
        texts: Of the items.
        seed: Of the search (`near_duplicates`).
        advance: Hears how many texts were read.
    """
    found = near_duplicates(texts, seed=seed, advance=advance)
    surplus, examples = found.num_surplus, found.links[np.argsort(-found.similarity)[:2]]
    shown = "; ".join(f"{texts[a][:_SHOWN]!r} and {texts[b][:_SHOWN]!r}" for a, b in examples)
    return Finding.judged(
        "near-duplicate texts",
        f"{surplus} of {len(texts)} ({percent(surplus, len(texts))}) share 80% of their character "
        f"triples with an earlier one, in {found.num_groups} groups"
        + (f": {shown}" if shown else ""),
        warn=surplus > _RARE * len(texts),
        fix="variants of one item count as misses for each other, whatever the encoder: merge "
        "them, or add the field that tells them apart",
        figures={
            "share_surplus": surplus / max(1, len(texts)),
            "num_groups": found.num_groups,
        },
    )


def one_word_texts(facts: TextFacts) -> Finding:
    """One word says little of an item; scripts without spaces are left out."""
    unspaced = np.isin(facts.script, [SCRIPTS.index(name) for name in UNSPACED])
    one = int(((facts.num_words == 1) & ~unspaced).sum())
    return Finding.judged(
        "one-word texts",
        f"{one} of {len(facts)} ({percent(one, len(facts))})",
        warn=one > 0.05 * len(facts),
        fix="an encoder has little to read: add fields to the text with a template",
        figures={"share_one_word": one / max(1, len(facts))},
    )


def cut_texts(facts: TextFacts) -> Finding:
    """Texts that were cut before they came here: an ellipsis, or a pile at the greatest length."""
    counts = np.bincount(facts.num_characters, minlength=2)
    longest, pile = len(counts) - 1, int(counts[-1])
    # Lengths thin out towards the greatest one unless something ends them.
    piled = pile >= _PILE and pile > counts[max(0, longest - 10) : longest].mean() / 2
    at_end = (facts.num_characters == longest) & piled
    num_cut, open_ended = int((facts.ends_open | at_end).sum()), int(facts.ends_open.sum())
    return Finding.judged(
        "cut texts",
        f"{open_ended} of {len(facts)} ({percent(open_ended, len(facts))}) end in an ellipsis; "
        f"{pile} have the greatest length, {longest} characters, "
        + ("as if cut there" if piled else "no more than chance makes"),
        warn=num_cut > _RARE * len(facts),
        fix="what was cut off is not in the file: look for one with whole texts",
        figures={
            "share_cut": num_cut / max(1, len(facts)),
            "share_ellipsis": open_ended / max(1, len(facts)),
            "num_longest": pile,
            "longest_characters": longest,
        },
    )


def language_mix(facts: TextFacts) -> Finding:
    """Scripts stand for languages: an encoder reads those it was trained on."""
    whole = max(1, len(facts))
    has = facts.letters[:, 1:] > 0
    foreign = int(has[:, 1:].any(axis=1).sum())  # of Latin, the first that is one
    mixed = int((has.sum(axis=1) > 1).sum())
    counts = np.bincount(facts.script, minlength=len(SCRIPTS))
    names = ["no letters", *SCRIPTS[1:]]
    shares = {names[n]: int(counts[n]) / whole for n in np.argsort(-counts, kind="stable")}
    shown = ", ".join(f"{name} {percent(share, 1)}" for name, share in shares.items() if share)
    return Finding.judged(
        "language mix",
        f"mostly {shown}; {percent(foreign, whole)} hold letters that are not Latin, "
        f"{percent(mixed, whole)} several scripts",
        warn=foreign > 0.05 * whole,
        fix="English encoders read other scripts badly or byte by byte: take a multilingual one, "
        "and see `tcf doctor` for unknown tokens",
        figures={
            "share_not_latin": foreign / whole,
            "share_several_scripts": mixed / whole,
            **{f"share_mostly_{name}": share for name, share in shares.items() if share},
        },
    )
