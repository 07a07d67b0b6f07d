"""The end of a server: nothing new is taken on, what is under way is finished, and then it is over.

On the first SIGTERM or Ctrl-C the address stays open while requests are under way, so that a balancer reads 503 at
`/readyz` and a late request is told when to come back. A second signal, or the end of the time of grace, ends what is
left.
"""

from __future__ import annotations

import socket
import sys
import time
from types import FrameType
from typing import Any

from toolfinch.callers import http
from toolfinch.errors import MissingDependency
from toolfinch.serve.front import Front

CUT_S = 1
"""Seconds that replies are given to end once they have been cut off."""


def server(front: Front, grace_s: float) -> Any:
    """A `uvicorn.Server` for the application. `grace_s`: seconds that requests under way are given."""
    try:
        import uvicorn
    except ImportError as error:
        raise MissingDependency("serving needs uvicorn", hint="pip install 'toolfinch[serve]'") from error

    class Draining(uvicorn.Server):
        until = float("inf")
        said = False

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if front.draining:
                super().handle_exit(sig, frame)
                return
            front.draining = True
            self.until = time.monotonic() + grace_s
            self._captured_signals.append(sig)

        async def on_tick(self, counter: int) -> bool:
            over = front.draining and (not front.in_flight or time.monotonic() >= self.until)
            if front.draining and not over and not self.said:
                self.said = True
                print(
                    f"toolfinch: stopping; requests under way: {front.in_flight}, given {grace_s:g} s; "
                    "again to cut them off",
                    file=sys.stderr,
                    flush=True,
                )
            return await super().on_tick(counter) or over

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            front.cut()
            await super().shutdown(sockets)
            await http.close()

    return Draining(
        uvicorn.Config(
            front,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,  # nothing here asks who the client is
            timeout_graceful_shutdown=CUT_S,
        )
    )
