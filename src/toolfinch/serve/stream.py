"""A reply as it is made: a worker thread that makes it, and the server-sent events that report it.

The caller runs in a thread of its own, so the event loop stays free; what it makes crosses over through a
queue. When the client goes away, the consumer is cancelled, the thread is told, and the caller's iterator is
closed before its next token.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any

import msgspec

from toolfinch.caller import Delta, Reply, StreamingCaller, ToolCaller
from toolfinch.errors import ToolfinchError
from toolfinch.message import ToolCall
from toolfinch.serve import wire

DONE = b"data: [DONE]\n\n"


async def work(
    caller: ToolCaller, request: wire.Request, turns: asyncio.Semaphore
) -> AsyncGenerator[Delta | Reply, None]:
    """Deltas, then the whole `Reply`; raises what the caller raised. Waits for its turn first."""
    async with turns:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Delta | Reply | Exception] = asyncio.Queue()
        stopped = threading.Event()

        def put(item: Delta | Reply | Exception) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(queue.put_nowait, item)

        def run() -> None:
            try:
                with contextlib.closing(_items(caller, request)) as items:
                    for item in items:
                        put(item)
                        if stopped.is_set():
                            return
                # Nobody waits any more where a reply came; where none did, nobody may wait for ever.
                put(ToolfinchError("the caller's stream ended without a reply"))
            except Exception as error:  # noqa: BLE001  (raised again where the request is)
                put(error)

        # A daemon: a caller that hangs on the network must not keep the process from ending.
        threading.Thread(target=run, daemon=True, name="toolfinch-reply").start()
        try:
            while True:
                item = await queue.get()
                if isinstance(item, Exception):
                    raise item
                yield item
                if isinstance(item, Reply):
                    return
        finally:
            stopped.set()


def _items(caller: ToolCaller, request: wire.Request) -> Generator[Delta | Reply, None, None]:
    """What the caller makes, every call with an id: the same in its delta and in the whole reply."""
    ids: list[str] = []

    def with_id(call: ToolCall, place: int) -> ToolCall:
        if place == len(ids):
            ids.append(call.id or wire.new_id("call"))
        return msgspec.structs.replace(call, id=ids[place])

    with contextlib.closing(_made(caller, request)) as made:
        for item in made:
            if isinstance(item, Delta):
                call = item.call and with_id(item.call, len(ids))
                yield item if call is None else msgspec.structs.replace(item, call=call)
            else:
                calls = tuple(with_id(call, place) for place, call in enumerate(item.message.calls))
                message = msgspec.structs.replace(item.message, calls=calls)
                yield msgspec.structs.replace(item, message=message)


def _made(caller: ToolCaller, request: wire.Request) -> Generator[Delta | Reply, None, None]:
    stream = getattr(caller, "stream", None)
    if stream is not None:
        streaming: StreamingCaller = caller  # type: ignore[assignment]
        yield from streaming.stream(request.messages, request.tools, request.decoding)
        return
    reply = caller.reply(request.messages, request.tools, request.decoding)
    if reply.message.content:
        yield Delta(reply.message.content)
    for call in reply.message.calls:
        yield Delta(call=call)
    yield reply


class Chunks:
    """The events of one streamed completion, in the shape that OpenAI's clients add up again."""

    def __init__(self, model: str, *, include_usage: bool) -> None:
        self._head = {
            "id": wire.new_id("chatcmpl"),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        self._include_usage = include_usage
        self._calls = 0

    def start(self) -> bytes:
        return self._choice({"role": "assistant", "content": "", "refusal": None})

    def delta(self, delta: Delta) -> bytes:
        if delta.call is None:
            return self._choice({"content": delta.text})
        entry = {"index": self._calls, **wire.call_json(delta.call)}
        self._calls += 1
        return self._choice({"tool_calls": [entry]})

    def end(self, reply: Reply) -> bytes:
        last = self._choice({}, finish_reason=reply.stop, toolfinch=wire.extra_json(reply))
        if self._include_usage:
            last += event({**self._head, "choices": [], "usage": wire.usage_json(reply.usage)})
        return last

    def _choice(self, delta: dict[str, Any], finish_reason: str | None = None, **extra: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self._include_usage else {}
        return event({**self._head, "choices": [choice], **usage, **extra})


def event(data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
