"""`Pace`: how many requests one endpoint is sent at a time, found by trying (AIMD).

One more for each round that goes well, half as many when the endpoint says that it is busy or gives no answer in time,
and none before the moment that it asks to be left alone until. A request that waits to be tried again keeps its place,
so an endpoint that is down to one is asked once a wait.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from toolfinch.data.teacher.ledger import Stopped

START = 4
"""Requests at once to begin with."""
_TICK_S = 0.2  # how soon a waiting request sees that its run has ended


class Pace:
    """Safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(min(START, most))
        self._now = 0
        self._changed = threading.Condition()
        self._halved_at = 0.0
        self._resume_at = 0.0

    @property
    def limit(self) -> int:
        """Requests that may be under way at once."""
        return int(self._limit)

    @contextlib.contextmanager
    def place(self, stopped: threading.Event) -> Iterator[None]:
        """Wait for a place. Raises Stopped once `stopped` is set."""
        with self._changed:
            while self._now >= self.limit or time.monotonic() < self._resume_at:
                if stopped.is_set():
                    raise Stopped("stopped")
                self._changed.wait(_TICK_S)
            self._now += 1
        try:
            yield
        finally:
            with self._changed:
                self._now -= 1
                self._changed.notify_all()

    def rest(self, seconds: float, stopped: threading.Event) -> None:
        """Wait before the next try, and for as long as the endpoint wants to be left alone."""
        until = time.monotonic() + seconds
        while (left := max(until, self._resume_at) - time.monotonic()) > 0:
            if stopped.wait(min(left, _TICK_S)):
                raise Stopped("stopped")

    def well(self) -> None:
        """A request was answered."""
        with self._changed:
            self._limit = min(self._limit + 1 / self._limit, float(self._most))
            self._changed.notify_all()

    def badly(self, sent_at: float, alone_s: float = 0.0) -> None:
        """A request, sent at this moment of `time.monotonic`, found the endpoint too busy.

        `alone_s`: for how long it asks to be left alone. What was sent before the last halving says nothing new.
        """
        with self._changed:
            now = time.monotonic()
            if sent_at >= self._halved_at:
                self._limit = max(1.0, self._limit / 2)
                self._halved_at = now
            self._resume_at = max(self._resume_at, now + alone_s)
