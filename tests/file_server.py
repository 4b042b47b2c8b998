"""A real file server on this machine, which drops, redirects, changes and garbles on demand."""

import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Act:
    """What the server does with one request; by default it answers as it should."""

    status: int | None = None  # instead of the file
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None  # the connection ends after so many bytes of the body
    flaw: bool = False  # the first byte that is sent is another
    ignores_range: bool = False
    ignores_if_range: bool = False
    chunked: bool = False
    hold: threading.Event | None = None  # what is cut is held until it is set, not closed


class FileServer:
    """Serves files within a ``with`` block, with ranges and validators as RFC 9110 has them.

    Args:
        script: What to do with the first requests, in order of arrival; it behaves from then on.
        files: Path -> bytes; may be changed while it serves.
        tag: Makes an ETag of a file; None sends none.
    """

    def __init__(
        self,
        *script: Act,
        files: dict[str, bytes],
        tag: Callable[[bytes], str | None] = lambda body: f'"{hash(body)}"',
    ) -> None:
        self.files, self.tag = dict(files), tag
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.script = list(script)
        self._http = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def address(self, name: str) -> str:
        return f"{self.url}/{name}"

    @property
    def ranges(self) -> list[str | None]:
        """The ``Range`` of every request."""
        return [headers.get("Range") for _, headers in self.requests]

    def next_act(self) -> Act:
        return self.script.pop(0) if self.script else Act()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is no error of the server's."""


def _handler_of(server: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name, act = self.path.lstrip("/"), server.next_act()
            server.requests.append((name, dict(self.headers)))
            if act.status is not None or name not in server.files:
                self._send(act.status or 404, b"no", act.headers, act)
                return
            body = server.files[name]
            tag = server.tag(body)
            headers = {"Content-Type": "application/octet-stream"}
            headers |= ({"ETag": tag} if tag else {}) | act.headers
            start = self._start(tag, act)
            if start >= len(body) > 0 and start:
                self._send(416, b"", {"Content-Range": f"bytes */{len(body)}"}, act)
            elif start:
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                self._send(206, body[start:], headers, act)
            else:
                self._send(200, body, headers, act)

        def _start(self, tag: str | None, act: Act) -> int:
            found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            condition = self.headers.get("If-Range")
            stale = condition not in (None, tag) and not act.ignores_if_range
            return 0 if found is None or stale or act.ignores_range else int(found[1])

        def _send(self, status: int, body: bytes, headers: dict[str, str], act: Act) -> None:
            body = bytes([body[0] ^ 1]) + body[1:] if act.flaw else body
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if act.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            elif "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if act.chunked:
                body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            self.wfile.write(body[: act.cut])
            if act.hold is not None:
                self.wfile.flush()
                act.hold.wait(20)
            if act.cut is not None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: Any) -> None:
            """Silence."""

    return Handler
