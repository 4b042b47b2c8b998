"""Length-sorted batches under a token budget, and smaller ones when memory runs out."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

Out = TypeVar("Out")

__all__ = ["batches", "run_with_backoff"]


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


def run_with_backoff(
    positions: Iterator[np.ndarray], run: Callable[[np.ndarray], Out]
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
