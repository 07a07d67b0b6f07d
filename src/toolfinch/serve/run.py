"""Running the server: `serve` is the process, `background` a thread beside a demo or a test.

with background(load("artifacts/mine")) as base_url:
    client = openai.OpenAI(base_url=base_url, api_key="none")
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from toolfinch.caller import ToolCaller
from toolfinch.callers.local import LocalCaller
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.serve.app import create
from toolfinch.serve.drain import server
from toolfinch.serve.escalate import Gated
from toolfinch.serve.keys import Keys
from toolfinch.serve.keys import read as read_keys
from toolfinch.serve.limits import Limits
from toolfinch.serve.retrieving import Retrieving
from toolfinch.serve.stack import Stack, assemble, innermost
from toolfinch.serve.telemetry import Telemetry
from toolfinch.serve.telemetry import configured as telemetry_configured
from toolfinch.serve.trace import Trace

REMOTE_PARALLEL = 64
"""Requests at once to a caller that only passes them on."""


def serve(
    model: str,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    dialect: str | None = None,
    format: str = "",
    device: str = "",
    context: int = 8192,
    n_threads: int = 0,
    live: int = 4,
    prefixes: Path | None = None,
    stack: Stack = Stack(),
    trace: Path | None = None,
    api_keys: Path | None = None,
    limits: Limits = Limits(),
) -> None:
    """Serve a model until Ctrl-C or SIGTERM, which end it cleanly; what `load` takes is for it, `stack` is what stands
    around it.

    `trace` is a file that every finished reply is appended to, `api_keys` one with the keys that are let in. They are
    opened, and the port taken, before the model is loaded, so what is wrong with them is known at once: UsageError
    naming it. Raises what `stack.assemble` raises.
    """
    keys, telemetry = read_keys(api_keys), telemetry_configured()
    listener = bind(host, port)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with listener, _opened(trace) as written:
            caller = assemble(
                model,
                dialect,
                stack,
                _say,
                format=format,
                device=device,
                context=context,
                n_threads=n_threads,
                live=live,
                prefixes=prefixes,
            )
            front = create(
                caller,
                parallel=_parallel(caller),
                limits=limits,
                keys=keys,
                trace=written,
                telemetry=telemetry,
            )
            _say(f"serving {caller.name} at {_url(listener)}")
            if not keys and not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
                _say(f"whoever reaches {host} may use it: there are no API keys")
            server(front, limits.grace_s).run(sockets=[listener])
    except KeyboardInterrupt:
        _say("stopped")
    finally:
        signal.signal(signal.SIGTERM, previous)
        if telemetry is not None:
            telemetry.close()


@contextlib.contextmanager
def background(
    caller: ToolCaller,
    port: int = 0,
    *,
    trace: Path | None = None,
    limits: Limits = Limits(),
    keys: Keys | None = None,
    telemetry: Telemetry | None = None,
) -> Iterator[str]:
    """Serve in a thread on this machine's loopback, on a free port by default; gives the base URL."""
    with bind("127.0.0.1", port) as listener, _opened(trace) as written:
        front = create(
            caller,
            parallel=_parallel(caller),
            limits=limits,
            keys=keys,
            trace=written,
            telemetry=telemetry,
        )
        running = server(front, limits.grace_s)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        url = _url(listener)
        thread.start()
        try:
            while not running.started:
                if not thread.is_alive():
                    raise ToolfinchError(f"the server at {url} did not start")
                time.sleep(0.005)
            yield url
        finally:
            running.should_exit = True
            thread.join()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UsageError naming the port that is in use or may not be taken."""
    if not 0 <= port < 1 << 16:
        raise UsageError(f"port {port}: expected 0 (any free one) to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"{host}:{port}: no such address ({error})") from error
    try:
        if os.name != "nt":  # there it would let two servers have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)  # a second server is refused from here on, not only once the model is loaded
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"port {port} on {host} is in use", hint="choose another: --port") from error
        raise UsageError(f"port {port} on {host} cannot be taken ({error})") from error
    return listener


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[Trace | None]:
    trace = None if path is None else Trace(path)
    try:
        yield trace
    finally:
        if trace is not None:
            trace.close()


def _parallel(caller: ToolCaller) -> int:
    """Replies at once: those that an engine here makes together, and so many as may be under way to an endpoint."""
    model = innermost(caller)
    here = model.live if isinstance(model, LocalCaller) else int(getattr(model, "slots", REMOTE_PARALLEL))
    behind = caller.caller if isinstance(caller, Retrieving) else caller
    escalates = isinstance(behind, Gated) and behind.big is not None
    return here + REMOTE_PARALLEL if escalates else here


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(f"toolfinch: {line}", file=sys.stderr, flush=True)
