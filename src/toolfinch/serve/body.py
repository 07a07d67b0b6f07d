"""A request's body, read up to a limit of size and of time; and a client that hangs up, told from one that waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

from toolfinch.serve.limits import Limits
from toolfinch.serve.refusal import RequestError

if TYPE_CHECKING:
    from starlette.requests import Request

T = TypeVar("T")

DRAINED = 8
"""So many times the limit is read of a body that is too large, and thrown away: a client that is still sending when
the connection closes never sees why."""


class Gone(Exception):
    """The client hung up."""


async def read(request: Request, limits: Limits) -> bytes:
    """The whole body. Raises RequestError with 413 or 408, Gone."""
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(limits.body_s):
            more = True
            while more and size <= DRAINED * limits.body_bytes:
                came = await request.receive()
                if came["type"] == "http.disconnect":
                    raise Gone
                part, more = came.get("body", b""), came.get("more_body", False)
                size += len(part)
                if size <= limits.body_bytes:
                    body += part
    except TimeoutError as error:
        message = f"body: not whole within {limits.body_s:g} s"
        raise RequestError(message, status=408, code="timeout") from error
    if size > limits.body_bytes:
        than = "more than " if size > DRAINED * limits.body_bytes else ""
        raise RequestError(
            f"body: {than}{size} bytes, and a request may have {limits.body_bytes}",
            status=413,
            code="body_too_large",
            counts={"bytes": size, "limit": limits.body_bytes},
        )
    return bytes(body)


async def unless_gone(request: Request, wanted: Awaitable[T]) -> T:
    """Wait for the first of two: what is wanted, or the client hanging up, which cancels it and raises Gone."""
    me, waiting, gone = asyncio.current_task(), True, False
    assert me is not None

    def hung_up(watch: asyncio.Task[None]) -> None:
        nonlocal gone
        if waiting and not watch.cancelled():
            gone = True
            me.cancel()

    watch = asyncio.create_task(_disconnect(request))
    watch.add_done_callback(hung_up)
    try:
        return await wanted
    except asyncio.CancelledError:
        if gone and me.uncancel() == 0:  # by nobody else
            raise Gone from None
        raise
    finally:
        waiting = False
        watch.cancel()


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
