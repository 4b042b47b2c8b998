"""One file over HTTP: resumed, tried again, tried elsewhere, verified before it gets its name.

Bytes go to ``.NAME.part``; ``.NAME.part.json`` says of what they are. They are added to only where
the server proves that it still has the same file (RFC 9110: ``If-Range`` with a strong ``ETag`` or
a ``Last-Modified``) or where a published checksum will.
"""

import errno
import http.client
import re
import shutil
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tcf.data.dataset import DataFile
from tcf.data.partial import Digests, Partial
from tcf.errors import DataError

Report = Callable[[int, int | None], None]
_CHUNK_BYTES = 1 << 16
_TIMEOUT_SECONDS = 30.0
_LONGEST_WAIT_SECONDS = 60.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_PASSING = (408, 416, 425, 429)  # of the errors that are the client's, those worth another try


class _FailedError(Exception):
    """An address did not give the file. ``final``: asking it again is of no use."""

    def __init__(self, message: str, *, final: bool = False, wait_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.final, self.wait_seconds = final, wait_seconds


def fetch(
    file: DataFile,
    path: Path,
    *,
    tries: int = 5,
    wait_seconds: float = 1.0,
    report: Report = lambda there, total: None,
) -> str:
    """Download a file, from the first of its addresses that gives it whole.

    A try that brought more bytes than were there before does not count. An address that says that
    it has no such file, or one of another size or checksum, is not asked again.

    Args:
        file: What to fetch.
        path: Where it is in the end; nothing is there before it is whole and verified.
        tries: So many rounds over the addresses without a further byte are one too many.
        wait_seconds: Before the second round; doubled before each further one.
        report: Called with the bytes that are there and the bytes in all, where known.

    Returns:
        Its SHA-256.

    Raises:
        DataError: If no address gave the file (what each said is named), or the disk is full.
    """
    partial = Partial(path.with_name(f".{file.name}.part"))
    addresses = list(file.addresses)
    failures: dict[str, str] = {}
    most, left = partial.size(), tries
    while addresses:
        wait = 0.0
        for address in list(addresses):
            try:
                return _from(address, file, partial, path, report)
            except _FailedError as error:
                failures[address], wait = str(error), max(wait, error.wait_seconds)
                if error.final:
                    addresses.remove(address)
        most, left = (partial.size(), tries) if partial.size() > most else (most, left - 1)
        if not left:
            break
        if addresses:
            wait = max(wait, wait_seconds * 2 ** (tries - left))
            time.sleep(min(wait, _LONGEST_WAIT_SECONDS))
    said = "; ".join(f"{address}: {failure}" for address, failure in failures.items())
    kept = f"; {partial.size():,} bytes are kept" if partial.size() else ""
    raise DataError(
        f"{path.with_name(file.name)}: the file must come from one of its addresses; {said}{kept}: "
        "try again later, or fetch it by hand and place it there"
    )


def _from(address: str, file: DataFile, partial: Partial, path: Path, report: Report) -> str:
    """Bring the rest from one address, verify, and give the file its name."""
    digests = Digests(file.checksum)
    began = partial.size()
    try:
        if not began or began != (file.num_bytes or partial.about().get("total")):
            began = _receive(address, file, partial, digests, report)
        else:
            digests.add(partial.path)
    except DataError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _as_failure(error, partial) from error
    if wrong := digests.wrong():
        partial.discard()
        raise _FailedError(f"{wrong}", final=not began)
    partial.become(path)
    return digests.sha256


def _receive(
    address: str, file: DataFile, partial: Partial, digests: Digests, report: Report
) -> int:
    """Append to the partial file until it is whole; return how much was there before."""
    asked = Request(address, headers=_headers(address, file, partial))
    with _OPENER.open(asked, timeout=_TIMEOUT_SECONDS) as response:
        start, total = _range(response, partial)
        if start:
            _check_same(address, response, partial, total)
        _check(response, file, total)
        _check_space(partial.path, (total or 0) - start)
        partial.begin(address, _validator(response.headers), total, appending=start > 0)
        there = start
        with open(partial.path, "r+b" if start else "wb") as out:
            if start:
                digests.add(partial.path)
                out.seek(start)
            while chunk := response.read(_CHUNK_BYTES):
                out.write(chunk)
                digests.update(chunk)
                there += len(chunk)
                report(there, total)
    if there != (total or there):
        raise _FailedError(f"the connection ended after {there:,} of {total:,} bytes")
    if file.num_bytes not in (None, there):
        partial.discard()
        raise _FailedError(f"{there:,} bytes came; {file.num_bytes:,} are published", final=True)
    return start


def _headers(address: str, file: DataFile, partial: Partial) -> dict[str, str]:
    headers = {"User-Agent": "tcf", "Accept-Encoding": "identity"}
    about, size = partial.about(), partial.size()
    validator = about.get("validator") if about.get("address") == address else None
    if size and (validator or file.checksum):
        headers["Range"] = f"bytes={size}-"
        if validator:
            headers["If-Range"] = validator
    return headers


def _range(response: http.client.HTTPResponse, partial: Partial) -> tuple[int, int | None]:
    """Return where the answer begins in the file, and how long the file is, where said."""
    status, headers = response.status, response.headers
    length = headers.get("Content-Length")
    if status == 200:
        return 0, int(length) if length else None
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", headers.get("Content-Range", ""))
    if status != 206 or found is None or int(found[1]) != partial.size():
        partial.discard()
        raise _FailedError(f"a range was asked for; got status {status} of another")
    total = None if found[3] == "*" else int(found[3])
    return int(found[1]), total


def _check_same(
    address: str, response: http.client.HTTPResponse, partial: Partial, total: int | None
) -> None:
    """Raise if the file has changed since its beginning came, whatever the server makes of it."""
    about, validator = partial.about(), _validator(response.headers)
    if about.get("address") != address:
        return  # the checksum will tell
    for known, now in ((about.get("validator"), validator), (about.get("total"), total)):
        if None not in (known, now) and known != now:
            partial.discard()
            raise _FailedError("the file has changed: it is fetched from its start")


def _check(response: http.client.HTTPResponse, file: DataFile, total: int | None) -> None:
    kind = response.headers.get_content_type()
    if kind == "text/html" and not file.name.endswith((".html", ".htm")):
        raise _FailedError("a web page came instead of the file", final=True)
    packed = response.headers.get("Content-Encoding", "identity")
    if packed != "identity" and not file.name.endswith(".gz"):  # some servers call a .gz so
        raise _FailedError(f"it came packed ({packed}), though unasked", final=True)
    if None not in (total, file.num_bytes) and total != file.num_bytes:
        raise _FailedError(
            f"the file there has {total:,} bytes; {file.num_bytes:,} are published", final=True
        )


def _check_space(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise DataError(f"{path.parent}: {needed:,} more bytes are needed; {free:,} are free")


def _validator(headers: Any) -> str | None:
    """Return what proves that a file is still the same: a weak ETag does not (RFC 9110)."""
    tag = headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _as_failure(error: Exception, partial: Partial) -> Exception:
    """Return what an address's failure means."""
    if isinstance(error, HTTPError):
        if error.code == 416:
            partial.discard()
        after = error.headers.get("Retry-After", "")
        final = 400 <= error.code < 500 and error.code not in _PASSING
        wait = float(after) if after.isdigit() else 0.0
        error.close()
        return _FailedError(f"status {error.code}", final=final, wait_seconds=wait)
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return DataError(f"{partial.path.parent}: no space is left on the disk")
    cause = error.reason if isinstance(error, URLError) else error
    final = isinstance(cause, ssl.SSLCertVerificationError) or not isinstance(
        error, (OSError, http.client.HTTPException)
    )
    return _FailedError(f"{cause or type(error).__name__}", final=final)


class _SafeRedirects(HTTPRedirectHandler):
    """Follows redirects, but not from a secured address to an open one."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise _FailedError(f"leads from https to {newurl}", final=True)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = build_opener(_SafeRedirects)
