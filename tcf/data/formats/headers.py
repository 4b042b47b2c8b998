"""Whether a first line is a header: proved by the ids of the other file, never guessed."""

from collections.abc import Collection, Sequence
from pathlib import Path

from tcf.errors import DataError

_THINGS = ("item", "news", "video", "movie", "article", "product", "user")
_WORDS = {"id", "iid", "nid", "vid", "uid", "asin", "history", "sequence", "time", "timestamp"}
_WORDS |= {"text", "title", "item_ids", "item_seq", "item_sequence"}
_WORDS |= {f"{thing}{ending}" for thing in _THINGS for ending in ("", "s", "_id", "id")}


def names_a_column(cell: str) -> bool:
    """Return whether a cell is a word by which columns are called."""
    return cell.strip().lower() in _WORDS


def is_header(
    ids: Sequence[str], *, known: Collection[str], stated: bool | None, path: Path, argument: str
) -> bool:
    """Return whether the first line of a file names columns.

    It is data where any of its ids occurs in the other file, and a header where they are words such
    as ``item_id`` and do not occur there. What is neither must be stated.

    Args:
        ids: The ids of the first line, if it is data.
        known: All ids of the other file, its own first line left out.
        stated: What the caller says; None leaves it to the proof.
        path: The file, for the message.
        argument: The keyword by which the caller can say it, for the message.

    Raises:
        DataError: If it cannot be told, or what is stated is disproved.
    """
    is_data = any(item_id in known for item_id in ids)
    named = bool(ids) and all(names_a_column(item_id) for item_id in ids)
    shown = ", ".join(ids)[:80]
    if stated and is_data:
        raise DataError(
            f"{path}:1: {argument}=True says the first line is a header; it holds the item "
            f"{shown!r}, which the other file names too: say {argument}=False"
        )
    if stated is not None:
        return stated
    if is_data == named:
        raise DataError(
            f"{path}:1: the first line must be a header or an item of the other file; "
            f"{shown!r} could be {'both' if named else 'either'}: say {argument}=True or False"
        )
    return named
