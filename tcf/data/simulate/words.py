"""The words of titles: those that are listed, and invented ones where more are asked for."""

import numpy as np

_TOPICS = (  # four adjectives | four nouns | four places
    "Frozen Polar Snowbound Glacial|Blizzard Icicle Sledge Avalanche|Tundra Fjord Icefield Igloo",
    "Sunny Tropical Sandy Coral|Surf Lagoon Coconut Hammock|Beach Island Reef Atoll",
    "Haunted Ghostly Cursed Sinister|Phantom Coffin Seance Nightmare|Crypt Mansion Graveyard Attic",
    "Cosmic Lunar Orbital Stellar|Comet Rocket Nebula Satellite|Mars Saturn Moonbase Galaxy",
    "Royal Noble Gilded Courtly|Crown Throne Banquet Coronation|Palace Castle Ballroom Kingdom",
    "Spicy Savoury Crispy Roasted|Recipe Supper Pepper Feast|Kitchen Bistro Market Vineyard",
    "Digital Binary Wireless Encrypted|Robot Algorithm Circuit Server|"
    "Lab Datacentre Network Startup",
    "Romantic Tender Blushing Passionate|Kiss Wedding Valentine Honeymoon|"
    "Paris Verona Altar Boudoir",
    "Sporty Athletic Muddy Winning|Trophy Penalty Marathon Relay|Stadium Arena Racetrack Gym",
    "Melodic Acoustic Jazzy Harmonic|Ballad Guitar Encore Chorus|"
    "Opera Nashville Nightclub Bandstand",
    "Mossy Leafy Woodland Verdant|Acorn Fern Campfire Mushroom|Forest Grove Glade Treehouse",
    "Dusty Rugged Outlaw Saddled|Lasso Stampede Duel Wagon|Prairie Saloon Canyon Ranch",
    "Criminal Shady Forged Ruthless|Heist Alibi Verdict Ransom|Alley Courtroom Prison Casino",
    "Mythic Ancient Sacred Heroic|Oracle Labyrinth Prophecy Relic|Olympus Troy Temple Pyramid",
    "Stormy Salty Nautical Tidal|Anchor Shipwreck Voyage Compass|Harbour Lighthouse Atlantic Wharf",
    "Golden Autumn Rural Rustic|Harvest Pumpkin Orchard Haystack|Farm Village Meadow Barn",
)
_CHARACTERS = (  # a character and the two things that belong to it
    "Wolf Howl Fang|Baker Bread Oven|Pilot Cockpit Runway|Witch Broom Cauldron|"
    "Knight Sword Armour|Doctor Scalpel Clinic|Tiger Stripe Claw|Painter Brush Canvas|"
    "Monk Prayer Abbey|Spy Cipher Gadget|Sailor Rope Deck|Dragon Flame Scale|"
    "Teacher Chalk Lesson|Miner Pickaxe Tunnel|Clown Balloon Wig|Judge Gavel Robe|"
    "Falcon Feather Talon|Tailor Needle Thread|Barber Razor Mirror|Hunter Bow Trail|"
    "Gardener Spade Rose|Dancer Slipper Waltz|Thief Lockpick Loot|Nurse Bandage Syringe|"
    "Fox Burrow Snout|Chef Ladle Apron|Poet Sonnet Quill|Soldier Rifle Trench|Bear Honey Cave|"
    "Wizard Wand Spell|Plumber Wrench Pipe|Magician Rabbit Hat"
)
LINKS = ("Against", "After", "Without", "Before", "Beside", "Beyond")
JOINS = ("over", "and", "into", "or")
PREPOSITIONS = ("in", "near", "from", "across")
_SYLLABLES = [a + b for a in "bdfghjklmnprstvz" for b in "aeiou"]
_STRIDE = 196_613  # a prime: neighbours in the list have nothing in common


def vocabulary(*, num_words: int, num_synonyms: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the words of themes and of casts; what stands on the last axis means the same.

    Args:
        num_words: Adjectives, nouns and places of each topic; beyond the four listed, invented.
        num_synonyms: Words of one meaning; all but the first are invented.

    Returns:
        ``(num_topics, 3, num_words, num_synonyms)`` adjectives, nouns and places, and
        ``(num_characters, 3, num_synonyms)`` characters and the two things that belong to each.

    Raises:
        ValueError: If there are not enough words of three syllables.
    """
    theme = np.array([[kind.split() for kind in topic.split("|")] for topic in _TOPICS])
    cast = np.array([words.split() for words in _CHARACTERS.split("|")])
    listed = np.concatenate([theme.ravel(), cast.ravel()])
    num_topics, num_kinds, num_listed = theme.shape
    more = (num_topics, num_kinds, max(num_words - num_listed, 0))
    num_meanings = num_topics * num_kinds * num_words + cast.size
    needed = int(np.prod(more)) + num_meanings * (num_synonyms - 1)
    words = _invented(needed, listed)
    extra, synonyms = np.split(words, [int(np.prod(more))])
    theme = np.concatenate([theme[:, :, :num_words], extra.reshape(more)], axis=2)
    of_theme, of_cast = np.split(synonyms, [theme.size * (num_synonyms - 1)])
    return _with(theme, of_theme), _with(cast, of_cast)


def _with(words: np.ndarray, synonyms: np.ndarray) -> np.ndarray:
    """Add ``(words.size * n,)`` synonyms on a last axis."""
    others = synonyms.reshape(*words.shape, synonyms.size // words.size)
    return np.concatenate([words[..., None], others], axis=-1)


def _invented(number: int, listed: np.ndarray) -> np.ndarray:
    """Return distinct words of three syllables, none of them listed."""
    base = len(_SYLLABLES)
    spare = len(listed)
    if number + spare > base**3:
        raise ValueError(
            f"{base**3} words can be invented; num_words and num_synonyms ask for {number}: "
            "lower one of them"
        )
    places = np.arange(number + spare) * _STRIDE % base**3
    syllables = np.array(_SYLLABLES)
    parts = [syllables[places // base**power % base] for power in (2, 1, 0)]
    words = np.strings.capitalize(np.strings.add(np.strings.add(parts[0], parts[1]), parts[2]))
    return words[~np.isin(words, listed)][:number]
