"""The HTTP application: chat completions, responses, models, health, metrics.

A client's mistake is a 4xx that names the field, never a 500: everything is read before any work starts, and
the first token is waited for before the status line is sent, so a prompt that does not fit is a 413 in a
stream too. What is left out: TLS (put a proxy in front).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from toolfinch.caller import Delta, Reply, ToolCaller
from toolfinch.errors import MissingDependency, UsageError
from toolfinch.serve import body, responses, wire
from toolfinch.serve.answer import completion_json, extra_json, total
from toolfinch.serve.diagnosis import diagnose, model_of
from toolfinch.serve.front import Front
from toolfinch.serve.keys import Keys
from toolfinch.serve.limits import Limits
from toolfinch.serve.log import failure
from toolfinch.serve.metrics import Metrics
from toolfinch.serve.refusal import Refusal
from toolfinch.serve.responses_stream import Events, encoded
from toolfinch.serve.service import Came, Service, unknown_model
from toolfinch.serve.stream import DONE, Chunks, event
from toolfinch.serve.telemetry import Telemetry
from toolfinch.serve.trace import HEADER, Trace

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

Items = AsyncGenerator[tuple[int, Delta | Reply], None]

PAGE = Path(__file__).with_name("page.html")
PAGE_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'"
"""The page is all in one file and asks nobody but this server."""
STALLED_S = 5.0
"""Seconds beyond the time limit that a stream may still take to be sent; a client that reads nothing is let go."""


def create(
    caller: ToolCaller,
    *,
    parallel: int = 1,
    limits: Limits = Limits(),
    keys: Keys | None = None,
    trace: Trace | None = None,
    telemetry: Telemetry | None = None,
) -> Front:
    """The application around one caller.

    `parallel`: how many replies are made at once while other requests wait. `trace` is given every finished reply;
    `/healthz` says how many it has written and lost.
    """
    try:
        from starlette.routing import Route, Router
    except ImportError as error:
        hint = "pip install 'toolfinch[serve]'"
        raise MissingDependency(f"serving needs {error.name}", hint=hint) from error

    metrics = Metrics()
    service = Service(
        caller, parallel=parallel, limits=limits, metrics=metrics, trace=trace, telemetry=telemetry
    )
    name = service.name
    card = {"id": name, "object": "model", "created": int(time.time()), "owned_by": "toolfinch"}

    async def chat(request: Request) -> Any:
        came = Came.now(limits)
        raw = await body.read(request, limits)
        wanted = wire.read_request(raw, limits, set_aside=_sets_aside(request), behind=service.behind)
        wanted = await service.admitted(wanted)
        items = service.replies(wanted, _came(came, request, raw))
        if wanted.stream:
            chunks = Chunks(name, choices=wanted.n, include_usage=wanted.include_usage)
            first = await body.unless_gone(request, anext(items))
            return _EventStream(_chat_events(first, items, chunks, wanted), came.deadline)
        replies = await body.unless_gone(request, _whole(items, wanted.n))
        extras = [_extra(wanted, reply) for reply in replies]
        return answer(completion_json(replies, name, int(time.time()), extras))

    async def respond(request: Request) -> Any:
        came = Came.now(limits)
        raw = await body.read(request, limits)
        asked = responses.read_request(raw, limits, set_aside=_sets_aside(request), behind=service.behind)
        wanted = await service.admitted(asked.request)
        items = service.replies(wanted, _came(came, request, asked.chat))
        echo = {**asked.echo, "tools": responses.tools_json(wanted.tools)}
        events = Events(name, echo)
        try:
            if wanted.stream:
                first = await body.unless_gone(request, anext(items))
                return _EventStream(_response_events(first, items, events, wanted), came.deadline)
            await body.unless_gone(request, _added_up(items, events, wanted))
        except UsageError as error:
            raise responses.refused(error) from error
        return answer(events.response)

    async def models(request: Request) -> Response:
        return answer({"object": "list", "data": [card]})

    async def model(request: Request) -> Response:
        if request.path_params["name"] != name:
            raise unknown_model(request.path_params["name"], name)
        return answer(card)

    async def health(request: Request) -> Response:
        traced = {"trace": {"written": trace.written, "lost": trace.lost}} if trace is not None else {}
        return answer({"status": "ok", "model": name, **traced})

    async def ready(request: Request) -> Response:
        if front.draining:
            return answer({"status": "stopping"}, 503)
        return answer({"status": "ready", "model": name})

    async def measured(request: Request) -> Response:
        from starlette.responses import Response

        page, media_type = metrics.page()
        return Response(page, headers={"content-type": media_type})

    async def diagnosed(request: Request) -> Response:
        came = Came.now(limits)
        model_of(caller)  # before a turn is waited for
        wanted = await service.admitted(
            wire.read_request(await body.read(request, limits), limits, behind=service.behind)
        )

        gone = threading.Event()
        job = partial(diagnose, caller, wanted.messages, wanted.tools, wanted.decoding, gone.is_set)
        try:
            found = service.turns.before(came.deadline, service.turns.result(job))
            return answer(await body.unless_gone(request, found))
        finally:
            gone.set()

    async def page(request: Request) -> Response:
        from starlette.responses import Response

        headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": PAGE_POLICY}
        return Response(PAGE.read_bytes(), headers=headers)

    router = Router(
        routes=[
            Route("/", page),
            Route("/v1/diagnose", diagnosed, methods=["POST"]),
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/responses", respond, methods=["POST"]),
            Route("/v1/models", models),
            Route("/v1/models/{name:path}", model),
            Route("/healthz", health),
            Route("/readyz", ready),
            Route("/metrics", measured),
        ],
        redirect_slashes=False,
    )
    front = Front(router, Keys([]) if keys is None else keys, metrics, service.turns.cut)
    return front


def _sets_aside(request: Request) -> bool:
    return request.headers.get(wire.SET_ASIDE, "").lower() == "true"


def _came(came: Came, request: Request, chat: bytes) -> Came:
    headers = request.headers
    return came._replace(
        body=chat, session=headers.get(HEADER, ""), traceparent=headers.get("traceparent", "")
    )


def _extra(wanted: wire.Request, reply: Reply) -> dict[str, Any]:
    return extra_json(reply, wire.warnings(wanted, reply))


async def _whole(items: Items, choices: int) -> list[Reply]:
    """The replies in the order of their indices."""
    async with aclosing(items):
        found = {index: item async for index, item in items if isinstance(item, Reply)}
    return [found[index] for index in range(choices)]


async def _added_up(items: Items, events: Events, wanted: wire.Request) -> None:
    async with aclosing(items):
        async for _, item in items:
            if isinstance(item, Delta):
                events.delta(item)
            else:
                events.end(item, _extra(wanted, item))


async def _chat_events(
    first: tuple[int, Delta | Reply], items: Items, chunks: Chunks, wanted: wire.Request
) -> AsyncGenerator[bytes, None]:
    """A stream that has begun can only report an error as an event."""
    done: list[Reply] = []
    async with aclosing(items):
        yield chunks.start()
        try:
            async for index, item in _from(first, items):
                if isinstance(item, Delta):
                    yield chunks.delta(index, item)
                else:
                    done.append(item)
                    yield chunks.end(index, item, _extra(wanted, item))
            yield chunks.usage(total(done))
        except Exception as error:  # noqa: BLE001  (a stream that just ends looks like a whole answer)
            yield event(_failed(error).body)
        yield DONE


async def _response_events(
    first: tuple[int, Delta | Reply], items: Items, events: Events, wanted: wire.Request
) -> AsyncGenerator[bytes, None]:
    async with aclosing(items):
        yield encoded(events.start())
        try:
            async for _, item in _from(first, items):
                yield encoded(
                    events.delta(item) if isinstance(item, Delta) else events.end(item, _extra(wanted, item))
                )
        except Exception as error:  # noqa: BLE001  (as above)
            yield encoded(events.failed(_failed(error).body["error"]["message"]))


def _failed(error: Exception) -> Refusal:
    refusal = Refusal(error)
    if refusal.status >= 500:
        failure(error)
    return refusal


async def _from(first: tuple[int, Delta | Reply], items: Items) -> Items:
    yield first
    async for item in items:
        yield item


class _EventStream:
    """Server-sent events; closes their iterator however it ends, so the work behind them stops at once."""

    def __init__(self, events: AsyncGenerator[bytes, None], deadline: float) -> None:
        self._events = events
        self._deadline = deadline

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import StreamingResponse

        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        async with aclosing(self._events), asyncio.timeout_at(self._deadline + STALLED_S):
            response = StreamingResponse(self._events, headers=headers, media_type="text/event-stream")
            await response(scope, receive, send)


def answer(data: Any, status: int = 200) -> Response:
    """JSON."""
    from starlette.responses import Response

    return Response(msgspec.json.encode(data), status, media_type="application/json")
