"""Length-sorted batches under a token budget, and smaller ones when memory runs out."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np

Out = TypeVar("Out")

__all__ = ["batches", "plan_batches", "run_with_backoff"]

_log = logging.getLogger(__name__)


def batches(lengths: np.ndarray, *, batch_tokens: int) -> Iterator[np.ndarray]:
    """Yield positions in batches of like length, the longest first.

    A batch of ``B`` texts whose longest has ``T`` tokens holds ``B * T <= batch_tokens`` padded
    tokens, or one text. Longest first means that memory runs out at once or never.

    Args:
        lengths: ``(n,)`` int, tokens of each text.
        batch_tokens: Budget of padded tokens a batch.

    Yields:
        ``(B,)`` int64 positions in ``lengths``; together they are a permutation.

    Raises:
        ValueError: If ``batch_tokens`` is below 1.
    """
    if batch_tokens < 1:
        raise ValueError(f"batch_tokens must be at least 1; got {batch_tokens}")
    order = np.argsort(-np.asarray(lengths), kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        end = start + max(1, batch_tokens // longest)
        yield order[start:end]
        start = end


def plan_batches(lengths: np.ndarray, wanted: np.ndarray, *, batch_tokens: int) -> list[np.ndarray]:
    """Return the batches that make the wanted vectors, the longest texts first.

    Batches are cut from all texts, and those that are wanted whole stay as they are: a call that
    goes on where another stopped runs the same batches, and so gets the same bits. What is wanted
    of the other batches is cut anew, so that new texts among old ones do not make half-empty ones.

    Args:
        lengths: ``(n,)`` int, tokens of every text of the call.
        wanted: ``(m,)`` int, places of the texts that need a vector.
        batch_tokens: As in `batches`.

    Returns:
        ``(B,)`` int64 positions in ``lengths`` a batch; together a permutation of ``wanted``.
    """
    missing = np.zeros(len(lengths), bool)
    missing[wanted] = True
    whole, rest = [], []
    for batch in batches(lengths, batch_tokens=batch_tokens):
        here = missing[batch]
        if here.all():
            whole.append(batch)
        elif here.any():
            rest.append(batch[here])
    if rest:
        left = np.concatenate(rest)
        whole += [left[b] for b in batches(lengths[left], batch_tokens=batch_tokens)]
        whole.sort(key=lambda batch: -lengths[batch[0]])  # stable; each batch's longest is first
    return whole


def run_with_backoff(
    positions: Iterable[np.ndarray], run: Callable[[np.ndarray], Out]
) -> Iterator[tuple[np.ndarray, Out]]:
    """Yield ``(positions, run(positions))``, halving the batches from where memory runs out.

    Raises:
        Exception: Whatever ``run`` raises, out-of-memory included where one text does not fit.
    """
    most: int | None = None
    for batch in positions:
        pending = [batch]
        while pending:
            part = pending.pop()
            if most is not None and len(part) > most:
                half = len(part) // 2
                pending += [part[half:], part[:half]]
                continue
            try:
                result = run(part)
            except (MemoryError, RuntimeError) as error:
                if len(part) == 1 or not _out_of_memory(error):
                    raise
                if most is None:
                    _log.warning("memory ran out at %d texts: smaller batches from here", len(part))
                most = len(part) // 2
            else:
                yield part, result
                continue
            _release_memory()  # outside the handler: the traceback holds the failed batch's tensors
            pending.append(part)


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text


def _release_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
