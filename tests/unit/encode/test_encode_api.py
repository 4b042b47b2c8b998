"""An embedding endpoint against a real server that drops, delays, limits and garbles."""

import asyncio
import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tcf
from tcf.encode import ApiEncoder, Backend
from tcf.encode.backends.api_answers import Reply, pause_asked
from tcf.encode.backends.api_schedule import Clock
from tcf.errors import EncoderError
from tests.embedding_server import Act, EmbeddingServer, vector_of

KEY = "sk-do-not-tell-0123456789"
TEXTS = [f"item number {n}" for n in range(20)]
EXPECTED = np.stack([vector_of(text) for text in TEXTS])


class ManualClock(Clock):
    """Passes in no time, and only while no request is in flight."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.seconds

    def wait(self, flying: Iterable[Future], seconds: float | None) -> set[Future]:
        if flying:
            return super().wait(flying, None)
        self.waits.append(seconds or 0.0)
        self.seconds += seconds or 0.0
        return set()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def encoder(server: EmbeddingServer, **settings: Any) -> ApiEncoder:
    return ApiEncoder(server.url, "m", **{"clock": ManualClock(), "batch_size": 5, **settings})


def vectors(backend: ApiEncoder, texts: list[str] = TEXTS) -> np.ndarray:
    parts = list(backend.encode(texts))
    result = np.full((len(texts), parts[0][1].shape[1]), np.nan, np.float32)
    for positions, found in parts:
        assert found.dtype == np.float32
        result[positions] = found
    return result


# What is sent, and what comes back


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_each_text_gets_its_vector(encoding: Any) -> None:
    with EmbeddingServer() as server:
        np.testing.assert_array_equal(vectors(encoder(server, encoding=encoding)), EXPECTED)
    assert sorted(server.texts) == sorted(TEXTS)


def test_a_request_says_model_format_width_and_options() -> None:
    with EmbeddingServer() as server:
        backend = encoder(server, dims=2, options={"truncate_prompt_tokens": 30})
        assert vectors(backend, ["a"]).tolist() == [vector_of("a", 2).tolist()]
    assert server.requests == [
        {
            "model": "m",
            "input": ["a"],
            "encoding_format": "float",
            "dimensions": 2,
            "truncate_prompt_tokens": 30,
        }
    ]
    assert server.authorizations == [None]


def test_answers_may_come_in_any_order() -> None:
    turned = Act(change=lambda answer: {**answer, "data": answer["data"][::-1]})
    with EmbeddingServer(turned, turned) as server:
        np.testing.assert_array_equal(vectors(encoder(server)), EXPECTED)


def test_it_is_a_backend_for_encode_items() -> None:
    with EmbeddingServer() as server:
        backend = encoder(server)
        assert isinstance(backend, Backend)
        found = tcf.encode_items([*TEXTS, TEXTS[0]], encoder=backend, progress=False)
    np.testing.assert_array_equal(found, np.concatenate([EXPECTED, EXPECTED[:1]]))
    assert len(server.texts) == len(TEXTS)


def test_it_runs_inside_an_event_loop() -> None:
    async def main(backend: ApiEncoder) -> np.ndarray:
        return vectors(backend)

    with EmbeddingServer() as server:
        np.testing.assert_array_equal(asyncio.run(main(encoder(server))), EXPECTED)


# Batches


def sizes(server: EmbeddingServer) -> list[int]:
    return sorted(len(request["input"]) for request in server.requests)


def test_batches_are_bounded_in_texts_and_in_characters() -> None:
    texts = ["aa", "b" * 9, "ccc", "dd", "e", "f"]
    with EmbeddingServer() as server:
        vectors(encoder(server, batch_size=3, batch_characters=5, max_concurrency=1), texts)
    assert [request["input"] for request in server.requests] == [
        ["aa"],
        ["b" * 9],
        ["ccc", "dd"],
        ["e", "f"],
    ]


def test_only_what_is_wanted_is_sent_in_batches_of_the_whole_plan() -> None:
    with EmbeddingServer() as server:
        backend = encoder(server, max_concurrency=1)
        wanted = np.array([5, 6, 7, 8, 9, 1, 12, 13, 19])
        found = dict.fromkeys(wanted.tolist())
        for positions, part in backend.encode(TEXTS, wanted):
            found.update(zip(positions.tolist(), part, strict=True))
    inputs = [request["input"] for request in server.requests]
    assert inputs == [TEXTS[5:10], [TEXTS[p] for p in (1, 12, 13, 19)]]
    np.testing.assert_array_equal(np.stack([found[p] for p in wanted.tolist()]), EXPECTED[wanted])


def test_a_batch_that_is_too_large_is_halved(caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddingServer(most_texts=3) as server:
        backend = encoder(server, batch_size=10, max_concurrency=1)
        np.testing.assert_array_equal(vectors(backend), EXPECTED)
    refused = [size for size in sizes(server) if size > 3]
    assert refused == [5, 10]  # learnt from the first batch, not tried again with the second
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "refuses 10 texts of 130 characters as too large" in warnings[0]


def test_one_text_that_is_too_large_is_an_error() -> None:
    acts = [Act(413, body=b'{"error": "too many tokens"}')] * 3
    with (
        EmbeddingServer(*acts) as server,
        pytest.raises(EncoderError, match=r"refuses the request with status 413: too many tokens"),
    ):
        vectors(encoder(server, max_concurrency=1), TEXTS[:4])
    assert sizes(server) == [1, 2, 4]


# Failures that pass


@pytest.mark.parametrize(
    "act",
    [
        Act(drop=True),
        Act(cut=True),
        *(Act(status, body=b"later") for status in (408, 409, 425, 429, 500, 502, 503)),
    ],
    ids=lambda act: "drop" if act.drop else "cut" if act.cut else str(act.status),
)
def test_it_tries_again(act: Act, caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddingServer(act, act, Act(), act) as server:
        backend = encoder(server)
        np.testing.assert_array_equal(vectors(backend), EXPECTED)
    assert len(server.requests) == 4 + 3
    assert [r.getMessage()[-12:] for r in caplog.records if r.levelno == logging.WARNING] == [
        "trying again"
    ]


def test_it_tries_again_after_a_timeout() -> None:
    never = threading.Event()
    with EmbeddingServer(Act(hold=never), Act(hold=never)) as server:
        backend = encoder(server, timeout_seconds=0.3)
        np.testing.assert_array_equal(vectors(backend), EXPECTED)
    assert len(server.requests) == 4 + 2


def test_pauses_grow_and_are_random() -> None:
    clock = ManualClock()
    with (
        EmbeddingServer(*[Act(500)] * 11) as server,
        pytest.raises(
            EncoderError, match=r"failed 11 times for one batch, at last with status 500"
        ),
    ):
        vectors(encoder(server, clock=clock, max_retries=10), ["a"])
    assert len(server.requests) == len(clock.waits) + 1 == 11
    assert all(wait <= min(60, 0.5 * 2**n) for n, wait in enumerate(clock.waits))
    assert len(set(clock.waits)) == 10
    assert sum(clock.waits) > 2  # of 211 at most; below 2 once in 10^9 runs


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (Act(drop=True), "RemoteProtocolError"),
        (Act(503, body=b'{"message": "overloaded"}'), "status 503: overloaded"),
    ],
)
def test_it_gives_up_in_the_end(act: Act, reason: str) -> None:
    with EmbeddingServer(*[act] * 3) as server:
        backend = encoder(server, max_retries=2, max_concurrency=1)
        with pytest.raises(EncoderError, match=rf"127.0.0.1.*'m'.*failed 3 times .*{reason}"):
            vectors(backend)
    assert len(server.requests) == 3


def test_a_server_that_is_down_is_asked_with_few_batches_only() -> None:
    with EmbeddingServer(*[Act(500)] * 99) as server:
        backend = encoder(server, batch_size=1, max_concurrency=3, max_retries=2)
        with pytest.raises(EncoderError, match="failed 3 times for one batch"):
            vectors(backend)
    assert set(server.texts) == set(TEXTS[:3])


def test_a_server_that_is_not_there_is_an_error() -> None:
    with EmbeddingServer() as server:
        url = server.url
    backend = ApiEncoder(url, "m", clock=ManualClock(), max_retries=1)
    with pytest.raises(
        EncoderError, match=r"failed 2 times for one batch, at last with ConnectError"
    ):
        vectors(backend)


def test_a_server_that_never_answers_is_an_error() -> None:
    with EmbeddingServer(Act(hold=threading.Event())) as server:
        backend = encoder(server, max_retries=0, timeout_seconds=0.2, max_concurrency=1)
        with pytest.raises(EncoderError, match=r"at last with no answer within 0\.2 s"):
            vectors(backend)


def test_the_real_clock_waits_too() -> None:
    acts = [Act(500), Act(), Act(429, {"Retry-After": "0.05"})]
    with EmbeddingServer(*acts) as server:
        backend = ApiEncoder(server.url, "m", batch_size=5, max_concurrency=2)
        np.testing.assert_array_equal(vectors(backend), EXPECTED)
    assert len(server.requests) == 4 + 2


# Rate limits


def test_retry_after_is_waited_for() -> None:
    clock = ManualClock()
    with EmbeddingServer(Act(429, {"Retry-After": "20"}), Act(503, {"Retry-After": "7"})) as server:
        backend = encoder(server, clock=clock, max_concurrency=1)
        np.testing.assert_array_equal(vectors(backend), EXPECTED)
    assert clock.waits[:2] == [20, 7]  # longer than any back-off so early


def test_an_exhausted_limit_is_waited_for_before_the_next_request() -> None:
    clock = ManualClock()
    limited = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m1.5s"}
    with EmbeddingServer(Act(headers=limited)) as server:
        backend = encoder(server, clock=clock, max_concurrency=1)
        np.testing.assert_array_equal(vectors(backend), EXPECTED)
    assert clock.waits == [61.5]


def test_an_exhausted_limit_after_the_last_request_is_nobodys_concern() -> None:
    clock = ManualClock()
    limited = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "24h"}
    with EmbeddingServer(Act(headers=limited)) as server:
        vectors(encoder(server, clock=clock), TEXTS[:5])
    assert clock.waits == []


def test_a_pause_of_hours_is_an_error_after_what_came() -> None:
    limited = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "24h"}
    with EmbeddingServer(Act(headers=limited)) as server:
        stream = encoder(server, max_concurrency=1).encode(TEXTS)
        np.testing.assert_array_equal(next(stream)[1], EXPECTED[:5])
        with pytest.raises(EncoderError, match=r"asks for a pause of 86400 s.*run it again later"):
            next(stream)
    assert len(server.requests) == 1


NOW = datetime(2025, 3, 1, 12, 0, 0, tzinfo=UTC)
NEXT = format_datetime(NOW + timedelta(seconds=90), usegmt=True)


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"retry-after": "3"}, 3),
        (429, {"retry-after": "0.25"}, 0.25),
        (503, {"retry-after": NEXT}, 90),
        (503, {"retry-after": NEXT, "date": format_datetime(NOW + timedelta(seconds=60))}, 30),
        (503, {"retry-after": format_datetime(NOW - timedelta(hours=1))}, 0),
        (429, {"retry-after": "soon"}, 0),
        (429, {"retry-after": "-4"}, 0),
        (429, {}, 0),
        (200, {"retry-after": "3"}, 0),
        (200, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms"}, 0.02),
        (200, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        (
            200,
            {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m3.5s"},
            3723.5,
        ),
        (200, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1d"}, 86400),
        (200, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "12"}, 12),
        (200, {"x-ratelimit-remaining-tokens": "1", "x-ratelimit-reset-tokens": "12"}, 0),
        (200, {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "in 5s"}, 0),
        (200, {"x-ratelimit-remaining-tokens": "0"}, 0),
    ],
)
def test_pause_asked_reads_every_form(status: int, headers: dict, seconds: float) -> None:
    assert pause_asked(Reply(status, headers), now=NOW) == pytest.approx(seconds)


# Failures that stay


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (Act(400, body=b'{"error": {"message": "bad\\n  input", "code": 1}}'), "400: bad input$"),
        (Act(422, body=b'{"detail": ["dimensions"]}'), r"422: \{\"detail\": \[\"dimensions\"\]\}"),
        (Act(400, body=b"x" * 999), "400: x{200}\\.\\.\\.$"),
        (
            Act(403),
            "403: ; put your key into the environment variable OPENAI_API_KEY, which is not",
        ),
        (Act(404, body=b"no model"), "404: no model; check the model's name and the url"),
        (Act(308, {"Location": "/v2"}), r"308: ; give the url it moved to \(/v2\)"),
        (
            Act(429, body=b'{"error": {"message": "Pay.", "code": "insufficient_quota"}}'),
            "429: Pay",
        ),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Act) else "",
)
def test_a_refusal_is_an_error_at_once(act: Act, message: str) -> None:
    clock = ManualClock()
    with EmbeddingServer(act) as server:
        backend = encoder(server, clock=clock, max_concurrency=1)
        with pytest.raises(EncoderError, match=rf"/v1/embeddings \(model 'm'\) refuses.*{message}"):
            vectors(backend)
    assert len(server.requests) == 1
    assert clock.waits == []


def changed(**row: Any) -> Act:
    """An answer whose first row is changed."""

    def change(answer: dict[str, Any]) -> dict[str, Any]:
        first, *others = answer["data"]
        return {**answer, "data": [{**first, **row}, *others]}

    return Act(change=change)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (Act(body=b"<html>Welcome</html>"), r"JSON that holds data.*got '<html>Welcome</html>'"),
        (Act(body=b"[1, 2]"), "JSON that holds data"),
        (Act(body=b"[" * 100_000), "JSON that holds data"),
        (Act(body=b"\xff\xfe"), "JSON that holds data"),
        (Act(change=lambda a: {"data": [{"embedding": [1.0]}]}), "JSON that holds data"),
        (Act(change=lambda a: {**a, "data": a["data"][1:]}), "indices 0 to 4.*got 4: 1, 2, 3, 4"),
        (Act(change=lambda a: {**a, "data": []}), "indices 0 to 4, each once; got 0"),
        (changed(index=1), "indices 0 to 4, each once; got 5: 1, 1, 2, 3, 4"),
        (changed(index="0"), "indices 0 to 4, each once; got 5: '0', 1"),
        (changed(index=False), "indices 0 to 4, each once; got 5: False, 1"),
        (changed(embedding=[1.0, float("nan"), 2.0, 3.0]), "not finite"),
        (changed(embedding=[1.0, 1e300, 2.0, 3.0]), "not finite"),
        (changed(embedding=[1.0, 10**400, 2.0, 3.0]), "of numbers"),
        (changed(embedding=[1.0, None, 2.0, 3.0]), r"of numbers.*\[1.0, None, 2.0, 3.0\]"),
        (changed(embedding=["1", "2", "3", "4"]), "of numbers"),
        (changed(embedding=[True, False, True, True]), "of numbers"),
        (changed(embedding=7), "of numbers"),
        (changed(embedding="?"), "of base64 of float32; got '\\?'|got \"'\\?'\""),
        (changed(embedding="AAAA"), "of base64 of float32"),
        (changed(embedding=[1.0, 2.0]), r"of one width; got widths \[2, 4\]"),
        (
            Act(change=lambda a: {"data": [{**r, "embedding": []} for r in a["data"]]}),
            r"of one width; got widths \[0\]",
        ),
    ],
)
def test_an_answer_that_is_none_is_an_error(act: Act, message: str) -> None:
    with EmbeddingServer(act) as server, pytest.raises(EncoderError, match=message):
        vectors(encoder(server, max_concurrency=1))


def test_a_server_that_ignores_dims_is_an_error() -> None:
    with EmbeddingServer(Act(change=lambda a: EmbeddingServer._answer(ONE))) as server:
        backend = encoder(server, dims=2)
        with pytest.raises(EncoderError, match=r"of the 2 dimensions asked for; got widths \[4\]"):
            vectors(backend, ["a"])


ONE = {"input": ["a"], "encoding_format": "float", "model": "m"}


def test_two_answers_of_two_widths_are_an_error() -> None:
    def shorter(answer: dict[str, Any]) -> dict[str, Any]:
        return {"data": [{**row, "embedding": row["embedding"][:3]} for row in answer["data"]]}

    with EmbeddingServer(Act(), Act(change=shorter)) as server:
        backend = encoder(server, max_concurrency=1)
        with pytest.raises(EncoderError, match=r"widths \[3, 4\] in two answers"):
            vectors(backend)


# Many at once


def test_so_many_requests_run_at_once_and_no_more() -> None:
    with EmbeddingServer(together=4) as server:
        found = vectors(encoder(server, batch_size=1, max_concurrency=4))
    np.testing.assert_array_equal(found, EXPECTED)
    assert server.most_at_once == 4


def test_what_is_in_flight_when_a_request_fails_is_kept() -> None:
    failed = threading.Event()

    class Watch(ManualClock):
        """Lets the second answer go once the first one's failure has been seen."""

        def wait(self, flying: Iterable[Future], seconds: float | None) -> set[Future]:
            if len(list(flying)) == 1:
                failed.set()
            return super().wait(flying, seconds)

    with EmbeddingServer(Act(400, body=b"no"), Act(hold=failed), together=2) as server:
        backend = encoder(server, max_concurrency=2, clock=Watch())
        stream = backend.encode(TEXTS)
        positions, found = next(stream)
        np.testing.assert_array_equal(found, EXPECTED[positions])
        with pytest.raises(EncoderError, match="status 400: no"):
            next(stream)
    assert len(server.requests) == 2


def test_leaving_early_waits_for_nothing() -> None:
    hold = threading.Event()
    with EmbeddingServer(Act(), Act(hold=hold), together=2) as server:
        stream = encoder(server, max_concurrency=2).encode(TEXTS)
        next(stream)
        stream.close()  # the test hangs until the server's patience ends if it waits
        assert not hold.is_set()
    assert "portal" not in " ".join(thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("last", [Act(400, body=b"stop"), Act(body=b"garbage")])
def test_a_call_that_fails_leaves_what_came_in_the_store(tmp_path: Path, last: Act) -> None:
    with EmbeddingServer(Act(), Act(), last) as server:
        backend = encoder(server, max_concurrency=1)
        with pytest.raises(EncoderError, match=r"stop|garbage"):
            tcf.encode_items(TEXTS, encoder=backend, cache=tmp_path, progress=False)
        assert server.texts == TEXTS[:15]
        found = tcf.encode_items(TEXTS, encoder=backend, cache=tmp_path, progress=False)
        np.testing.assert_array_equal(found, EXPECTED)
        assert server.texts[15:] == TEXTS[10:]  # none of the first ten again
        tcf.encode_items(TEXTS, encoder=backend, cache=tmp_path, progress=False)
        assert len(server.texts) == 25


# The key


@pytest.fixture
def with_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.mark.usefixtures("with_key")
def test_the_key_goes_to_the_server_and_nowhere_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with EmbeddingServer(key=KEY) as server:
        backend = encoder(server)
        found = tcf.encode_items(TEXTS, encoder=backend, cache=tmp_path, progress=False)
    np.testing.assert_array_equal(found, EXPECTED)
    assert set(server.authorizations) == {f"Bearer {KEY}"}
    told = [repr(backend), json.dumps(backend.identity()), caplog.text, *capfd.readouterr()]
    assert not [text for text in told if KEY in text]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "manifest.json" for path in files)
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


@pytest.mark.usefixtures("with_key")
@pytest.mark.parametrize("status", [0, 200, 400, 401, 500])
def test_no_error_shows_the_key(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with EmbeddingServer(Act(status, body=KEY.encode(), drop=not status)) as server:
        backend = encoder(server, max_retries=0, max_concurrency=1)
        with pytest.raises(EncoderError) as caught:
            vectors(backend)
    whole = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(whole.format())
    assert KEY not in caplog.text


@pytest.mark.usefixtures("with_key")
def test_a_key_that_is_refused_is_named_by_its_variable() -> None:
    with EmbeddingServer(key="another") as server, pytest.raises(EncoderError) as caught:
        vectors(encoder(server, max_concurrency=1))
    assert "status 401: no such key: Bearer ***; the key in the environment variable " in str(
        caught.value
    )
    assert str(caught.value).endswith("OPENAI_API_KEY is not accepted")


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("MY_KEY", "put your key into the environment variable MY_KEY, which is not set"),
        (None, "it wants a key: name its environment variable in api_key_env"),
    ],
)
def test_a_missing_key_is_named_by_its_variable(variable: str | None, message: str) -> None:
    with EmbeddingServer(key=KEY) as server, pytest.raises(EncoderError, match=message):
        vectors(encoder(server, api_key_env=variable, max_concurrency=1))
    assert server.authorizations == [None]


@pytest.mark.usefixtures("with_key")
def test_no_variable_no_key() -> None:
    with EmbeddingServer() as server:
        vectors(encoder(server, api_key_env=None))
    assert set(server.authorizations) == {None}


@pytest.mark.parametrize("broken", [f"{KEY}\n", f"{KEY} x", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_refused(monkeypatch: Any, broken: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", broken)
    backend = ApiEncoder("http://127.0.0.1:9/v1", "m")
    with pytest.raises(EncoderError, match="in the environment variable OPENAI_API_KEY must") as e:
        vectors(backend)
    assert broken.strip() not in str(e.value)


@pytest.mark.usefixtures("with_key")
def test_a_key_sent_in_the_clear_to_another_machine_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = ApiEncoder("http://nowhere.invalid/v1", "m", max_retries=0, clock=ManualClock())
    with pytest.raises(EncoderError, match="ConnectError"):
        vectors(backend)
    assert "the key in OPENAI_API_KEY goes to http://nowhere.invalid/v1/embeddings" in caplog.text
    assert KEY not in caplog.text


# What it is


def test_identity_holds_what_shapes_a_vector() -> None:
    def of(url: str = "https://API.host:8/v1/", model: str = "m", **settings: Any) -> dict:
        return ApiEncoder(url, model, **settings).identity()

    assert of() == {
        "backend": "api",
        "url": "api.host:8/v1",
        "model": "m",
        "revision": None,
        "dims": None,
        "options": {},
    }
    others: list[Callable[[], dict]] = [
        lambda: of("https://api.host/v1"),
        lambda: of(model="n"),
        lambda: of(dims=8),
        lambda: of(revision="2025-03"),
        lambda: of(options={"truncate_prompt_tokens": 30}),
    ]
    assert len({json.dumps(other()) for other in others} | {json.dumps(of())}) == 6
    how = {"batch_size": 1, "max_concurrency": 1, "max_retries": 0, "timeout_seconds": 1}
    named = {"label": "x", "api_key_env": "Y", "encoding": "base64", "batch_characters": 9}
    assert of(**how, **named) == of()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "https://user:secret@host/v1"}, "url must hold no user and password"),
        ({"url": "https://:secret@host/v1"}, "url must hold no user and password"),
        ({"url": "https://host/v1?key=secret"}, "url must hold no query"),
        ({"url": "https://host/v1#secret"}, "url must hold no query and no fragment"),
        ({"url": "host/v1"}, "url must begin with http:// or https://"),
        ({"url": "ftp://host/v1"}, "url must begin with http:// or https://"),
        ({"url": "https://ho st/v1"}, "url must begin with http:// or https://"),
        ({"url": "https://host:secret/v1"}, "it cannot be read"),
        ({"url": "https://host/v1/embeddings/"}, "url must be the base, without /embeddings"),
        (
            {"api_key_env": "sk-secret"},
            "the name of an environment variable, in capitals, and never",
        ),
        ({"api_key_env": "secret0"}, "the name of an environment variable, in capitals, and never"),
        ({"dims": 0}, "dims must be an int of at least 1; got 0"),
        ({"batch_size": 0}, "batch_size must be an int of at least 1; got 0"),
        ({"batch_characters": 0.5}, "batch_characters must be an int of at least 1; got 0.5"),
        ({"max_concurrency": True}, "max_concurrency must be an int of at least 1; got True"),
        ({"max_retries": -1}, "max_retries must be an int of at least 0; got -1"),
        ({"timeout_seconds": 0}, "timeout_seconds must be above 0; got 0"),
        ({"encoding": "int8"}, "encoding must be 'float' or 'base64'; got 'int8'"),
        ({"options": {"input": "x"}}, "'input' has its own argument"),
        ({"options": {"x": float("nan")}}, "options must be JSON values"),
        ({"options": {"x": object()}}, "options must be JSON values"),
        ({"parameters": {"total": 5}}, "parameters must be"),
        ({"parameters": {"total": 5, "without_embeddings": 6}}, "two ints of which the first is"),
        ({"parameters": {"total": 5.0, "without_embeddings": 4}}, "parameters must be"),
        ({"parameters": {"total": 5, "without_embeddings": 4, "x": 1}}, "parameters must be"),
    ],
)
def test_settings_without_meaning_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        ApiEncoder(**{"url": "https://host/v1", "model": "m", **settings})
    assert "secret" not in str(caught.value)


def test_parameters_are_what_was_stated_and_never_a_guess() -> None:
    counts = {"total": 175_000_000_000, "without_embeddings": 174_000_000_000}
    assert ApiEncoder("https://host/v1", "m", parameters=counts).parameters() == counts
    assert ApiEncoder("https://host/v1", "m").parameters() == {}


def test_the_display_name_is_the_label_or_the_model() -> None:
    assert ApiEncoder("https://host/v1", "m").name == "m"
    assert ApiEncoder("https://host/v1", "m", label="M (175B)").name == "M (175B)"
    assert repr(ApiEncoder("https://host/v1", "m")) == "ApiEncoder('https://host/v1', 'm')"


def test_tokens_are_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="tcf")
    with EmbeddingServer() as server:
        backend = encoder(server)
        vectors(backend)
        assert backend.tokens_used == 3 * len(TEXTS)
        assert [r.getMessage() for r in caplog.records] == [
            f"{server.url}/embeddings (model 'm'): 60 tokens for 20 texts in 4 answers"
        ]
        vectors(backend)
        assert backend.tokens_used == 6 * len(TEXTS)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [({"prompt_tokens": 7}, 7), ({}, 0), (None, 0), ({"total_tokens": "many"}, 0)],
)
def test_a_server_may_not_count_tokens(usage: Any, tokens: int) -> None:
    with EmbeddingServer(Act(change=lambda answer: {**answer, "usage": usage})) as server:
        backend = encoder(server)
        vectors(backend, ["a"])
    assert backend.tokens_used == tokens


def test_without_httpx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(EncoderError, match=r"needs httpx: pip install 'tcf\[api\]'"):
        vectors(ApiEncoder("https://host/v1", "m"))
