"""What a language model answered, read strictly: labels, numbers or titles, or it is a miss."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tcf.evaluate.prompts import label_of

__all__ = ["Reading", "read_answer"]

_STATED = r"\b(?:answer|choice|option|pick)\b(?:\s+is)?\W*(\w+)\b"


@dataclass(frozen=True)
class Reading:
    """An answer as read.

    Attributes:
        places: 0-based places among the candidates, best first; none where it cannot be read.
        problem: Why it cannot be read, or what is amiss though it can; empty where all is well.
    """

    places: tuple[int, ...]
    problem: str = ""


def read_answer(text: str, titles: Sequence[str], *, num_wanted: int = 1) -> Reading:
    """Read an answer about candidates that were shown with their labels.

    A choice is a label (``B``, ``(b)``, ``2``), a label with its title, a sentence of the form "the
    answer is B", or a text that holds the title of exactly one candidate. A list is JSON, or one
    candidate a line or between commas, numbered or not. Nothing is guessed: a text that names two
    candidates where one was asked for cannot be read.

    Args:
        text: The answer.
        titles: Of the candidates, in the order shown.
        num_wanted: Candidates asked for.
    """
    if not text.strip():
        return Reading((), "empty")
    shown = [_plain(title) for title in titles]
    return _choice(text, shown) if num_wanted == 1 else _list(text, shown, num_wanted)


def _choice(text: str, titles: Sequence[str]) -> Reading:
    entries = _json_entries(text) or [text]
    place = _resolve(entries[0], titles) if len(entries) == 1 else None
    if place is not None:
        return Reading((place,))
    stated = [_label(word, titles) for word in re.findall(_STATED, text, flags=re.IGNORECASE)]
    found = {place for place in stated if place is not None} or _mentioned(text, titles)
    if len(found) == 1:
        return Reading(tuple(found))
    return Reading((), "names several candidates" if found else "names no candidate")


def _list(text: str, titles: Sequence[str], num_wanted: int) -> Reading:
    lines = [line for line in text.splitlines() if line.strip()]
    entries = _json_entries(text) or (lines if len(lines) > 1 else re.split(r"[,;]", text))
    found = [place for entry in entries if (place := _resolve(entry, titles)) is not None]
    if not found and len(lines) > 1:  # prose before a line of labels
        parts = (re.split(r"[,;]", line) for line in lines)
        longest = max(parts, key=len)
        found = [place for entry in longest if (place := _resolve(entry, titles)) is not None]
    if not found:
        return Reading((), "names no candidate")
    distinct = tuple(dict.fromkeys(found))
    problem = "repeats a candidate" if len(distinct) < len(found) else ""
    if len(distinct) < num_wanted:
        problem = "names too few candidates"
    return Reading(distinct[:num_wanted], problem)


def _json_entries(text: str) -> list[str]:
    """Return the entries of the first JSON list or of the one value of a JSON object."""
    for part in (text.strip().removeprefix("```json").strip("`\n "), *re.findall(r"\[.*?\]", text)):
        try:
            value = json.loads(part)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and len(value) == 1:
            (value,) = value.values()
        if isinstance(value, list) and all(type(entry) in (int, str) for entry in value):
            return [str(entry) for entry in value]
        if type(value) in (int, str):
            return [str(value)]
    return []


def _resolve(entry: str, titles: Sequence[str]) -> int | None:
    """Return the candidate that an entry is: a title, a label, or either behind a number."""
    plain = _plain(entry)
    if titles.count(plain) == 1:
        return titles.index(plain)
    numbered = re.fullmatch(r"\W*(\w+)\s*[.):\-]\s*(.+?)\W*", entry.strip(), flags=re.DOTALL)
    if numbered is None:
        return _label(entry.strip(" \t\n()[].*\"'`:"), titles)
    label, rest = _label(numbered[1], titles), _plain(numbered[2])
    if label is not None and titles[label] == rest:
        return label
    if titles.count(rest) == 1:
        return titles.index(rest)
    return _label(rest, titles) if numbered[1].isdecimal() else None


def _label(word: str, titles: Sequence[str]) -> int | None:
    if word.isdecimal() and word.isascii():
        return int(word) - 1 if 1 <= int(word) <= len(titles) else None
    labels = [label_of(place, len(titles)) for place in range(len(titles))]
    return labels.index(word.upper()) if word.upper() in labels else None


def _mentioned(text: str, titles: Sequence[str]) -> set[int]:
    """Return the candidates whose titles the text holds, a title within a longer one left out."""
    left, found = f" {_plain(text)} ", set()
    for place in sorted(range(len(titles)), key=lambda place: -len(titles[place])):
        pattern = rf"(?<!\w){re.escape(titles[place])}(?!\w)"
        if titles[place] and re.search(pattern, left):
            found.add(place)
            if titles.count(titles[place]) == 1:
                left = re.sub(pattern, " ", left)
    return found


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip(" \t\n\"'`*.").casefold()
