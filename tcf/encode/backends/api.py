"""Vectors from an OpenAI-compatible embedding endpoint."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np

from tcf.encode.backends.api_answers import Endpoint, read_answer
from tcf.encode.backends.api_requests import (
    check_at_least,
    check_patience,
    checked_options,
    checked_url,
    open_sender,
)
from tcf.encode.backends.api_schedule import Batch, Clock, Schedule
from tcf.encode.backends.stated import stated_parameters
from tcf.errors import EncoderError

__all__ = ["ApiEncoder"]

_OWN_FIELDS = {"model", "input", "encoding_format", "dimensions"}
_log = logging.getLogger(__name__)


class ApiEncoder:
    """A model behind ``POST {url}/embeddings``, as OpenAI, vLLM, TEI and llama.cpp serve it.

    The key is read from the environment when a request is made; it is in no identity, message, log
    or file. Weights behind an endpoint cannot be hashed, so that the store takes equal url, model
    and settings for equal vectors: where the server's model changes, give another ``revision``.
    Whether a text is cut, and where, is the server's choice; many take it in ``options``.

    Args:
        url: The base, such as ``"https://api.openai.com/v1"``.
        model: The model's name there.
        api_key_env: Name of the environment variable that holds the key. None, or a variable that
            is not set, sends none, as for a server of one's own.
        dims: Width to ask for, from models that can be cut short.
        revision: Any words; part of the identity.
        options: Further fields of each request, part of the identity, such as
            ``{"truncate_prompt_tokens": 30}`` (vLLM). The store's manifest shows them: no secrets.
        parameters: The model's size, where known: ``{"total": ..., "without_embeddings": ...}``. A
            plot over parameters needs it.
        label: Display name; default: the model's.
        batch_size: Texts a request, at most. A batch refused as too large (413) is halved.
        batch_characters: Characters a request, at most; a longer text goes alone.
        encoding: ``"base64"`` is a quarter of the bytes, from servers that know it.
        max_concurrency: Requests in flight at once, at most.
        max_retries: Further attempts for a batch after a lost connection, a timeout, or a status
            of 408, 409, 425, 429 or 5xx, after growing random pauses and those the server asks for.
        timeout_seconds: For one request, from connecting to the last byte.
        clock: How it waits; for tests.

    Raises:
        ValueError: If a setting has no meaning, or the url holds a password, query or fragment.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key_env: str | None = "OPENAI_API_KEY",
        dims: int | None = None,
        revision: str | None = None,
        options: Mapping[str, Any] | None = None,
        parameters: Mapping[str, int] | None = None,
        label: str | None = None,
        batch_size: int = 256,
        batch_characters: int = 100_000,
        encoding: Literal["float", "base64"] = "float",
        max_concurrency: int = 8,
        max_retries: int = 8,
        timeout_seconds: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        check_at_least(1, dims=dims, batch_size=batch_size, batch_characters=batch_characters)
        if encoding not in ("float", "base64"):
            raise ValueError(f"encoding must be 'float' or 'base64'; got {encoding!r}")
        check_patience(
            api_key_env=api_key_env,
            max_concurrency=max_concurrency,
            max_retries=max_retries,
            timeout_seconds=timeout_seconds,
        )
        self._url = checked_url(url, path="/embeddings")
        self._endpoint = Endpoint(f"{self._url}/embeddings", model, api_key_env)
        self._fields = _request_fields(model, dims=dims, encoding=encoding, options=options)
        self._dims, self._revision, self._options = dims, revision, dict(options or {})
        self._parameters = stated_parameters(parameters)
        self._batch_size, self._batch_characters = batch_size, batch_characters
        self._max_concurrency, self._max_retries = max_concurrency, max_retries
        self._timeout_seconds, self._clock = timeout_seconds, clock or Clock()
        self.name = label or model
        self.tokens_used = 0
        """Tokens of all answers so far, as the server counts them; 0 where it does not say."""

    def __repr__(self) -> str:
        return f"ApiEncoder({self._url!r}, {self._endpoint.model!r})"

    def identity(self) -> dict[str, Any]:
        """Where the model is, its name, and what was asked of it; nothing about how it is asked."""
        parts = urlsplit(self._url)
        return {
            "backend": "api",
            "url": parts.netloc.lower() + parts.path,
            "model": self._endpoint.model,
            "revision": self._revision,
            "dims": self._dims,
            "options": self._options,
        }

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ``(positions, vectors)`` of each request as it is answered.

        Args:
            texts: What batches are cut from.
            wanted: ``(n,)`` places in ``texts``; None is all of them.

        Raises:
            EncoderError: If the endpoint refuses, cannot be reached, or answers with anything but
                one vector for each text. Answers that came before have been yielded.
        """
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        batches = self._cut(lengths, np.arange(len(texts)) if wanted is None else wanted)
        widths: set[int] = set()
        before, num_answers, num_texts = self.tokens_used, 0, 0
        try:
            with open_sender(
                self._endpoint,
                lambda positions: {**self._fields, "input": [str(texts[p]) for p in positions]},
                max_concurrency=self._max_concurrency,
                timeout_seconds=self._timeout_seconds,
            ) as send:
                schedule = Schedule(
                    batches,
                    send=send,
                    read=lambda batch, body: self._read(batch, body, widths),
                    halve=lambda batch: _halves(batch, lengths),
                    max_concurrency=self._max_concurrency,
                    max_retries=self._max_retries,
                    endpoint=self._endpoint,
                    clock=self._clock,
                )
                for positions, vectors, tokens in schedule.run():
                    self.tokens_used += tokens
                    num_answers, num_texts = num_answers + 1, num_texts + len(positions)
                    yield positions, vectors
        finally:
            _log.info(
                "%s: %d tokens for %d texts in %d answers",
                self._endpoint,
                self.tokens_used - before,
                num_texts,
                num_answers,
            )

    def parameters(self) -> dict[str, int]:
        """Return the counts that were stated; empty, and not zero, where none were."""
        return self._parameters

    def _cut(self, lengths: np.ndarray, wanted: np.ndarray) -> list[Batch]:
        """Batches of the whole plan of which all is wanted, then what is left of the others."""
        chosen = np.zeros(len(lengths), bool)
        chosen[wanted] = True
        limits = {"num_texts": self._batch_size, "num_characters": self._batch_characters}
        plan = list(_consecutive(np.arange(len(lengths)), lengths, **limits))
        whole = [part for part in plan if chosen[part].all()]
        rest = [part[chosen[part]] for part in plan if not chosen[part].all()]
        if rest:
            whole += _consecutive(np.concatenate(rest), lengths, **limits)
        return [Batch(part, int(lengths[part].sum())) for part in whole]

    def _read(
        self, batch: Batch, body: bytes, widths: set[int]
    ) -> tuple[np.ndarray, np.ndarray, int]:
        vectors, tokens = read_answer(
            body, num_texts=len(batch.positions), dims=self._dims, endpoint=self._endpoint
        )
        widths.add(vectors.shape[1])
        if len(widths) > 1:
            raise EncoderError(
                f"{self._endpoint} must answer with vectors of one width; got widths "
                f"{sorted(widths)} in two answers"
            )
        return batch.positions, vectors, tokens or 0


def _request_fields(
    model: str, *, dims: int | None, encoding: str, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    checked_options(options, own=_OWN_FIELDS)
    asked = {} if dims is None else {"dimensions": dims}
    return {"model": model, "encoding_format": encoding, **asked, **(options or {})}


def _consecutive(
    positions: np.ndarray, lengths: np.ndarray, *, num_texts: int, num_characters: int
) -> Iterator[np.ndarray]:
    """Cut ``positions`` into runs of at most so many texts and characters, at least one text."""
    ends = np.cumsum(lengths[positions])
    start, before = 0, 0
    while start < len(positions):
        stop = int(np.searchsorted(ends, before + num_characters, side="right"))
        stop = min(max(stop, start + 1), start + num_texts)
        yield positions[start:stop]
        start, before = stop, int(ends[stop - 1])


def _halves(batch: Batch, lengths: np.ndarray) -> tuple[Batch, Batch]:
    middle = (len(batch.positions) + 1) // 2
    first, second = batch.positions[:middle], batch.positions[middle:]
    return (
        Batch(first, int(lengths[first].sum())),
        Batch(second, int(lengths[second].sum())),
    )
