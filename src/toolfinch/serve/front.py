"""`Front`: what every request passes first and every answer last.

An id for each request, keys, the refusal of pages from elsewhere, the counting of what is under way, and the end:
once `draining` is set nothing new is taken on. A bug becomes a 500. No header allows other origins (CORS).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from toolfinch.serve.answer import new_id
from toolfinch.serve.body import Gone
from toolfinch.serve.keys import Keys
from toolfinch.serve.log import failure, request_id
from toolfinch.serve.metrics import Metrics
from toolfinch.serve.refusal import Refusal, RequestError
from toolfinch.serve.turns import stopping

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID = b"x-request-id"
_ID = re.compile(rb"[\w.:-]{1,128}", re.ASCII)
ROUTES = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/models",
    "/v1/diagnose",
    "/healthz",
    "/readyz",
    "/metrics",
    "/",
)
"""Labels; any other path is `other`."""


class Front:
    """An ASGI application around another."""

    def __init__(self, app: App, keys: Keys, metrics: Metrics, cut: Callable[[], None]) -> None:
        """`cut` ends the replies under way, each with a word to its client."""
        self._app = app
        self._keys = keys
        self._metrics = metrics
        self.cut = cut
        self.draining = False
        """Set when the server has been told to stop."""
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # no websockets are spoken here
        began = time.perf_counter()
        headers = dict(scope["headers"])
        sent = headers.get(REQUEST_ID, b"")
        id = sent if _ID.fullmatch(sent) else new_id("req_").encode()
        route = scope["path"] if scope["path"] in ROUTES else "other"
        request_id.set(id.decode())
        status = 0

        async def answer(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID, id)]
            await send(message)

        self.in_flight += 1
        self._metrics.in_flight.inc()
        scope["app"] = self  # then the router raises what it has no route for, and does not answer it
        try:
            self._refuse(scope, headers)
            await self._app(scope, receive, answer)
        except Gone:
            pass
        except asyncio.CancelledError:
            if not self.draining:
                raise
            # Cut off at the end: the web server would print where, for each request.
            if not status:
                await _answer(Refusal(stopping()), answer)
        except Exception as error:  # noqa: BLE001  (it would end in the web server's log, words and all)
            refusal = Refusal(error)
            if refusal.status >= 500:
                failure(error)
            if status:  # the web server sees that the answer is not whole, and closes the connection
                return
            await _answer(refusal, answer)
        finally:
            self.in_flight -= 1
            self._metrics.in_flight.dec()
            self._metrics.answered(route, status or 499, time.perf_counter() - began)

    def _refuse(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        if not self._keys.admit(scope["path"], headers.get(b"authorization", b"")):
            raise RequestError("a valid API key is needed", status=401, code="invalid_api_key")
        origin = headers.get(b"origin")
        if origin is not None and origin.partition(b"://")[2] != headers.get(b"host"):
            # A page that somebody has open could make the model work, if not read what it says.
            raise RequestError("pages from elsewhere are refused", status=403, code="other_origin")
        if self.draining and scope["method"] == "POST":
            raise stopping()


async def _answer(refusal: Refusal, send: Send) -> None:
    headers = {"content-type": "application/json", **refusal.headers}
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": encoded})
    await send({"type": "http.response.body", "body": msgspec.json.encode(refusal.body)})
