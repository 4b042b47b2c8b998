"""A simulated world whose right answer is known: titles that carry taste, users who follow it.

An item's taste is a vector, the sum of three independent parts whose shares of the variance are the
arguments ``text_share`` and ``word_order_share``:

* *words*: the adjective, the noun and the place of its title each add a fixed vector;
* *order*: its title names two characters, and the first adds the vector that the second subtracts.
  Who comes first is a fair coin, and the rest of the title has the same law either way, so no
  function of the bag of words, linear or not, tells anything of this part;
* *private*: not in the title at all; only what users do can tell it.

As in language, order also predicts words: what belongs to the first character is named before what
belongs to the second ("Wolf Against Baker Howl over Bread"), so a language model has a reason to
keep track of it. No character stands first in a title and there is no punctuation, so no tokeniser
sees order in the shape of a word.

Users draw items one after the other from a softmax over taste and popularity; the law of the next
item is known, and with it the best ranking that exists (`World.oracle_hr`).
"""

from dataclasses import dataclass, field

import numpy as np

from tcf.data.catalog import Catalog, Interactions

_TOPICS = (  # four adjectives | four nouns | four places
    "Frozen Polar Snowbound Glacial|Blizzard Icicle Sledge Avalanche|Tundra Fjord Icefield Igloo",
    "Sunny Tropical Sandy Coral|Surf Lagoon Coconut Hammock|Beach Island Reef Atoll",
    "Haunted Ghostly Cursed Sinister|Phantom Coffin Seance Nightmare|Crypt Mansion Graveyard Attic",
    "Cosmic Lunar Orbital Stellar|Comet Rocket Nebula Satellite|Mars Saturn Moonbase Galaxy",
    "Royal Noble Gilded Courtly|Crown Throne Banquet Coronation|Palace Castle Ballroom Kingdom",
    "Spicy Savoury Crispy Roasted|Recipe Supper Pepper Feast|Kitchen Bistro Market Vineyard",
    "Digital Binary Wireless Encrypted|Robot Algorithm Circuit Server|Lab Datacentre Network Startup",
    "Romantic Tender Blushing Passionate|Kiss Wedding Valentine Honeymoon|Paris Verona Altar Boudoir",
    "Sporty Athletic Muddy Winning|Trophy Penalty Marathon Relay|Stadium Arena Racetrack Gym",
    "Melodic Acoustic Jazzy Harmonic|Ballad Guitar Encore Chorus|Opera Nashville Nightclub Bandstand",
    "Mossy Leafy Woodland Verdant|Acorn Fern Campfire Mushroom|Forest Grove Glade Treehouse",
    "Dusty Rugged Outlaw Saddled|Lasso Stampede Duel Wagon|Prairie Saloon Canyon Ranch",
    "Criminal Shady Forged Ruthless|Heist Alibi Verdict Ransom|Alley Courtroom Prison Casino",
    "Mythic Ancient Sacred Heroic|Oracle Labyrinth Prophecy Relic|Olympus Troy Temple Pyramid",
    "Stormy Salty Nautical Tidal|Anchor Shipwreck Voyage Compass|Harbour Lighthouse Atlantic Wharf",
    "Golden Autumn Rural Rustic|Harvest Pumpkin Orchard Haystack|Farm Village Meadow Barn",
)
_CHARACTERS = (  # a character and the two things that belong to it
    "Wolf Howl Fang|Baker Bread Oven|Pilot Cockpit Runway|Witch Broom Cauldron|Knight Sword Armour|"
    "Doctor Scalpel Clinic|Tiger Stripe Claw|Painter Brush Canvas|Monk Prayer Abbey|Spy Cipher Gadget|"
    "Sailor Rope Deck|Dragon Flame Scale|Teacher Chalk Lesson|Miner Pickaxe Tunnel|Clown Balloon Wig|"
    "Judge Gavel Robe|Falcon Feather Talon|Tailor Needle Thread|Barber Razor Mirror|Hunter Bow Trail|"
    "Gardener Spade Rose|Dancer Slipper Waltz|Thief Lockpick Loot|Nurse Bandage Syringe|"
    "Fox Burrow Snout|Chef Ladle Apron|Poet Sonnet Quill|Soldier Rifle Trench|Bear Honey Cave|"
    "Wizard Wand Spell|Plumber Wrench Pipe|Magician Rabbit Hat"
)
_LINKS = ("Against", "After", "Without", "Before", "Beside", "Beyond")
_JOINS = ("over", "and", "into", "or")
_PREPOSITIONS = ("in", "near", "from", "across")
_COHERENCE = 0.7  # chance that a theme word is of the title's own topic
_TOPIC_PART = 0.6  # share of a theme word's taste that its topic tells
_CHUNK_USERS = 512


@dataclass(frozen=True)
class World:
    """What was simulated and the truth behind it; row 0 of every item array is padding, all zero.

    Attributes:
        catalog: Items with their titles.
        interactions: Users and what they took, oldest first.
        words_taste: ``(num_items + 1, K)`` float64, the part of taste that the bag of words tells.
        order_taste: ``(num_items + 1, K)`` float64, the part that only word order tells.
        private_taste: ``(num_items + 1, K)`` float64, the part that no title tells.
        user_taste: ``(num_users, K)`` float64, standard normal.
        log_popularity: ``(num_items + 1,)`` float64; row 0 is ``-inf``.
        focus: Spread of the softmax's logits that taste makes.
        drift: Share of a user's interest that is the last item's taste.
        repeats: Whether a user may take an item twice.
    """

    catalog: Catalog
    interactions: Interactions
    words_taste: np.ndarray = field(repr=False)
    order_taste: np.ndarray = field(repr=False)
    private_taste: np.ndarray = field(repr=False)
    user_taste: np.ndarray = field(repr=False)
    log_popularity: np.ndarray = field(repr=False)
    focus: float
    drift: float
    repeats: bool

    @property
    def text_taste(self) -> np.ndarray:
        """``(num_items + 1, K)`` float64, all of taste that a title tells to a reader who minds order."""
        return self.words_taste + self.order_taste

    @property
    def item_taste(self) -> np.ndarray:
        """``(num_items + 1, K)`` float64, mean 0 and mean variance about 1 over items."""
        return self.text_taste + self.private_taste

    def oracle_scores(self) -> np.ndarray:
        """Return the true logits of each user's last interaction, given the ones before it.

        Returns:
            ``(num_users, num_items + 1)`` float64; ``-inf`` for padding and, without ``repeats``,
            for what the user had taken before. No ranking has a higher expected HR@k than this one.
        """
        data, items = self.interactions, self.item_taste
        ends = data.offsets[1:] - 1
        before = np.where(data.counts() > 1, data.rows[ends - 1], 0)
        interest = _interest(self.user_taste, items[before], self.drift)
        interest = np.where(before[:, None] > 0, interest, self.user_taste)
        scores = _logits(interest, items, self.log_popularity, self.focus)
        if not self.repeats:
            known = np.ones(data.num_interactions, bool)
            known[ends] = False
            scores[data.users()[known], data.rows[known]] = -np.inf
        return scores

    def oracle_hr(self, *, k: int) -> float:
        """HR@k of the true logits on each user's last interaction, known items masked.

        Raises:
            ValueError: If ``k`` is not between 1 and ``num_items``.
        """
        if not 1 <= k <= self.catalog.num_items:
            raise ValueError(f"k must be between 1 and {self.catalog.num_items} items; got {k}")
        scores, targets = (
            self.oracle_scores(),
            self.interactions.rows[self.interactions.offsets[1:] - 1],
        )
        own = scores[np.arange(len(targets)), targets][:, None]
        return float(np.mean((scores > own).sum(axis=1) < k))


def simulate(
    *,
    num_users: int,
    num_items: int,
    seed: int,
    text_share: float = 0.7,
    word_order_share: float = 0.5,
    popularity_skew: float = 0.8,
    focus: float = 2.0,
    drift: float = 0.3,
    num_tastes: int = 8,
    min_interactions: int = 5,
    max_interactions: int = 23,
    repeats: bool = False,
) -> tuple[Catalog, Interactions]:
    """Simulate items with titles and users who follow their taste; arguments as in `simulate_world`."""
    world = simulate_world(**locals())
    return world.catalog, world.interactions


def simulate_world(
    *,
    num_users: int,
    num_items: int,
    seed: int,
    text_share: float = 0.7,
    word_order_share: float = 0.5,
    popularity_skew: float = 0.8,
    focus: float = 2.0,
    drift: float = 0.3,
    num_tastes: int = 8,
    min_interactions: int = 5,
    max_interactions: int = 23,
    repeats: bool = False,
) -> World:
    """Simulate a world and keep the truth behind it. One seed, the same bytes on one machine.

    Args:
        num_users: Users.
        num_items: Items, more than ``max_interactions`` unless ``repeats``.
        seed: Root of independent streams for words, titles, tastes, popularity and users.
        text_share: Share of the variance of item taste that the title carries, in [0, 1].
        word_order_share: Share of the title's part that only word order tells, in [0, 1].
        popularity_skew: Zipf exponent of item popularity, which is independent of taste; 0 is level.
        focus: Spread (standard deviation) of the logits that taste makes; 0: users have no taste.
        drift: Share of the variance of a user's interest that is the taste of the last item taken,
            in [0, 1]; the rest is the user's own, for good.
        num_tastes: Dimensions K of taste.
        min_interactions: Fewest interactions of a user.
        max_interactions: Most interactions of a user; the number is uniform between the two.
        repeats: Whether a user may take an item twice.

    Returns:
        The `World`.

    Raises:
        ValueError: If an argument is out of its range.
    """
    for name, share in [
        ("text_share", text_share),
        ("word_order_share", word_order_share),
        ("drift", drift),
    ]:
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be between 0 and 1; got {share}")
    for name, value in [("popularity_skew", popularity_skew), ("focus", focus)]:
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} must be finite and not negative; got {value}")
    if num_users < 1 or num_items < 2 or num_tastes < 1:
        raise ValueError(
            f"a world needs num_users >= 1, num_items >= 2 and num_tastes >= 1; "
            f"got {num_users}, {num_items} and {num_tastes}"
        )
    if not 1 <= min_interactions <= max_interactions:
        raise ValueError(
            f"interactions a user need 1 <= min_interactions <= max_interactions; "
            f"got {min_interactions} and {max_interactions}"
        )
    if max_interactions >= num_items and not repeats:
        raise ValueError(
            f"without repeats max_interactions must be below num_items={num_items}; "
            f"got {max_interactions}"
        )
    words_seed, title_seed, private_seed, popularity_seed, user_seed, length_seed, draw_seed = (
        np.random.SeedSequence(seed).spawn(7)
    )
    texts, theme, order = _titles(
        num_items, num_tastes, np.random.default_rng(words_seed), np.random.default_rng(title_seed)
    )
    private = np.random.default_rng(private_seed).standard_normal((num_items, num_tastes))
    words_taste = _scaled(theme, text_share * (1 - word_order_share))
    order_taste = _scaled(order, text_share * word_order_share)
    private_taste = _scaled(private, 1 - text_share)
    places = np.random.default_rng(popularity_seed).permutation(num_items) + 1
    log_popularity = np.concatenate([[-np.inf], -popularity_skew * np.log(places)])
    user_taste = np.random.default_rng(user_seed).standard_normal((num_users, num_tastes))
    counts = np.random.default_rng(length_seed).integers(
        min_interactions, max_interactions, num_users, endpoint=True
    )
    drawn = _draw(
        np.random.default_rng(draw_seed),
        user_taste,
        words_taste + order_taste + private_taste,
        log_popularity,
        num_steps=max_interactions,
        focus=focus,
        drift=drift,
        repeats=repeats,
    )
    interactions = Interactions(
        tuple(f"user-{u}" for u in range(1, num_users + 1)),
        drawn[np.arange(max_interactions) < counts[:, None]],
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )
    return World(
        Catalog(tuple(f"item-{i}" for i in range(1, num_items + 1)), tuple(texts)),
        interactions,
        words_taste,
        order_taste,
        private_taste,
        user_taste,
        log_popularity,
        float(focus),
        float(drift),
        repeats,
    )


def _titles(
    num_items: int, num_tastes: int, word_rng: np.random.Generator, rng: np.random.Generator
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return titles and the raw ``(num_items, K)`` words and order parts of their taste."""
    theme = np.array(
        [[kind.split() for kind in topic.split("|")] for topic in _TOPICS]
    )  # (Z, 3, W)
    cast = np.array([c.split() for c in _CHARACTERS.split("|")])  # (C, 3)
    num_topics, num_kinds, num_words = theme.shape
    by_topic = word_rng.standard_normal((num_topics, 1, 1, num_tastes))
    by_word = word_rng.standard_normal((*theme.shape, num_tastes))
    theme_taste = np.sqrt(_TOPIC_PART) * by_topic + np.sqrt(1 - _TOPIC_PART) * by_word
    cast_taste = word_rng.standard_normal((len(cast), num_tastes))

    topic = rng.integers(num_topics, size=(num_items, 1))
    stray = rng.random((num_items, num_kinds)) >= _COHERENCE
    topics = np.where(stray, rng.integers(num_topics, size=stray.shape), topic)
    words = rng.integers(num_words, size=stray.shape)
    adjective, noun, place = theme[topics, np.arange(num_kinds), words].T
    first = rng.integers(len(cast), size=num_items)
    second = (first + rng.integers(1, len(cast), size=num_items)) % len(cast)
    thing_of_first, thing_of_second = rng.integers(1, 3, size=(2, num_items))
    link, join, preposition = (
        np.array(table)[rng.integers(len(table), size=num_items)]
        for table in (_LINKS, _JOINS, _PREPOSITIONS)
    )
    place_last = rng.random(num_items) < 0.5

    scene = _join(preposition, place)
    pair = _join(
        *(cast[first, 0], link, cast[second, 0]),
        *(cast[first, thing_of_first], join, cast[second, thing_of_second]),
    )
    head = _join(adjective, noun)
    texts = np.where(place_last, _join(head, pair, scene), _join(head, scene, pair))
    theme_part = theme_taste[topics, np.arange(num_kinds), words].sum(axis=1)
    return texts.tolist(), theme_part, cast_taste[first] - cast_taste[second]


def _join(*words: np.ndarray) -> np.ndarray:
    """Join ``(n,)`` arrays of strings with spaces."""
    joined = words[0]
    for word in words[1:]:
        joined = np.strings.add(np.strings.add(joined, " "), word)
    return joined


def _scaled(part: np.ndarray, share: float) -> np.ndarray:
    """Centre ``(num_items, K)``, scale its mean variance to ``share``, put the padding row before it."""
    part = part - part.mean(axis=0)
    spread = np.sqrt(np.mean(part**2))
    return np.vstack([np.zeros((1, part.shape[1])), part * np.sqrt(share) / spread])


def _interest(user_taste: np.ndarray, last_taste: np.ndarray, drift: float) -> np.ndarray:
    return np.sqrt(1 - drift) * user_taste + np.sqrt(drift) * last_taste


def _logits(
    interest: np.ndarray, items: np.ndarray, log_popularity: np.ndarray, focus: float
) -> np.ndarray:
    """``(n, num_items + 1)`` logits of the next item; taste spreads them by about ``focus``."""
    return (interest * (focus / np.sqrt(items.shape[1]))) @ items.T + log_popularity


def _draw(
    rng: np.random.Generator,
    user_taste: np.ndarray,
    items: np.ndarray,
    log_popularity: np.ndarray,
    *,
    num_steps: int,
    focus: float,
    drift: float,
    repeats: bool,
) -> np.ndarray:
    """Return ``(num_users, num_steps)`` int32 rows, drawn step by step for many users at once.

    The largest of logit + Gumbel noise is a draw from the softmax (Gumbel-max trick), and minus the
    log of an exponential variable is Gumbel noise.
    """
    drawn = np.empty((len(user_taste), num_steps), np.int32)
    for start in range(0, len(user_taste), _CHUNK_USERS):
        taste = user_taste[start : start + _CHUNK_USERS]
        chunk, users = drawn[start : start + _CHUNK_USERS], np.arange(len(taste))
        interest = taste
        for step in range(num_steps):
            keys = _logits(interest, items, log_popularity, focus).astype(np.float32)
            noise = rng.standard_exponential(keys.shape, dtype=np.float32)
            keys -= np.log(np.maximum(noise, np.finfo(np.float32).tiny, out=noise), out=noise)
            if not repeats:
                keys[users[:, None], chunk[:, :step]] = -np.inf
            chunk[:, step] = keys.argmax(axis=1)
            interest = _interest(taste, items[chunk[:, step]], drift)
    return drawn
