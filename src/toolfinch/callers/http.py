"""`Endpoint`: JSON over HTTP with retries, all of it under one deadline, and one line for whatever goes wrong.

Every request runs on one event loop in a thread of its own, because only there does a deadline hold for all
of it: looking up the name, connecting, a body that trickles in byte by byte, and the waits between tries.
Threads call `get` and `post` and wait. Left out: streaming.
"""

from __future__ import annotations

import asyncio
import email.utils
import functools
import itertools
import os
import random
import socket
import ssl
import threading
import time
from collections.abc import Coroutine
from typing import Any, Literal

import msgspec

from toolfinch.errors import MissingDependency, ToolfinchError, UsageError

CONNECT_S = 10.0
"""Seconds for a connection alone, so that a host that swallows packets does not take a case's whole time."""
BACKOFF_S = 0.5
"""The first wait; each one after it is twice as long, up to `LONGEST_WAIT_S`, less up to half by chance."""
LONGEST_WAIT_S = 8.0
_SHOWN = 300  # characters of an endpoint's own words

Trouble = Literal["unreachable", "broken_off", "time", "status", "unreadable"]


class NoAnswer(ToolfinchError):
    """One request that got no answer; the message is one line that begins with the URL."""

    def __init__(self, message: str, trouble: Trouble, status: int = 0, wait_s: float | None = None) -> None:
        super().__init__(" ".join(message.split()))
        self.trouble = trouble
        self.status = status
        """Of the HTTP answer; 0 where there was none."""
        self.wait_s = wait_s
        """What the endpoint asked for with Retry-After."""

    @property
    def passing(self) -> bool:
        """Another try may succeed."""
        lost = self.trouble in ("unreachable", "broken_off")
        return lost or self.status in (408, 409, 429) or self.status >= 500


class Endpoint:
    """Requests to the paths below one base URL; safe to share between threads."""

    def __init__(self, base_url: str, api_key: str, *, timeout_s: float, retries: int) -> None:
        """`timeout_s` is for one `post`, retries included. Raises UsageError for what is no URL."""
        try:
            import httpx2
        except ImportError as error:
            raise MissingDependency(
                f"{base_url}: calling an endpoint needs httpx2", hint="pip install 'toolfinch[serve]'"
            ) from error
        self.url = base_url.rstrip("/")
        self._httpx = httpx2
        self._timeout_s = timeout_s
        self._retries = retries
        self._loop = _event_loop()
        try:
            url = httpx2.URL(base_url)
            if not url.host or (url.port or 0) >= 1 << 16:
                raise httpx2.InvalidURL(f"it has no {'port like that' if url.host else 'host'}")
        except httpx2.InvalidURL as error:
            raise UsageError(f"{base_url}: not a URL ({error})") from error
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"},
            timeout=httpx2.Timeout(None, connect=CONNECT_S),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            follow_redirects=True,
        )

    def deadline(self) -> float:
        """When a request that begins now has to be done, by `time.monotonic`."""
        return time.monotonic() + self._timeout_s

    def get(self, path: str) -> bytes:
        """The body of a successful answer, asked for once. Raises NoAnswer, which says why there was none."""
        within_s = min(self._timeout_s, CONNECT_S)
        url, deadline = f"{self.url}/{path}", time.monotonic() + within_s
        return self._wait_for(self._once("GET", url, b"", deadline, within_s))

    def post(self, path: str, body: bytes, deadline: float) -> bytes:
        """As `get`, with retries, all before the deadline."""
        return self._wait_for(self._retried(f"{self.url}/{path}", body, deadline))

    def _wait_for(self, answer: Coroutine[Any, Any, bytes]) -> bytes:
        return asyncio.run_coroutine_threadsafe(answer, self._loop).result()

    async def _retried(self, url: str, body: bytes, deadline: float) -> bytes:
        for attempt in itertools.count():
            try:
                return await self._once("POST", url, body, deadline, self._timeout_s)
            except NoAnswer as error:
                wait = _backoff(attempt) if error.wait_s is None else error.wait_s
                if attempt >= self._retries or not error.passing or time.monotonic() + wait >= deadline:
                    raise
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _once(self, method: str, url: str, body: bytes, deadline: float, limit_s: float) -> bytes:
        httpx = self._httpx
        try:
            async with asyncio.timeout_at(deadline):
                answer = await self._client.request(method, url, content=body)
        except TimeoutError as error:
            raise NoAnswer(f"{url}: no whole answer within {limit_s:g} s", "time") from error
        except httpx.ConnectTimeout as error:
            raise NoAnswer(f"{url}: no connection within {CONNECT_S:g} s", "unreachable") from error
        except httpx.ConnectError as error:
            raise NoAnswer(f"{url}: cannot connect: {_cause(error)}", "unreachable") from error
        except httpx.TransportError as error:
            raise NoAnswer(f"{url}: the connection broke off: {_cause(error)}", "broken_off") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # not gzip after all; redirects without end
            raise NoAnswer(f"{url}: its answer cannot be read: {error}", "unreadable") from error
        if answer.is_success:
            return answer.content
        said = _words(answer.content) or answer.reason_phrase
        wait = _retry_after(answer.headers.get("Retry-After", ""))
        raise NoAnswer(f"{url}: HTTP {answer.status_code}: {said}", "status", answer.status_code, wait)


@functools.cache
def _event_loop() -> asyncio.AbstractEventLoop:
    """One for all endpoints. Its thread is a daemon: a reply that hangs must not keep the process from ending."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="toolfinch-endpoints").start()
    return loop


def _backoff(attempt: int) -> float:
    return min(BACKOFF_S * 2.0**attempt, LONGEST_WAIT_S) * random.uniform(0.5, 1.0)


def _retry_after(value: str) -> float | None:
    """Seconds, from a number of them or from a date (RFC 9110, section 10.2.3); None for anything else."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _cause(error: BaseException) -> str:
    """What lies at the root of a transport error: the operating system's words where there are any."""
    cause = error
    while deeper := cause.__cause__ or cause.__context__:
        cause = deeper.exceptions[0] if isinstance(deeper, BaseExceptionGroup) else deeper
    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError | socket.gaierror) and cause.errno:
        return os.strerror(cause.errno)  # asyncio's own words are "Connect call failed"
    return str(cause) or str(error) or type(error).__name__


def _words(body: bytes) -> str:
    """What an error's body says, in any of the shapes that endpoints use; its beginning where it has none."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return beginning(body)
    if isinstance(said, list) and said:  # Google sends a list of one
        said = said[0]
    words = error_words(said)
    return words[:_SHOWN] if words else beginning(body)


def error_words(said: Any) -> str:
    """The message of an error object; "" where there is none.

    `{"error": {"message", "param"}}` is OpenAI's, with `{"error": "…"}` (Ollama, LM Studio), `{"message"}`
    (older vLLM), and FastAPI's `{"detail"}`, which may be a list of what was wrong and where.
    """
    if not isinstance(said, dict):
        return ""
    error = said.get("error") or said.get("detail") or said.get("message")
    if isinstance(error, dict):
        marks = ", ".join(str(error[key]) for key in ("param", "code", "type") if error.get(key))
        return f"{error.get('message') or ''} ({marks})" if marks else str(error.get("message") or "")
    if isinstance(error, list):
        return "; ".join(f"{one.get('loc')}: {one.get('msg')}" for one in error if isinstance(one, dict))
    return error if isinstance(error, str) else ""


def beginning(body: bytes) -> str:
    """The first words of an answer that is not what it should be, such as a web page."""
    text = " ".join(body[: _SHOWN * 4].decode(errors="replace").split())
    return repr(text[:80]) if text else "nothing"
