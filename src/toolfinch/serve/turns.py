"""`Turns`: the threads that make replies, and the line of requests before them.

As many threads as replies may be made at once, started when they are first needed and kept: a thread for each
request costs more than an answer from an endpoint nearby. The line is on the event loop, where a client that hangs up
costs nothing. A turn ends when its thread is done with it, not when nobody wants the reply any more, so work that
cannot be stopped at once still counts. Whoever makes a reply is told here when the server ends before it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import queue
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from toolfinch.serve.refusal import Busy, TimeLimit

T = TypeVar("T")

LONGEST_S = 60
"""The most seconds that anybody is told to come back after."""


class Turns:
    """Used from one event loop."""

    def __init__(self, parallel: int, line: int) -> None:
        """`parallel` jobs at once, and no more than `line` that wait."""
        self.parallel = parallel
        self.waiting = 0
        """Jobs that wait for a turn."""
        self._line = line
        self._free = asyncio.Semaphore(parallel)
        self._jobs: _Jobs = queue.SimpleQueue()
        self._threads = 0
        self._idle = 0
        self._job_s = 1.0  # of late
        self._over = False
        self._ends: set[Callable[[], object]] = set()
        weakref.finalize(self, _dismiss, self._jobs, parallel)

    def _turn_s(self) -> int:
        """Whole seconds until who comes now would have a turn, by how long jobs took of late."""
        seconds = math.ceil(self._job_s * (self.waiting + 1) / self.parallel)
        return max(1, min(seconds, LONGEST_S))

    def cut(self) -> None:
        """The server ends: all work under way is told, and none begins."""
        self._over = True
        for end in list(self._ends):
            end()

    @contextlib.contextmanager
    def ending_with(self, end: Callable[[], object]) -> Iterator[None]:
        """Inside, `end` is called if the server ends. Raises Busy if it has."""
        if self._over:
            raise stopping()
        self._ends.add(end)
        try:
            yield
        finally:
            self._ends.discard(end)

    async def before(self, deadline: float, work: Coroutine[Any, Any, T]) -> T:
        """What the work comes to. Raises TimeLimit at the deadline, by the event loop's clock; Busy if the server ends."""
        loop = asyncio.get_running_loop()

        def end() -> None:
            if not limit.expired():
                limit.reschedule(loop.time())

        try:
            async with asyncio.timeout_at(deadline) as limit:
                with self.ending_with(end):
                    return await work
        except TimeoutError as error:
            if limit.expired():
                raise stopping() if self._over else TimeLimit("it was not done in time") from error
            raise
        finally:
            work.close()  # where it was not even begun

    @asynccontextmanager
    async def taken(self, *, always: bool = False) -> AsyncIterator[None]:
        """A turn for work that needs no thread, as `start`."""
        began = await self._take(always)
        try:
            yield
        finally:
            self._give_back(began)

    async def result(self, job: Callable[[], T]) -> T:
        """What a job in a thread comes to. It has its turn until the thread is done with it, even if nobody waits."""
        done: Future[T] = Future()

        def run() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(job())
            except Exception as error:  # noqa: BLE001  (raised again where the request is)
                done.set_exception(error)

        await self.start(run)
        return await asyncio.wrap_future(done)

    async def _take(self, always: bool) -> float:
        if self._over:
            raise stopping()
        if self._free.locked() and self.waiting >= self._line and not always:
            raise Busy(
                f"{self.waiting} requests wait already, and {self._line} may",
                status=429,
                retry_after_s=self._turn_s(),
                code="queue_full",
            )
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        return time.monotonic()

    def _give_back(self, began: float) -> None:
        self._free.release()
        self._job_s += 0.2 * (time.monotonic() - began - self._job_s)

    async def start(self, job: Callable[[], None], *, always: bool = False) -> None:
        """Wait for a turn, then let a thread do the job; returns as it begins.

        Raises Busy where too many wait already; `always`: waits all the same.
        """
        began = await self._take(always)
        loop = asyncio.get_running_loop()

        def done() -> None:
            self._idle += 1
            self._give_back(began)

        def run() -> None:
            try:
                job()
            finally:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(done)

        self._jobs.put(run)
        if self._idle:
            self._idle -= 1
        else:
            self._threads += 1
            # A daemon: a caller that hangs on the network must not keep the process from ending.
            name = f"toolfinch-reply-{self._threads}"
            threading.Thread(target=_work, args=(self._jobs,), daemon=True, name=name).start()


def stopping() -> Busy:
    return Busy("the server is stopping", status=503, retry_after_s=5, code="stopping")


_Jobs = queue.SimpleQueue[Callable[[], None] | None]


def _work(jobs: _Jobs) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # what it holds would live until the next


def _dismiss(jobs: _Jobs, threads: int) -> None:
    for _ in range(threads):
        jobs.put(None)
