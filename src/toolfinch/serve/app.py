"""The HTTP application: chat completions, models, health.

A client's mistake is a 400 that names the field, never a 500: everything is read before any work starts, and
the first token is waited for before the status line is sent, so a prompt that does not fit is a 400 in a
stream too. What is left out: keys and TLS (put a proxy in front), and batching of requests.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from toolfinch.caller import Delta, Reply, ToolCaller
from toolfinch.decode.engine import ContextError
from toolfinch.errors import MissingDependency, ToolfinchError, UsageError
from toolfinch.serve import wire
from toolfinch.serve.stream import DONE, Chunks, event, work
from toolfinch.serve.trace import HEADER, Trace

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

T = TypeVar("T")

_log = logging.getLogger("toolfinch.serve")

MAX_BODY = 8 << 20
"""Bytes of a request; more is a 413."""


def create(caller: ToolCaller, *, parallel: int = 1, trace: Trace | None = None) -> Starlette:
    """The application around one caller.

    `parallel`: how many requests work at once while the rest wait; a local engine does one at a time anyway.
    `trace` is given every finished reply; `/healthz` says how many it has written and lost.
    """
    try:
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException
        from starlette.routing import Route
    except ImportError as error:
        hint = "pip install 'toolfinch[serve]'"
        raise MissingDependency(f"serving needs {error.name}", hint=hint) from error

    turns = asyncio.Semaphore(parallel)
    card = {"id": caller.name, "object": "model", "created": int(time.time()), "owned_by": "toolfinch"}

    async def chat(request: Request) -> Any:
        began = datetime.now(UTC)
        body = await _body(request)
        wanted = wire.read_request(body)
        if wanted.model not in ("", caller.name):
            raise _unknown_model(wanted.model, caller.name)

        async def finished(reply: Reply) -> None:
            if trace is not None:
                header = request.headers.get(HEADER, "")
                # Not on the event loop: the disk may be slow.
                await asyncio.to_thread(trace.add, body, header, began, caller.name, reply)

        items = work(caller, wanted, turns)
        first: Delta | Reply = await _unless_gone(request, anext(items) if wanted.stream else _last(items))
        if isinstance(first, Delta) or (wanted.stream and first.stop not in ("error", "context")):
            chunks = Chunks(caller.name, include_usage=wanted.include_usage)
            return _EventStream(_events(first, items, chunks, finished))
        await items.aclose()
        if first.stop == "context":  # of an endpoint; an engine on this machine raises it
            return _answer(_context_json(first.error), 400)
        if first.stop == "error":
            return _answer(wire.error_json(first.error, "upstream_error"), 502)
        await finished(first)
        return _answer(wire.completion_json(first, caller.name, int(time.time())))

    async def models(request: Request) -> Response:
        return _answer({"object": "list", "data": [card]})

    async def model(request: Request) -> Response:
        if request.path_params["name"] != caller.name:
            raise _unknown_model(request.path_params["name"], caller.name)
        return _answer(card)

    async def health(request: Request) -> Response:
        traced = {"trace": {"written": trace.written, "lost": trace.lost}} if trace is not None else {}
        return _answer({"status": "ok", "model": caller.name, **traced})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/models", models),
            Route("/v1/models/{name:path}", model),
            Route("/healthz", health),
        ],
        exception_handlers={
            ToolfinchError: _on_error,
            HTTPException: _on_http_error,
            _Gone: _on_gone,
            Exception: _on_bug,
        },
    )


async def _events(
    first: Delta | Reply,
    items: AsyncGenerator[Delta | Reply, None],
    chunks: Chunks,
    finished: Callable[[Reply], Awaitable[None]],
) -> AsyncGenerator[bytes, None]:
    """A stream that has begun can only report an error as an event. `finished` is given a whole reply."""
    async with aclosing(items):
        yield chunks.start()
        item = first
        try:
            while isinstance(item, Delta):
                yield chunks.delta(item)
                item = await anext(items)
            if item.stop == "error":
                yield event(wire.error_json(item.error, "upstream_error"))
            else:
                await finished(item)
                yield chunks.end(item)
        except ToolfinchError as error:
            yield event(_error_json(error))
        yield DONE


async def _last(items: AsyncIterator[Delta | Reply]) -> Reply:
    async for item in items:
        if isinstance(item, Reply):
            return item
    raise ToolfinchError("the caller's stream ended without a reply")


class _Gone(Exception):
    """The client hung up."""


async def _unless_gone(request: Request, reply: Awaitable[T]) -> T:
    """Wait for the first of two: what is waited for, or the client hanging up, which cancels it."""
    wanted = asyncio.ensure_future(reply)
    gone = asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait((wanted, gone), return_when=asyncio.FIRST_COMPLETED)
        if not wanted.done():
            raise _Gone
        return wanted.result()
    finally:
        wanted.cancel()
        gone.cancel()
        await asyncio.gather(wanted, gone, return_exceptions=True)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> bytes:
    from starlette.requests import ClientDisconnect

    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                raise wire.RequestError(f"body: more than {MAX_BODY} bytes", status=413, code="too_large")
    except ClientDisconnect as error:
        raise _Gone from error
    return bytes(body)


class _EventStream:
    """Server-sent events; closes their iterator however it ends, so the work behind them stops at once."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        self._events = events

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import StreamingResponse

        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        async with aclosing(self._events):
            response = StreamingResponse(self._events, headers=headers, media_type="text/event-stream")
            await response(scope, receive, send)


def _answer(data: Any, status: int = 200) -> Response:
    from starlette.responses import Response

    return Response(msgspec.json.encode(data), status, media_type="application/json")


def _unknown_model(asked: str, served: str) -> wire.RequestError:
    message = f"model: {asked!r} is not served here, {served!r} is"
    return wire.RequestError(message, status=404, code="model_not_found")


def _context_json(error: str) -> dict[str, Any]:
    return wire.error_json(error, "invalid_request_error", "messages", "context_length_exceeded")


def _error_json(error: Exception) -> dict[str, Any]:
    if not isinstance(error, UsageError):
        return wire.error_json(str(error), "server_error")
    if isinstance(error, ContextError):
        error = wire.RequestError(f"messages: {error}", code="context_length_exceeded")
    elif not isinstance(error, wire.RequestError):
        error = wire.RequestError(str(error))
    return wire.error_json(str(error), "invalid_request_error", error.param, error.code)


async def _on_error(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, wire.RequestError) else 400
    if not isinstance(error, UsageError):
        _log.error("%s", error)
        status = 500
    return _answer(_error_json(error), status)


async def _on_http_error(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    return _answer(wire.error_json(str(getattr(error, "detail", error)), "invalid_request_error"), status)


async def _on_gone(request: Request, error: Exception) -> Response:
    return _answer({}, 499)  # nobody reads it


async def _on_bug(request: Request, error: Exception) -> Response:
    return _answer(wire.error_json("internal error; the server's log has it", "server_error"), 500)
