"""`Service`: what stands between a request, whichever API it came by, and the replies to it.

It admits a request or refuses it, sets tools aside, waits for a turn, turns a reply that failed into an error, and
reports what was done: to the metrics, the trace and a span.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from toolfinch.caller import Delta, Reply, ToolCaller
from toolfinch.callers.openai import OpenAICaller
from toolfinch.errors import SchemaError
from toolfinch.serve import offered, wire
from toolfinch.serve.limits import Limits
from toolfinch.serve.metrics import Metrics
from toolfinch.serve.refusal import TOO_LONG, RequestError, UpstreamError
from toolfinch.serve.retrieving import Retrieving
from toolfinch.serve.stack import innermost
from toolfinch.serve.telemetry import Telemetry
from toolfinch.serve.trace import Trace
from toolfinch.serve.turns import Turns
from toolfinch.serve.work import work


class Came(NamedTuple):
    """How a request came in."""

    body: bytes
    """As a chat completion, for the trace."""
    session: str
    """What the client calls the conversation; empty where it says nothing."""
    traceparent: str
    began: datetime
    clock: float
    """`time.perf_counter()` when it began."""
    deadline: float
    """By the event loop's clock."""

    @classmethod
    def now(cls, limits: Limits) -> Came:
        deadline = asyncio.get_running_loop().time() + limits.request_s
        return cls(b"", "", "", datetime.now(UTC), time.perf_counter(), deadline)


class Service:
    """Used from one event loop."""

    def __init__(
        self,
        caller: ToolCaller,
        *,
        parallel: int,
        limits: Limits,
        metrics: Metrics,
        trace: Trace | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.caller = caller
        self._model = innermost(caller)
        # Of an endpoint its model, and not its address.
        self.name = self._model.model if isinstance(self._model, OpenAICaller) else caller.name
        self.behind = caller.behind if isinstance(caller, Retrieving) else frozenset()
        """Names of the tools of a catalogue."""
        self.limits = limits
        self.metrics = metrics
        self.trace = trace
        self.turns = Turns(parallel, limits.queue)
        self._telemetry = telemetry
        metrics.waiting.set_function(lambda: self.turns.waiting)

    async def admitted(self, wanted: wire.Request) -> wire.Request:
        """The request as it will be answered: without the tools that were set aside.

        Raises RequestError for another model than the one served.
        """
        if wanted.model not in ("", self.name):
            raise unknown_model(wanted.model, self.name)
        if not wanted.set_aside:
            return wanted
        held = await asyncio.to_thread(offered.held, self._model, wanted.offered)
        choice = wanted.decoding.tool_choice
        if choice.startswith("="):
            wire.named_choice(choice[1:], held, "tool_choice")
        else:
            wire.choice(choice, held)
        return msgspec.structs.replace(wanted, offered=held)

    async def replies(
        self, wanted: wire.Request, came: Came
    ) -> AsyncGenerator[tuple[int, Delta | Reply], None]:
        """As `work`; a reply that stopped with an error, or is not of the schema asked for, is raised."""
        span = self._telemetry and self._telemetry.begin(wanted, self.name, came.traceparent)
        done: list[Reply] = []
        first = True
        try:
            async with aclosing(work(self.caller, wanted, self.turns, came.deadline)) as items:
                async for index, item in items:
                    if isinstance(item, Reply):
                        _check(item, wanted)
                        done.append(item)
                        await self._report(item, came)
                    if first:
                        self.metrics.first_token.observe(time.perf_counter() - came.clock)
                        first = False
                    yield index, item
        except SchemaError as error:
            if span:
                span.fail(error)
            raise await asyncio.to_thread(offered.located, self._model, wanted.offered, error) from error
        except BaseException as error:  # cancelled, too
            if span:
                span.fail(error)
            raise
        finally:
            if span:
                span.end(done)

    async def _report(self, reply: Reply, came: Came) -> None:
        self.metrics.reply(reply)
        if self.trace is not None:
            # Not on the event loop: the disk may be slow.
            await asyncio.to_thread(self.trace.add, came.body, came.session, came.began, self.name, reply)


def _check(reply: Reply, wanted: wire.Request) -> None:
    """Raises for a reply that is none."""
    if reply.stop == "context":  # of an endpoint; an engine on this machine raises it
        raise RequestError(f"messages: {reply.outside or reply.error}", status=413, code=TOO_LONG)
    if reply.stop == "error":
        said = f"the endpoint behind this server: {reply.outside}" if reply.outside else reply.error
        raise UpstreamError(reply.error, said)
    if wire.misfit(wanted, reply):
        what = "response_format: the answer is not of the schema"
        raise UpstreamError(what, what)


def unknown_model(asked: str, served: str) -> RequestError:
    message = f"model: {asked!r} is not served here, {served!r} is"
    return RequestError(message, status=404, code="model_not_found")
