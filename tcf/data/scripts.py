"""In which script a text is written, from the blocks of Unicode: enough to tell languages apart."""

import numpy as np

from tcf.data.hashing import code_points

__all__ = ["SCRIPTS", "UNSPACED", "letters_by_script"]

SCRIPTS = (
    "none",
    "Latin",
    "Greek",
    "Cyrillic",
    "Hebrew",
    "Arabic",
    "Indic",
    "Thai",
    "Hangul",
    "Han or kana",
    "other",
)
"""What has no script (digits, signs, emoji) first; Japanese mixes Han and kana, so they are one."""
UNSPACED = ("Thai", "Han or kana")
"""Scripts that put no space between words."""

_NONE, _LATIN, _GREEK, _CYRILLIC, _HEBREW, _ARABIC, _INDIC, _THAI, _HANGUL, _HAN, _OTHER = range(11)
# First code point of each run of blocks, and what its letters are.
_BLOCKS = (
    (0x0000, _NONE),
    (0x0041, _LATIN),
    (0x005B, _NONE),
    (0x0061, _LATIN),
    (0x007B, _NONE),
    (0x00C0, _LATIN),
    (0x00D7, _NONE),
    (0x00D8, _LATIN),
    (0x00F7, _NONE),
    (0x00F8, _LATIN),
    (0x02B0, _NONE),
    (0x0370, _GREEK),
    (0x0400, _CYRILLIC),
    (0x0530, _OTHER),
    (0x0590, _HEBREW),
    (0x0600, _ARABIC),
    (0x0700, _OTHER),
    (0x0750, _ARABIC),
    (0x0780, _OTHER),
    (0x0860, _ARABIC),
    (0x0900, _INDIC),
    (0x0E00, _THAI),
    (0x0E80, _OTHER),
    (0x1100, _HANGUL),
    (0x1200, _OTHER),
    (0x1C80, _CYRILLIC),
    (0x1C90, _OTHER),
    (0x1E00, _LATIN),
    (0x1F00, _GREEK),
    (0x2000, _NONE),
    (0x2C00, _OTHER),
    (0x2C60, _LATIN),
    (0x2C80, _OTHER),
    (0x2DE0, _CYRILLIC),
    (0x2E00, _NONE),
    (0x2E80, _HAN),
    (0x3000, _NONE),
    (0x3005, _HAN),
    (0x3008, _NONE),
    (0x3041, _HAN),
    (0x3130, _HANGUL),
    (0x3190, _NONE),
    (0x31F0, _HAN),
    (0x3200, _NONE),
    (0x3400, _HAN),
    (0x4DC0, _NONE),
    (0x4E00, _HAN),
    (0xA000, _OTHER),
    (0xA640, _CYRILLIC),
    (0xA6A0, _OTHER),
    (0xA720, _LATIN),
    (0xA800, _OTHER),
    (0xA960, _HANGUL),
    (0xA980, _OTHER),
    (0xAC00, _HANGUL),
    (0xD800, _NONE),
    (0xF900, _HAN),
    (0xFB00, _LATIN),
    (0xFB13, _OTHER),
    (0xFB1D, _HEBREW),
    (0xFB50, _ARABIC),
    (0xFE00, _NONE),
    (0xFE70, _ARABIC),
    (0xFEFF, _NONE),
    (0xFF21, _LATIN),
    (0xFF3B, _NONE),
    (0xFF41, _LATIN),
    (0xFF5B, _NONE),
    (0xFF66, _HAN),
    (0xFFA0, _HANGUL),
    (0xFFDD, _NONE),
    (0x10000, _OTHER),
    (0x1D000, _NONE),
    (0x1E000, _OTHER),
    (0x1F000, _NONE),
    (0x20000, _HAN),
    (0x323B0, _NONE),
)
_STARTS = np.array([start for start, _ in _BLOCKS])
_SCRIPT = np.array([script for _, script in _BLOCKS], np.int64)


def letters_by_script(texts: list[str]) -> np.ndarray:
    """Return ``(n, scripts)`` int64 characters of each of `SCRIPTS` in each text."""
    flat, offsets = code_points(texts)
    script = _SCRIPT[np.searchsorted(_STARTS, flat, side="right") - 1]
    text = np.repeat(np.arange(len(texts)), np.diff(offsets))
    cells = len(texts) * len(SCRIPTS)
    counts = np.bincount(text * len(SCRIPTS) + script, minlength=cells)
    return counts.reshape(len(texts), len(SCRIPTS))
