"""A chat endpoint of OpenAI's form as a ranker: asked once a user, kept, read, counted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from tcf._util import hash_json, write_json
from tcf.data.catalog import Catalog
from tcf.encode.backends.api_answers import Endpoint
from tcf.encode.backends.api_requests import (
    check_patience,
    checked_options,
    checked_url,
    open_sender,
)
from tcf.encode.backends.api_schedule import Batch, Clock, Schedule
from tcf.errors import CacheError, EncoderError
from tcf.evaluate.answers import Reading, read_answer
from tcf.evaluate.candidates import Candidates
from tcf.evaluate.ledger import Ledger
from tcf.evaluate.prompts import Prompt, titles_of

__all__ = ["Asked", "ChatModel", "Reply", "ask"]

_SHOWN = 300


@dataclass(frozen=True)
class Reply:
    """One answer and what it cost.

    Attributes:
        text: As the model gave it; empty where it gave none.
        problem: "refused" or "cut short", where the endpoint says so.
        tokens_in, tokens_out: As the server counts them; None where it does not say.
        seconds: From the request that succeeded to its answer.
    """

    text: str
    problem: str
    tokens_in: int | None
    tokens_out: int | None
    seconds: float


class ChatModel:
    """A model behind ``POST {url}/chat/completions``.

    An answer is kept in a file named by what was asked of whom as soon as it comes, so that a kill
    loses those in flight alone. Key, retries, pauses and time-outs are `ApiEncoder`'s.

    Args:
        url: The base, such as ``"https://api.openai.com/v1"``.
        model: The model's name there.
        cache: Folder of the answers.
        api_key_env: Name of the environment variable that holds the key; None sends none.
        revision: Any words; another one asks anew where the model behind the name has changed.
        options: Further fields of each request, such as ``{"temperature": 0, "max_tokens": 60}``.
        max_concurrency, max_retries, timeout_seconds, clock: As in `ApiEncoder`.

    Raises:
        ValueError: If a setting has no meaning, or the url holds a password, query or fragment.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        cache: Path,
        api_key_env: str | None = "OPENAI_API_KEY",
        revision: str | None = None,
        options: Mapping[str, Any] | None = None,
        max_concurrency: int = 8,
        max_retries: int = 8,
        timeout_seconds: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        check_patience(
            api_key_env=api_key_env,
            max_concurrency=max_concurrency,
            max_retries=max_retries,
            timeout_seconds=timeout_seconds,
        )
        path = "/chat/completions"
        base = checked_url(url, path=path)
        self._endpoint = Endpoint(f"{base}{path}", model, api_key_env)
        self._options = checked_options(options, own={"model", "messages", "stream", "n"})
        self._folder, self._clock = Path(cache), clock or Clock()
        self._patience = {"max_concurrency": max_concurrency, "max_retries": max_retries}
        self._timeout_seconds = timeout_seconds
        parts = urlsplit(base)
        self.identity = {
            "url": parts.netloc.lower() + parts.path,
            "model": model,
            "revision": revision,
            "options": self._options,
        }

    def replies(self, prompts: Sequence[str]) -> list[Reply]:
        """Return the reply to each prompt; only what is not kept is asked.

        Raises:
            EncoderError: If the endpoint refuses a request, cannot be reached, or answers with
                anything but a chat completion. What came before is kept.
            CacheError: If a kept answer is damaged.
        """
        paths = [self._path(prompt) for prompt in prompts]
        first = {path: n for n, path in reversed(list(enumerate(paths)))}
        todo = sorted(n for path, n in first.items() if not path.exists())
        self._ask(prompts, paths, todo)
        kept = {path: _read_kept(path) for path in first}
        return [kept[path] for path in paths]

    def _path(self, prompt: str) -> Path:
        key = hash_json({**self.identity, "prompt": prompt})
        return self._folder / key[:2] / f"{key}.json"

    def _ask(self, prompts: Sequence[str], paths: Sequence[Path], todo: Sequence[int]) -> None:
        began: dict[int, float] = {}

        def fields_of(positions: np.ndarray) -> dict[str, Any]:
            began[int(positions[0])] = self._clock.now()
            messages = [{"role": "user", "content": prompts[positions[0]]}]
            return {"model": self._endpoint.model, "messages": messages, **self._options}

        def keep(batch: Batch, body: bytes) -> bool:
            place = int(batch.positions[0])
            seconds = self._clock.now() - began[place]
            told = {"prompt": prompts[place], **_completion(body, self._endpoint)}
            write_json(paths[place], {**told, "seconds": round(seconds, 3)})
            return True

        if not todo:
            return
        batches = [Batch(np.array([n]), len(prompts[n])) for n in todo]
        with open_sender(
            self._endpoint,
            fields_of,
            max_concurrency=self._patience["max_concurrency"],
            timeout_seconds=self._timeout_seconds,
        ) as send:
            schedule = Schedule(
                batches,
                send=send,
                read=keep,
                halve=lambda batch: (batch, batch),  # a request of one prompt is never halved
                endpoint=self._endpoint,
                clock=self._clock,
                **self._patience,
            )
            for _ in schedule.run():
                pass


@dataclass(frozen=True)
class Asked:
    """What a chat model made of every task.

    Attributes:
        ledger: A target that is not named stands last, and so does that of an unreadable answer.
        readings: One a task.
        replies: One a task.
    """

    ledger: Ledger
    readings: tuple[Reading, ...] = field(repr=False)
    replies: tuple[Reply, ...] = field(repr=False)

    @property
    def chosen(self) -> np.ndarray:
        """``(n,)`` int64 place of each task's first choice, -1 where the answer is unreadable."""
        return np.array([r.places[0] if r.places else -1 for r in self.readings], np.int64)

    def problems(self) -> dict[str, Any]:
        """Return how many answers could not be read or are flawed, by why, with an example each."""
        found: dict[str, Any] = {}
        for reading, reply in zip(self.readings, self.replies, strict=True):
            if reading.problem:
                what = found.setdefault(
                    reading.problem, {"count": 0, "unreadable": 0, "example": reply.text[:_SHOWN]}
                )
                what["count"] += 1
                what["unreadable"] += not reading.places
        return found

    def cost(self, *, price_in: float | None = None, price_out: float | None = None) -> dict:
        """Return means per user: tokens in and out, seconds, and the price where both are stated.

        Args:
            price_in, price_out: Of a million tokens, in any currency.
        """
        means: dict[str, float | None] = {}
        for name in ("tokens_in", "tokens_out", "seconds"):
            values = [getattr(reply, name) for reply in self.replies]
            means[name] = None if None in values else float(np.mean(values))
        prices = (price_in, price_out, means["tokens_in"], means["tokens_out"])
        price = None
        if None not in prices:
            at_in, at_out, tokens_in, tokens_out = (float(p) for p in prices if p is not None)
            price = (at_in * tokens_in + at_out * tokens_out) / 1e6
        return {**means, "price": price}


def ask(
    model: ChatModel,
    candidates: Candidates,
    catalog: Catalog,
    *,
    prompt: Prompt,
    num_wanted: int = 1,
    max_history: int = 20,
) -> Asked:
    """Ask a chat model for the best ``num_wanted`` candidates of each task.

    Args:
        model: Any.
        candidates: Shown in their order.
        catalog: Of the titles.
        prompt: For ``"choose"`` (one wanted) or ``"rank"``.
        num_wanted: Candidates asked for.
        max_history: Items of the history shown, the last ones.

    Raises:
        ValueError: If the prompt is for another task.
        EncoderError: As `ChatModel.replies`.
    """
    task = "choose" if num_wanted == 1 else "rank"
    if prompt.task != task:
        raise ValueError(f"{num_wanted} wanted needs a prompt for {task!r}; got {prompt.task!r}")
    if not 1 <= num_wanted <= candidates.num_candidates:
        raise ValueError(
            f"num_wanted must be within 1..{candidates.num_candidates}; got {num_wanted}"
        )
    titles = [titles_of(catalog, rows) for rows in candidates.rows]
    prompts = [
        prompt.fill(
            titles_of(catalog, candidates.history(n, last=max_history)),
            shown,
            num_wanted=num_wanted,
        )
        for n, shown in enumerate(titles)
    ]
    replies = model.replies(prompts)
    readings = [
        _reading(reply, shown, num_wanted) for reply, shown in zip(replies, titles, strict=True)
    ]
    ledger = _ledger(readings, candidates)
    return Asked(ledger, tuple(readings), tuple(replies))


def _reading(reply: Reply, titles: Sequence[str], num_wanted: int) -> Reading:
    reading = read_answer(reply.text, titles, num_wanted=num_wanted)
    return reading if reading.places or not reply.problem else Reading((), reply.problem)


def _ledger(readings: Sequence[Reading], candidates: Candidates) -> Ledger:
    rank = np.full(len(candidates), candidates.num_candidates, np.int32)
    for task, (reading, place) in enumerate(zip(readings, candidates.places, strict=True)):
        if place in reading.places:
            rank[task] = 1 + reading.places.index(place)
    return Ledger(rank, np.zeros(len(rank), np.int32))


def _completion(body: bytes, endpoint: Endpoint) -> dict[str, Any]:
    """Return text, problem and tokens of a chat completion."""
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
        if text is not None and not isinstance(text, str):
            raise TypeError
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        told = " ".join(body.decode("utf-8", "replace").split())[:200]
        raise EncoderError(
            f"{endpoint} must answer with JSON that holds choices: [{{message: {{content}}}}]; "
            f"got {told!r}. Is it a chat endpoint?"
        ) from None
    reason = choice.get("finish_reason")
    refused = bool(refusal) or reason == "content_filter"
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    tokens = {
        name: count if type(count := usage.get(key)) is int else None
        for name, key in (("tokens_in", "prompt_tokens"), ("tokens_out", "completion_tokens"))
    }
    problem = "refused" if refused else "cut short" if reason == "length" else ""
    return {"text": text or refusal or "", "problem": problem, **tokens}


def _read_kept(path: Path) -> Reply:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Reply(**{name: value for name, value in told.items() if name != "prompt"})
    except (ValueError, TypeError, AttributeError) as error:
        raise CacheError(f"{path}: a kept answer must be as written; remove it: {error}") from None
