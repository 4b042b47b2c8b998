"""Which request is sent when: bounded concurrency, retries, pauses, smaller batches.

All decisions are taken in the thread that walks through `Schedule.run`; a request in flight is one
attempt and decides nothing, so that no lock is needed and a failure waits for no sleeper.
"""

import heapq
import logging
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Generic, TypeVar

import numpy as np

from tcf.encode.backends.api_answers import Endpoint, Reply, pause_asked, refusal, worth_retrying
from tcf.errors import EncoderError

__all__ = ["Batch", "Clock", "Schedule"]

FIRST_PAUSE_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 600.0
"""A server that asks for more is out of quota, not busy."""
_log = logging.getLogger(__name__)
_jitter = random.SystemRandom()  # touches no global generator; shapes no result

T = TypeVar("T")


class Clock:
    """The passing of time, which tests replace."""

    def now(self) -> float:
        """Return seconds from any fixed moment."""
        return time.monotonic()

    def wait(self, flying: Iterable[Future], seconds: float | None) -> set[Future]:
        """Return those of ``flying`` that are done, as soon as one is or ``seconds`` are over."""
        if flying:
            return wait(flying, timeout=seconds, return_when=FIRST_COMPLETED).done
        time.sleep(seconds or 0.0)
        return set()


@dataclass(frozen=True)
class Batch:
    """Texts of one request: their ``(B,)`` positions, their characters, and failures so far."""

    positions: np.ndarray
    num_characters: int
    num_failures: int = 0


class Schedule(Generic[T]):
    """Sends batches and hands over each answer as it comes.

    Args:
        batches: What to send.
        send: Starts one request for a batch's positions.
        read: Turns a batch and the body of its answer into what `run` yields.
        halve: Returns the two halves of a batch.
        max_concurrency: Requests in flight at once, at most.
        max_retries: Further attempts for one batch.
        endpoint: For messages.
        clock: How it waits.
    """

    def __init__(
        self,
        batches: Iterable[Batch],
        *,
        send: Callable[[np.ndarray], Future[Reply]],
        read: Callable[[Batch, bytes], T],
        halve: Callable[[Batch], tuple[Batch, Batch]],
        max_concurrency: int,
        max_retries: int,
        endpoint: Endpoint,
        clock: Clock,
    ) -> None:
        self._queue = deque(batches)
        self._later: list[tuple[float, int, Batch]] = []  # due, first position, what failed
        self._flying: dict[Future[Reply], Batch] = {}
        self._send, self._read, self._halve = send, read, halve
        self._max_concurrency, self._max_retries = max_concurrency, max_retries
        self._endpoint, self._clock = endpoint, clock
        self._opens_at = clock.now()
        self._too_large: Batch | None = None
        self._failure: EncoderError | None = None
        self._warned = False

    def run(self) -> Iterator[T]:
        """Yield what was read, in the order of arrival.

        After a failure nothing more is sent, but what is in flight is waited for and yielded: it
        has been paid for.

        Raises:
            EncoderError: If a batch is refused, answered with something else than vectors, or
                failed too often.
        """
        try:
            while self._queue or self._later or self._flying:
                self._send_due()
                for future in self._clock.wait(self._flying, self._seconds_to_next()):
                    batch = self._flying.pop(future)
                    try:
                        result = self._settle(batch, future.result())
                    except EncoderError as error:
                        self._fail(error)
                        continue
                    if result is not None:
                        yield result
        finally:
            for future in self._flying:
                future.cancel()
        if self._failure is not None:
            raise self._failure

    def _send_due(self) -> None:
        now = self._clock.now()
        while max(self._opens_at, self._due()) <= now:
            failed = self._later and self._later[0][0] <= now
            batch = heapq.heappop(self._later)[-1] if failed else self._queue.popleft()
            if self._fits(batch):
                self._flying[self._send(batch.positions)] = batch
            else:
                self._queue.extendleft(reversed(self._halve(batch)))

    def _due(self) -> float:
        """When the next batch may go, but for pauses; infinity where only an answer makes room.

        A batch that waits to be tried again keeps its place among the requests in flight, so that
        a server that is down or busy is not asked with all the others meanwhile.
        """
        if self._queue and len(self._flying) + len(self._later) < self._max_concurrency:
            return -math.inf
        return self._later[0][0] if self._later else math.inf

    def _seconds_to_next(self) -> float | None:
        now, due = self._clock.now(), self._due()
        if due == math.inf:
            return None
        if self._opens_at - now > LONGEST_PAUSE_SECONDS:
            self._fail(
                EncoderError(
                    f"{self._endpoint} asks for a pause of {self._opens_at - now:.0f} s, which is "
                    "above a rate limit's; what is done is kept where a cache was given: run it "
                    "again later"
                )
            )
            return None
        return max(0.0, due - now, self._opens_at - now)

    def _settle(self, batch: Batch, reply: Reply) -> T | None:
        now = self._clock.now()
        pause = pause_asked(reply, now=datetime.now(UTC))
        self._opens_at = max(self._opens_at, now + pause)
        if 200 <= reply.status < 300:
            return self._read(batch, reply.body)
        if reply.status == 413 and len(batch.positions) > 1:
            self._shrink(batch)
        elif worth_retrying(reply):
            self._postpone(batch, reply, now)
        else:
            raise refusal(reply, self._endpoint)
        return None

    def _postpone(self, batch: Batch, reply: Reply, now: float) -> None:
        if batch.num_failures >= self._max_retries:
            raise EncoderError(
                f"{self._endpoint} failed {batch.num_failures + 1} times for one batch, at last "
                f"with {reply.what()}; what is done is kept where a cache was given: run it again, "
                "with fewer requests at once (max_concurrency) or more patience (max_retries, "
                "timeout_seconds)"
            )
        if self._failure is not None:
            return
        if not self._warned:
            self._warned = True
            _log.warning("%s: %s; trying again", self._endpoint, reply.what())
        # Full jitter, so that requests that failed together do not come back together: Brooker,
        # "Exponential backoff and jitter", AWS Architecture Blog 2015.
        longest = min(LONGEST_BACKOFF_SECONDS, FIRST_PAUSE_SECONDS * 2.0**batch.num_failures)
        due = now + _jitter.uniform(0.0, longest)
        failed = replace(batch, num_failures=batch.num_failures + 1)
        heapq.heappush(self._later, (due, int(batch.positions[0]), failed))

    def _shrink(self, batch: Batch) -> None:
        if self._failure is not None:
            return
        known = self._too_large
        if known is None:
            _log.warning(
                "%s refuses %d texts of %d characters as too large: smaller requests from here",
                self._endpoint,
                len(batch.positions),
                batch.num_characters,
            )
        if known is None or len(batch.positions) < len(known.positions):
            self._too_large = batch
        self._queue.extendleft(reversed(self._halve(batch)))

    def _fits(self, batch: Batch) -> bool:
        """Whether it is at most half, in texts or in characters, of what was refused."""
        refused = self._too_large
        return (
            refused is None
            or len(batch.positions) == 1
            or 2 * len(batch.positions) <= len(refused.positions) + 1
            or 2 * batch.num_characters <= refused.num_characters
        )

    def _fail(self, error: EncoderError) -> None:
        self._failure = self._failure or error
        self._queue.clear()
        self._later.clear()
