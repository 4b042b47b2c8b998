"""Requests to an endpoint of OpenAI's form: the key, the url, the connection."""

import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from pydantic import SecretStr

from tcf._util import hash_json
from tcf.encode.backends.api_answers import Endpoint, Reply
from tcf.errors import EncoderError

__all__ = ["check_at_least", "check_patience", "checked_options", "checked_url", "open_sender"]

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_log = logging.getLogger(__name__)


@contextmanager
def open_sender(
    endpoint: Endpoint,
    fields_of: Callable[[np.ndarray], Mapping[str, Any]],
    *,
    max_concurrency: int,
    timeout_seconds: float,
) -> Iterator[Callable[[np.ndarray], Future[Reply]]]:
    """Yield what starts a request; on leaving, those in flight are cancelled.

    The requests run in an event loop of their own thread, so that a caller may have one too.

    Args:
        endpoint: Where they go; its key is read from the environment now.
        fields_of: From a batch's positions to the JSON of its request.
        max_concurrency: Connections, at most.
        timeout_seconds: For one request, from connecting to the last byte.

    Raises:
        EncoderError: If httpx is not installed, or the key holds what no header may.
    """
    try:
        import anyio
        import httpx
        from anyio.from_thread import start_blocking_portal
    except ModuleNotFoundError as error:
        raise EncoderError(f"an endpoint needs {error.name}: pip install 'tcf[api]'") from None
    key = _key(endpoint)
    limits = httpx.Limits(max_connections=max_concurrency)
    client = httpx.AsyncClient(limits=limits, timeout=None)  # `fail_after` bounds the whole
    if key:
        client.headers["Authorization"] = f"Bearer {key.get_secret_value()}"

    async def post(positions: np.ndarray) -> Reply:
        try:
            with anyio.fail_after(timeout_seconds):
                response = await client.post(endpoint.url, json=fields_of(positions))
        except TimeoutError:
            return Reply(problem=f"no answer within {timeout_seconds:g} s")
        except httpx.RequestError as error:
            return Reply(problem=f"{type(error).__name__}: {error}")
        body = response.content
        if key:  # some servers repeat the key that they refuse
            body = body.replace(key.get_secret_value().encode(), b"***")
        return Reply(response.status_code, dict(response.headers), body)

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(client):
        yield lambda positions: portal.start_task_soon(post, positions)


def check_patience(
    *, api_key_env: str | None, max_concurrency: int, max_retries: int, timeout_seconds: float
) -> None:
    """Raise a ValueError unless these settings of an endpoint have a meaning."""
    check_at_least(1, max_concurrency=max_concurrency)
    check_at_least(0, max_retries=max_retries)
    if timeout_seconds <= 0:
        raise ValueError(f"timeout_seconds must be above 0; got {timeout_seconds}")
    if api_key_env is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", api_key_env):
        raise ValueError(
            "api_key_env must be the name of an environment variable, in capitals, and never "
            "the key itself"
        )


def check_at_least(least: int, **settings: int | None) -> None:
    """Raise a ValueError unless each setting that is given is an int of at least ``least``."""
    for name, value in settings.items():
        if value is not None and (type(value) is not int or value < least):
            raise ValueError(f"{name} must be an int of at least {least}; got {value!r}")


def checked_options(options: Mapping[str, Any] | None, *, own: Collection[str]) -> dict[str, Any]:
    """Return further fields of a request, none of which has an argument of its own.

    Raises:
        ValueError: If one has, or they are no JSON values.
    """
    taken = sorted(set(own) & (options or {}).keys())
    if taken:
        raise ValueError(
            f"options must hold further fields only; {taken[0]!r} has its own argument"
        )
    try:
        hash_json(dict(options or {}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"options must be JSON values: {error}") from None
    return dict(options or {})


def checked_url(url: str, *, path: str) -> str:
    """Return the base of an endpoint without a closing slash.

    Raises:
        ValueError: If it cannot be one, holds a secret, or ends in ``path`` already.
    """
    # The url is not shown: what is wrong with it may be that it holds a key.
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("url must be such as https://host/v1; it cannot be read") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("url must hold no user and password; put a key into the environment")
    if parts.query or parts.fragment:
        raise ValueError("url must hold no query and no fragment; put a key into the environment")
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", url):
        raise ValueError("url must begin with http:// or https:// and a host, as https://host/v1")
    base = url.rstrip("/")
    if base.endswith(path):
        raise ValueError(f"url must be the base, without {path}; got {url!r}")
    return base


def _key(endpoint: Endpoint) -> SecretStr | None:
    variable = endpoint.key_variable
    key = os.environ.get(variable) if variable else None
    if not key:
        return None
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise EncoderError(
            f"the key in the environment variable {variable} must be of printable ASCII "
            "characters without spaces; set it again, without a line's end"
        )
    parts = urlsplit(endpoint.url)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        _log.warning(
            "the key in %s goes to %s unencrypted; give an https url, or api_key_env=None",
            variable,
            endpoint,
        )
    return SecretStr(key)
