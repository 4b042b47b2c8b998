"""What an embedding endpoint answers: vectors, a refusal, or a request to wait."""

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import numpy as np

from tcf.errors import EncoderError

__all__ = ["Endpoint", "Reply", "pause_asked", "read_answer", "refusal", "worth_retrying"]

_PASSING = {408, 409, 425, 429}  # of the 4xx, those that say "later"
_SHORT = 200
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[dhms]))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")


@dataclass(frozen=True)
class Endpoint:
    """Where requests go, for messages: neither holds nor shows the key."""

    url: str
    model: str
    key_variable: str | None

    def __str__(self) -> str:
        return f"{self.url} (model {self.model!r})"


@dataclass(frozen=True)
class Reply:
    """What came back of one request.

    Attributes:
        status: HTTP status; 0 where the connection failed, for which ``problem`` gives the reason.
        headers: By lower-case name.
        body: As sent.
        problem: Why there was no answer.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    problem: str = ""

    def what(self) -> str:
        """Say in one short line what came back."""
        return f"status {self.status}: {_message(self.body)}" if self.status else self.problem


def read_answer(
    body: bytes, *, num_texts: int, dims: int | None, endpoint: Endpoint
) -> tuple[np.ndarray, int | None]:
    """Return the vectors in the order of the request, and the tokens it cost.

    Args:
        body: JSON in the form of OpenAI's embedding endpoint; vectors as numbers or as base64 of
            little-endian float32, in any order.
        num_texts: Texts in the request.
        dims: Width that was asked for, or None.
        endpoint: For messages.

    Returns:
        ``(num_texts, E)`` float32, and the tokens, None where the answer does not say.

    Raises:
        EncoderError: If there is not exactly one finite vector of one width for each text.
    """
    try:
        answer = json.loads(body)
        rows = [(row["index"], row["embedding"]) for row in answer["data"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise EncoderError(
            f"{endpoint} must answer with JSON that holds data: [{{index, embedding}}, ...]; "
            f"got {_shortened(body.decode('utf-8', 'replace'))!r}. Is it an embedding endpoint?"
        ) from None
    places = [place for place, _ in rows]
    if any(type(p) is not int for p in places) or sorted(places) != list(range(num_texts)):
        raise EncoderError(
            f"{endpoint} must answer with the indices 0 to {num_texts - 1}, each once; got "
            f"{len(places)}: {_shortened(', '.join(map(repr, places)))}"
        )
    vectors = [_vector(row, endpoint) for _, row in sorted(rows, key=lambda row: row[0])]
    widths = sorted({len(vector) for vector in vectors})
    if len(widths) > 1 or widths[0] == 0 or (dims is not None and widths[0] != dims):
        asked = "of one width" if dims is None else f"of the {dims} dimensions asked for"
        raise EncoderError(f"{endpoint} must answer with vectors {asked}; got widths {widths}")
    matrix = np.stack(vectors)
    if not np.isfinite(matrix).all():
        raise EncoderError(f"{endpoint} answers with a vector that is not finite in float32")
    return matrix, _tokens(answer)


def worth_retrying(reply: Reply) -> bool:
    """Whether the same request may succeed later."""
    if reply.status == 429 and b"insufficient_quota" in reply.body:
        return False  # OpenAI's word for an account that must be paid up first
    return reply.status == 0 or reply.status in _PASSING or reply.status >= 500


def refusal(reply: Reply, endpoint: Endpoint) -> EncoderError:
    """Return the error that says what the server refused, and what to do about it."""
    variable = endpoint.key_variable
    hint = ""
    if reply.status in (401, 403):
        hint = "; it wants a key: name its environment variable in api_key_env"
        if variable is not None and os.environ.get(variable):
            hint = f"; the key in the environment variable {variable} is not accepted"
        elif variable is not None:
            hint = f"; put your key into the environment variable {variable}, which is not set"
    elif reply.status == 404:
        hint = "; check the model's name and the url, which often ends in /v1"
    elif 300 <= reply.status < 400:
        hint = f"; give the url it moved to ({_shortened(reply.headers.get('location', '?'))})"
    return EncoderError(f"{endpoint} refuses the request with {reply.what()}{hint}")


def pause_asked(reply: Reply, *, now: datetime) -> float:
    """Return the seconds for which the server wants no further request; 0 where it says nothing.

    ``Retry-After`` (seconds or a date) counts where the request failed, and OpenAI's
    ``x-ratelimit-reset-*`` where nothing remains. A date is read against the server's own clock.

    Source: RFC 9110, section 10.2.3; OpenAI, "Rate limits in headers".
    """
    headers = reply.headers
    pauses = [0.0]
    if reply.status >= 400:
        pauses.append(_until(headers.get("retry-after", ""), _date(headers.get("date")) or now))
    for kind in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{kind}", "").strip() == "0":
            pauses.append(_span(headers.get(f"x-ratelimit-reset-{kind}", "")))
    return max(pauses)


def _vector(row: Any, endpoint: Endpoint) -> np.ndarray:
    try:
        if isinstance(row, str):
            return np.frombuffer(base64.b64decode(row, validate=True), "<f4").astype(np.float32)
        if not all(type(value) in (float, int) for value in row):
            raise TypeError
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused as such
            return np.array(row, np.float64).astype(np.float32)
    except (TypeError, ValueError, OverflowError, binascii.Error):
        raise EncoderError(
            f"{endpoint} must answer with embeddings of numbers, or of base64 of float32; "
            f"got {_shortened(repr(row))}"
        ) from None


def _tokens(answer: dict[str, Any]) -> int | None:
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    counts = (usage.get("total_tokens"), usage.get("prompt_tokens"))
    return next((count for count in counts if type(count) is int), None)


def _message(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _shortened(text)
    for key in ("error", "message", "detail"):  # OpenAI nests the message, others do not
        value = value.get(key, value) if isinstance(value, dict) else value
    return _shortened(value if isinstance(value, str) else text)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHORT else line[:_SHORT] + "..."


def _until(value: str, now: datetime) -> float:
    date = _date(value)
    return _span(value) if date is None else max(0.0, (date - now).total_seconds())


def _date(value: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(value or "")
    except (ValueError, TypeError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _span(value: str) -> float:
    """Seconds of ``"20"``, ``"0.5"``, ``"20ms"`` or ``"1h6m0s"``; 0 where it is none of them."""
    value = value.strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", value):
        return float(value)
    if not _SPAN.fullmatch(value):
        return 0.0
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
