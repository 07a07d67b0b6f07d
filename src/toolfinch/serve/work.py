"""A request's replies as they are made: `work` runs the caller in threads and hands on what it makes.

The event loop stays free; what a thread makes crosses over through a queue. When the client goes away, the consumer
is cancelled, the threads are told, and each caller's iterator is closed before its next token. Several choices are
as many streams with seeds one apart, each with a turn of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from typing import Protocol

import msgspec

from toolfinch.caller import Decoding, Delta, Reply, StreamingCaller, ToolCaller
from toolfinch.errors import ToolfinchError
from toolfinch.message import Message, ToolCall
from toolfinch.serve.answer import new_id
from toolfinch.serve.refusal import TimeLimit
from toolfinch.serve.turns import Turns, stopping
from toolfinch.serve.wire import Request
from toolfinch.tool import Tool

_NOTHING = Delta()
"""What a caller makes where it has nothing to show yet and can be stopped."""

_Queue = asyncio.Queue[tuple[int, Delta | Reply | Exception]]
_Items = Generator[Delta | Reply, None, None]


class AsyncCaller(Protocol):
    """A caller that only passes requests on, and can do so on the server's own event loop.

    Between several threads, each of which has little to do, a request waits for the interpreter's lock most of its time.
    """

    async def reply_async(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding
    ) -> Reply: ...


async def work(
    caller: ToolCaller, request: Request, turns: Turns, deadline: float
) -> AsyncGenerator[tuple[int, Delta | Reply], None]:
    """For each choice, by its index, its deltas and then its whole `Reply`; those of several choices are mixed.

    `deadline` is by the event loop's clock. Raises what the caller raised, TimeLimit at the deadline, Busy where too many
    requests wait for their turn or the server ends.
    """
    on_loop = _on_loop(caller)
    if (
        on_loop is not None and request.n == 1
    ):  # without a task and a queue, which take longer than all else here
        for made in _with_ids(_pieces(await turns.before(deadline, _passed_on(on_loop, request, 0, turns)))):
            yield 0, made
        return
    loop = asyncio.get_running_loop()
    queue: _Queue = asyncio.Queue()
    stopped = threading.Event()
    limit = loop.call_at(deadline, queue.put_nowait, (0, TimeLimit("it was not done in time")))
    starts = [
        loop.create_task(_start(caller, request, index, turns, queue, stopped)) for index in range(request.n)
    ]
    left = request.n
    try:
        with turns.ending_with(lambda: queue.put_nowait((0, stopping()))):
            while left:
                index, item = await queue.get()
                if isinstance(item, Exception):
                    raise item
                yield index, item
                left -= isinstance(item, Reply)
    finally:
        stopped.set()
        limit.cancel()
        for start in starts:
            start.cancel()


def _on_loop(caller: ToolCaller) -> AsyncCaller | None:
    return caller if hasattr(caller, "reply_async") else None  # type: ignore[return-value]


async def _passed_on(caller: AsyncCaller, request: Request, index: int, turns: Turns) -> Reply:
    async with turns.taken(always=index > 0):  # of a request that was let in
        return await caller.reply_async(request.messages, request.tools, _decoding(request, index))


async def _start(
    caller: ToolCaller, request: Request, index: int, turns: Turns, queue: _Queue, stopped: threading.Event
) -> None:
    on_loop = _on_loop(caller)
    try:
        if on_loop is not None:
            for item in _with_ids(_pieces(await _passed_on(on_loop, request, index, turns))):
                queue.put_nowait((index, item))
        else:
            job = _job(caller, request, index, queue, stopped)
            await turns.start(job, always=index > 0)
    except Exception as error:  # noqa: BLE001  (raised again where the request is)
        queue.put_nowait((index, error))


def _decoding(request: Request, index: int) -> Decoding:
    """Of one of several choices: another seed."""
    decoding = request.decoding
    return msgspec.structs.replace(decoding, seed=decoding.seed + index) if index else decoding


def _job(
    caller: ToolCaller,
    request: Request,
    index: int,
    queue: _Queue,
    stopped: threading.Event,
) -> Callable[[], None]:
    """What a thread does for one choice."""
    loop, decoding = asyncio.get_running_loop(), _decoding(request, index)

    def put(item: Delta | Reply | Exception) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(queue.put_nowait, (index, item))

    def run() -> None:
        if stopped.is_set():
            return
        replied = False
        try:
            with contextlib.closing(_with_ids(_made(caller, request, decoding))) as items:
                for item in items:
                    if item != _NOTHING:
                        put(item)
                    replied = replied or isinstance(item, Reply)
                    if stopped.is_set() and not replied:  # behind a reply it has only to end
                        return
            if not replied:  # nobody may wait for ever
                put(ToolfinchError("the caller's stream ended without a reply"))
        except Exception as error:  # noqa: BLE001  (raised again where the request is)
            put(error)

    return run


def _made(caller: ToolCaller, request: Request, decoding: Decoding) -> _Items:
    stream = getattr(caller, "stream", None)
    if stream is not None:
        streaming: StreamingCaller = caller  # type: ignore[assignment]
        yield from streaming.stream(request.messages, request.tools, decoding)
    else:
        yield from _pieces(caller.reply(request.messages, request.tools, decoding))


def _pieces(reply: Reply) -> _Items:
    if reply.message.content:
        yield Delta(reply.message.content)
    for call in reply.message.calls:
        yield Delta(call=call)
    yield reply


def _with_ids(made: _Items) -> _Items:
    """Every call with an id, the same in its delta and in the whole reply. Closes `made` when it is closed."""
    ids: list[str] = []

    def with_id(call: ToolCall, place: int) -> ToolCall:
        if place == len(ids):
            ids.append(call.id or new_id("call_"))
        return msgspec.structs.replace(call, id=ids[place])

    with contextlib.closing(made):
        for item in made:
            if isinstance(item, Delta):
                call = item.call and with_id(item.call, len(ids))
                yield item if call is None else msgspec.structs.replace(item, call=call)
            else:
                calls = tuple(with_id(call, place) for place, call in enumerate(item.message.calls))
                message = msgspec.structs.replace(item.message, calls=calls)
                yield msgspec.structs.replace(item, message=message)
