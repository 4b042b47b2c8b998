"""A real embedding endpoint on this machine, which drops, delays, limits and garbles on demand."""

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import numpy as np

PATIENCE_SECONDS = 20.0  # after which a test that waits for the impossible fails instead of hanging


def vector_of(text: str, width: int = 4) -> np.ndarray:
    """The server's vector of a text, ``(width,)`` float32."""
    digest = hashlib.sha256(text.encode()).digest()
    return np.frombuffer(digest, "<u2")[:width].astype(np.float32) / np.float32(7)


@dataclass(frozen=True)
class Act:
    """What the server does with one request; by default it answers as it should."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    change: Callable[[dict[str, Any]], Any] = lambda answer: answer
    drop: bool = False  # closes the connection without an answer
    cut: bool = False  # closes it in the middle of the answer
    hold: threading.Event | None = None  # answers once it is set


class EmbeddingServer:
    """Serves ``POST /v1/embeddings`` within a ``with`` block.

    Args:
        script: What to do with the first requests, in order of arrival; it behaves from then on.
        most_texts: Requests with more are refused with 413.
        key: Requests without it are refused with 401, which repeats the key that came.
        path: Where it serves; elsewhere is 404.
        together: So many first requests are answered once all of them are there.
    """

    def __init__(
        self,
        *script: Act,
        most_texts: int | None = None,
        key: str | None = None,
        together: int = 0,
        path: str = "/v1/embeddings",
    ) -> None:
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.most_at_once = 0
        self._script, self._most_texts, self._key = list(script), most_texts, key
        self._barrier = threading.Barrier(together) if together else None
        self._together, self._path = together, path
        self._now, self._lock, self._closing = 0, threading.Lock(), threading.Event()
        self._http = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def texts(self) -> list[str]:
        """Every text of every request, refused ones included."""
        return [text for request in self.requests for text in request["input"]]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def answer(self, path: str, request: dict[str, Any], authorization: str | None) -> Act:
        """Return what to send, with its body; called in a thread of the request's own."""
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
            self.authorizations.append(authorization)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            act = self._script.pop(0) if self._script else Act()
        try:
            if self._barrier and number < self._together:
                self._barrier.wait(PATIENCE_SECONDS)
            if act.hold is not None:
                self._wait(act.hold)
        finally:
            with self._lock:
                self._now -= 1
        if self._key and authorization != f"Bearer {self._key}":
            return Act(401, body=f"no such key: {authorization}".encode())
        if path != self._path:
            return Act(404, body=b"no such path")
        if self._most_texts and len(request["input"]) > self._most_texts:
            return Act(413, body=b"batch size too large")
        if act.status != 200 or act.body is not None or act.drop:
            return act
        body = json.dumps(act.change(self._answer(request))).encode()
        return Act(200, act.headers, body, cut=act.cut)

    def _wait(self, event: threading.Event) -> None:
        for _ in range(int(PATIENCE_SECONDS / 0.02)):
            if event.wait(0.02) or self._closing.is_set():
                return

    @staticmethod
    def _answer(request: dict[str, Any]) -> dict[str, Any]:
        vectors = [vector_of(text, request.get("dimensions", 4)) for text in request["input"]]
        if request["encoding_format"] == "base64":
            shown: list[Any] = [base64.b64encode(v.astype("<f4")).decode() for v in vectors]
        else:
            shown = [v.tolist() for v in vectors]
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(shown)]
        tokens = sum(len(text.split()) for text in request["input"])
        return {
            "object": "list",
            "data": data,
            "model": request["model"],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is no error of the server's."""


def _handler_of(server: EmbeddingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections open, as real servers do

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            act = server.answer(self.path, request, self.headers["Authorization"])
            if act.drop:
                self._hang_up()
                return
            body = act.body or b""
            self.send_response(act.status)
            for name, value in act.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if act.cut else body)
            if act.cut:
                self._hang_up()

        def _hang_up(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: Any) -> None:
            """Silence."""

    return Handler
