"""Titles that carry taste.

An item's taste is the sum of three independent parts:

* *words*: the adjective, the noun and the place of its title each add a fixed vector;
* *order*: its title names two characters, and the first adds the vector that the second subtracts.
  Who comes first is a fair coin, and the rest of the title has the same law either way, so no
  function of the bag of words, linear or not, tells anything of this part;
* *private*: not in the title at all; only what users do can tell it.

As in language, order also predicts words: what belongs to the first character is named before what
belongs to the second ("Wolf Against Baker Howl over Bread"), so a language model has a reason to
keep track of it. No character stands first in a title and there is no punctuation, so no tokeniser
sees order in the shape of a word.
"""

from dataclasses import dataclass

import numpy as np

from tcf.data.simulate.words import JOINS, LINKS, PREPOSITIONS, vocabulary

_COHERENCE = 0.7  # chance that a theme word is of the title's own topic
_TOPIC_PART = 0.6  # share of a theme word's taste that its topic tells


@dataclass(frozen=True)
class Titles:
    """What the items' titles say, and the two parts of taste behind it, not scaled yet.

    Attributes:
        words: ``(num_items, 10)`` strings, the words of each title in order.
        theme: ``(num_items, K)`` float64, what the bag of words tells of taste.
        order: ``(num_items, K)`` float64, what only word order tells.
        known: ``(V,)`` strings, every word there is.
        topics: ``(num_items,)`` strings, a word for each item's topic.
    """

    words: np.ndarray
    theme: np.ndarray
    order: np.ndarray
    known: np.ndarray
    topics: np.ndarray


def make_titles(
    num_items: int,
    *,
    num_tastes: int,
    num_words: int,
    num_synonyms: int,
    word_rng: np.random.Generator,
    title_rng: np.random.Generator,
    synonym_rng: np.random.Generator,
) -> Titles:
    """Draw the taste of each word and the title of each item.

    Args:
        num_items: Of the catalogue.
        num_tastes: Dimensions K of taste.
        num_words: As of `vocabulary`.
        num_synonyms: As of `vocabulary`; which of them a title uses is chance.
        word_rng: Decides what words mean.
        title_rng: Decides what titles say.
        synonym_rng: Decides which synonyms they use.
    """
    theme, cast = vocabulary(num_words=num_words, num_synonyms=num_synonyms)
    num_topics, num_kinds = theme.shape[:2]
    by_topic = word_rng.standard_normal((num_topics, 1, 1, num_tastes))
    by_word = word_rng.standard_normal((*theme.shape[:3], num_tastes))
    theme_taste = np.sqrt(_TOPIC_PART) * by_topic + np.sqrt(1 - _TOPIC_PART) * by_word
    cast_taste = word_rng.standard_normal((len(cast), num_tastes))

    rng = title_rng
    topic = rng.integers(num_topics, size=(num_items, 1))
    stray = rng.random((num_items, num_kinds)) >= _COHERENCE
    topics = np.where(stray, rng.integers(num_topics, size=stray.shape), topic)
    words = rng.integers(num_words, size=stray.shape)
    first = rng.integers(len(cast), size=num_items)
    second = (first + rng.integers(1, len(cast), size=num_items)) % len(cast)
    thing_of_first, thing_of_second = rng.integers(1, 3, size=(2, num_items))
    link, join, preposition = (
        np.array(table)[rng.integers(len(table), size=num_items)]
        for table in (LINKS, JOINS, PREPOSITIONS)
    )
    place_last = rng.random(num_items) < 0.5

    def say(meanings: np.ndarray) -> np.ndarray:
        """Choose one of the synonyms on the last axis."""
        return np.take_along_axis(
            meanings, synonym_rng.integers(num_synonyms, size=(*meanings.shape[:-1], 1)), axis=-1
        )[..., 0]

    adjective, noun, place = say(theme[topics, np.arange(num_kinds), words]).T
    pair = (
        *(say(cast[first, 0]), link, say(cast[second, 0])),
        *(say(cast[first, thing_of_first]), join, say(cast[second, thing_of_second])),
    )
    last = np.stack((adjective, noun, *pair, preposition, place), axis=1)
    early = np.stack((adjective, noun, preposition, place, *pair), axis=1)
    return Titles(
        np.where(place_last[:, None], last, early),
        theme_taste[topics, np.arange(num_kinds), words].sum(axis=1),
        cast_taste[first] - cast_taste[second],
        np.concatenate([theme.ravel(), cast.ravel(), LINKS, JOINS, PREPOSITIONS]),
        theme[topic[:, 0], 0, 0, 0],
    )


def spoil(
    titles: Titles, *, text_noise: float, swapped_titles: float, rng: np.random.Generator
) -> list[str]:
    """Return the texts: some words replaced by any word there is, some items' titles exchanged.

    Args:
        titles: Of the items.
        text_noise: Share of the words that are replaced, each by any word, all alike.
        swapped_titles: Share of the items that bear the title of another of them.
        rng: Decides which, and by what.
    """
    words, num_items = titles.words, len(titles.words)
    noisy = rng.random(words.shape) < text_noise
    words = np.where(noisy, titles.known[rng.integers(len(titles.known), size=words.shape)], words)
    swapped = rng.permutation(num_items)[: round(swapped_titles * num_items)]
    words[np.roll(swapped, 1)] = words[swapped]
    texts = words[:, 0]
    for word in words.T[1:]:
        texts = np.strings.add(np.strings.add(texts, " "), word)
    return texts.tolist()


def scaled(part: np.ndarray, share: float) -> np.ndarray:
    """Centre ``(num_items, K)``, scale its mean variance to ``share``, add the padding row."""
    part = part - part.mean(axis=0)
    spread = np.sqrt(np.mean(part**2))
    return np.vstack([np.zeros((1, part.shape[1])), part * np.sqrt(share) / spread])
