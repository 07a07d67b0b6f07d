"""`Endpoint`: JSON over HTTP with retries, all of it under one deadline, and one line for whatever goes wrong.

Every request runs on an event loop, because only there does a deadline hold for all of it: looking up the name,
connecting, a body that trickles in byte by byte, and the waits between tries. Who is on one already, as the server is,
awaits `get` and `post` there, and cancelling that ends the request; threads hand them to `wait_for`, which runs them on
the one loop that all of them share. Connections stay open, and belong to the loop that they were made on. Left out:
streaming, cookies, and a limit to the requests under way, which is for those who make them to know.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import email.utils
import functools
import itertools
import os
import random
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from toolfinch.errors import MissingDependency, ToolfinchError, UsageError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from yarl import URL

T = TypeVar("T")

CONNECT_S = 10.0
"""Seconds for a connection alone, so that a host that swallows packets does not take a case's whole time."""
KEPT_S = 4.0
"""Seconds that a connection is kept unused: less than the five after which uvicorn and Node close it, since a request that
meets the closing is lost."""
BACKOFF_S = 0.5
"""The first wait; each one after it is twice as long, up to `LONGEST_WAIT_S`, less up to half by chance."""
LONGEST_WAIT_S = 8.0
MOST_BYTES = 64 << 20
"""Of an answer's body, unpacked; the longest replies are some megabytes."""
_SHOWN = 300  # characters of an endpoint's own words

Trouble = Literal["unreachable", "broken_off", "time", "status", "unreadable"]


_OUTSIDE: dict[Trouble, str] = {
    "unreachable": "cannot connect",
    "broken_off": "the connection broke off",
    "time": "no whole answer in time",
    "unreadable": "its answer cannot be read",
}


class NoAnswer(ToolfinchError):
    """One request that got no answer; the message is one line that begins with the URL."""

    def __init__(
        self, message: str, trouble: Trouble, status: int = 0, wait_s: float | None = None, words: str = ""
    ) -> None:
        super().__init__(" ".join(message.split()))
        self.trouble = trouble
        self.status = status
        """Of the HTTP answer; 0 where there was none."""
        self._words = " ".join(words.split())
        self.wait_s = wait_s
        """What the endpoint asked for with Retry-After."""

    @property
    def outside(self) -> str:
        """What went wrong, for somebody who is not to know where the endpoint is or which key it was given."""
        if self.trouble != "status":
            return _OUTSIDE[self.trouble]
        about_the_request = self.status in (400, 404, 409, 413, 422)
        return f"HTTP {self.status}" + (f": {self._words}" if self._words and about_the_request else "")

    @property
    def passing(self) -> bool:
        """Another try may succeed."""
        lost = self.trouble in ("unreachable", "broken_off")
        return lost or self.status in (408, 409, 429) or self.status >= 500


class Endpoint:
    """Requests to the paths below one base URL; safe to share between threads and event loops."""

    def __init__(self, base_url: str, api_key: str, *, timeout_s: float, retries: int) -> None:
        """`timeout_s` is for one `post`, retries included. Raises UsageError for what is no URL."""
        try:
            import aiohttp
            import yarl
        except ImportError as error:
            raise MissingDependency(
                f"{base_url}: calling an endpoint needs aiohttp", hint="pip install 'toolfinch[serve]'"
            ) from error
        self.url = base_url.rstrip("/")
        self._aiohttp = aiohttp
        self._timeout_s = timeout_s
        self._retries = retries
        try:
            url = yarl.URL(self.url)
            if url.scheme not in ("http", "https") or not url.host:
                raise ValueError("expected http://host/…")
        except ValueError as error:
            raise UsageError(f"{base_url}: not a URL ({error})") from error
        authorization = f"Bearer {api_key}"
        if url.user is not None:
            self.url = str(url.with_user(None)).rstrip("/")  # it is printed
            secret = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
            authorization = f"Basic {secret}"
        self._at = functools.cache(url.with_user(None).joinpath)
        self._proxy = _proxy(url)
        self._headers = {
            "Authorization": authorization,
            "Content-Type": "application/json",
            "User-Agent": "toolfinch",
        }

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work`, which awaits this endpoint, comes to; for threads without an event loop of their own."""
        return asyncio.run_coroutine_threadsafe(work, _event_loop()).result()

    def deadline(self) -> float:
        """When a request that begins now has to be done, by `time.monotonic`."""
        return time.monotonic() + self._timeout_s

    async def get(self, path: str) -> bytes:
        """The body of a successful answer, asked for once. Raises NoAnswer, which says why there was none."""
        within_s = min(self._timeout_s, CONNECT_S)
        return await self._once("GET", path, b"", time.monotonic() + within_s, within_s)

    async def post(self, path: str, body: bytes, deadline: float) -> bytes:
        """As `get`, with retries, all before the deadline."""
        for attempt in itertools.count():
            try:
                return await self._once("POST", path, body, deadline, self._timeout_s)
            except NoAnswer as error:
                wait = _backoff(attempt) if error.wait_s is None else error.wait_s
                if attempt >= self._retries or not error.passing or time.monotonic() + wait >= deadline:
                    raise
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _once(self, method: str, path: str, body: bytes, deadline: float, limit_s: float) -> bytes:
        aiohttp, url = self._aiohttp, f"{self.url}/{path}"
        to, head, proxy = self._at(path), self._headers, self._proxy
        try:
            async with (
                asyncio.timeout(deadline - time.monotonic()),
                _session().request(method, to, data=body, headers=head, proxy=proxy) as answer,
            ):
                content = await _whole(answer, url)
        except aiohttp.ConnectionTimeoutError as error:
            raise NoAnswer(f"{url}: no connection within {CONNECT_S:g} s", "unreachable") from error
        except TimeoutError as error:
            raise NoAnswer(f"{url}: no whole answer within {limit_s:g} s", "time") from error
        except aiohttp.ClientConnectorError as error:
            raise NoAnswer(f"{url}: cannot connect: {_cause(error)}", "unreachable") from error
        except (aiohttp.TooManyRedirects, aiohttp.InvalidURL) as error:
            raise NoAnswer(f"{url}: its redirects lead nowhere", "unreadable") from error
        except aiohttp.ClientPayloadError as error:
            if isinstance(error.__cause__, aiohttp.http_exceptions.ContentEncodingError):
                why = f"it cannot be unpacked ({answer.headers.get('Content-Encoding')})"
                raise NoAnswer(f"{url}: its answer cannot be read: {why}", "unreadable") from error
            why = "peer closed before the answer was whole"
            raise NoAnswer(f"{url}: the connection broke off: {why}", "broken_off") from error
        except aiohttp.ServerDisconnectedError as error:  # its own words may be half of a head
            raise NoAnswer(f"{url}: the connection broke off: Server disconnected", "broken_off") from error
        except aiohttp.ClientError as error:  # reset; what is not HTTP
            raise NoAnswer(f"{url}: the connection broke off: {_cause(error)}", "broken_off") from error
        if answer.ok:
            return content
        said = _words(content) or answer.reason
        wait = _retry_after(answer.headers.get("Retry-After", ""))
        raise NoAnswer(f"{url}: HTTP {answer.status}: {said}", "status", answer.status, wait, said or "")


async def _whole(answer: ClientResponse, url: str) -> bytes:
    parts, size = [], 0
    async for part in answer.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise NoAnswer(f"{url}: its answer is longer than {MOST_BYTES} bytes", "unreadable")
    return parts[0] if len(parts) == 1 else b"".join(parts)


_sessions: dict[asyncio.AbstractEventLoop, ClientSession] = {}


def _session() -> ClientSession:
    """The running event loop's connections."""
    import aiohttp

    loop = asyncio.get_running_loop()
    if loop not in _sessions:
        _sessions[loop] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(connect=CONNECT_S),
        )
    return _sessions[loop]


async def close() -> None:
    """Close the connections of the event loop that this runs on, which is about to end."""
    session = _sessions.pop(asyncio.get_running_loop(), None)
    if session is not None:
        await session.close()


@functools.cache
def _event_loop() -> asyncio.AbstractEventLoop:
    """One for all threads. Its own is a daemon: a reply that hangs must not keep the process from ending."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="toolfinch-endpoints").start()
    # Its connections end with the process, which is no news.
    atexit.register(loop.set_exception_handler, lambda loop, context: None)
    return loop


def _proxy(url: URL) -> str | None:
    """What the environment says of requests to this host, asked once: asking takes as long as a request."""
    if urllib.request.proxy_bypass(f"{url.host}:{url.port}"):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


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
