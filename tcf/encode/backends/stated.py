"""Parameter counts that only the user can know, for encoders whose weights are out of reach."""

from collections.abc import Mapping

__all__ = ["stated_parameters"]


def stated_parameters(parameters: Mapping[str, int] | None) -> dict[str, int]:
    """Return the stated counts, checked; empty where none were stated.

    Empty is not zero: tables show the arm without a count, and a plot over parameters refuses it.

    Args:
        parameters: ``{"total": ..., "without_embeddings": ...}``, or None.

    Raises:
        ValueError: If a key is missing or unknown, or a count cannot be.
    """
    if parameters is None:
        return {}
    found = dict(parameters)
    total, inner = found.get("total"), found.get("without_embeddings")
    counted = type(total) is int and type(inner) is int and 0 <= inner <= total
    if not counted or len(found) != 2:
        raise ValueError(
            "parameters must be {'total': ..., 'without_embeddings': ...}, two ints of which the "
            f"first is the larger; got {found!r}"
        )
    return found
