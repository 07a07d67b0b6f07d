"""What a server adds to an upstream that answers at once: milliseconds a request, alone and with 64 clients.

    python bench/overhead.py [--peer PYTHON] [--rounds 5] [--requests 300] [--json]

Clients ask an instant upstream directly (which is the limit: the same ASGI server, uvicorn, and nothing behind it), through
`toolfinch serve`, and through the LiteLLM proxy, if PYTHON is an interpreter of an environment with `litellm[proxy]`. All
have one worker process, and are asked by turns, over connections that stay open, with the same request: four tools, of which
the upstream calls one. What a server adds is its time less the direct one. Printed are medians over the rounds.

Left out: streams, and what the model takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

CLIENTS = 64
GOAL_MS, GOAL_SHARE = 1.0, 0.25
PATIENCE_S = 180

NAMES = ("get_weather", "set_alarm", "send_message", "play_music")
REQUEST = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "You call tools."},
        {"role": "user", "content": "Is it going to rain in Paris tomorrow?"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": "Does what its name says.",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}, "day": {"type": "string"}},
                    "required": ["city"],
                },
            },
        }
        for name in NAMES
    ],
}
ARGUMENTS = '{"city": "Paris", "day": "tomorrow"}'
CALL = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": ARGUMENTS}}
REPLY = msgspec.json.encode(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": None, "tool_calls": [CALL]},
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
)


async def instant(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application: reads the request, answers."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(REPLY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": REPLY})


class Client:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        body = msgspec.json.encode(REQUEST)
        self._port = port
        self._request = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer none\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    async def open(self) -> None:
        self._from, self._to = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self) -> tuple[float, bytes]:
        """Seconds, and the answer's body; OSError where it is not a 200."""
        began = time.perf_counter()
        self._to.write(self._request)
        head = (await self._from.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await self._from.readexactly(length)
        took = time.perf_counter() - began
        if not head.startswith(b"http/1.1 200"):
            status = head.split(maxsplit=2)[1].decode()
            raise OSError(f"{status}: {body[:200].decode('utf-8', 'replace')}")
        return took, body

    def close(self) -> None:
        self._to.close()


def right(body: bytes) -> None:
    (call,) = json.loads(body)["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather", body
    assert json.loads(call["function"]["arguments"]) == json.loads(ARGUMENTS), body


async def timed(port: int, clients: int, requests: int) -> list[float]:
    """Milliseconds of each of about so many requests, sorted."""

    async def one(client: Client) -> list[float]:
        await client.open()
        out = [(await client.ask())[0] * 1e3 for _ in range(requests // clients)]
        right((await client.ask())[1])
        client.close()
        return out

    each = await asyncio.gather(*(one(Client(port)) for _ in range(clients)))
    return sorted(ms for some in each for ms in some)


class Server(NamedTuple):
    port: int
    pid: int

    def cpu_ms(self) -> float:
        """Spent since its start, by its one process."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") * 1e3


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextlib.contextmanager
def started(command: list[str], port: int, **environment: str) -> Iterator[Server]:
    """A server, once it answers; ended afterwards."""
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, env={**os.environ, **environment}, stdout=said, stderr=said) as process,
    ):
        try:
            end = time.monotonic() + PATIENCE_S
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > end:
                    said.seek(0)
                    sys.exit(f"{' '.join(command)} does not answer:\n{said.read()[-2000:].decode()}")
                time.sleep(0.2)
            yield Server(port, process.pid)
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    """Whether there is anybody who speaks HTTP."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as asked:
            asked.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return asked.recv(5) == b"HTTP/"
    except OSError:
        return False


def litellm(python: str, upstream: int, port: int, folder: Path) -> list[str]:
    config = folder / "litellm.json"  # JSON is YAML
    to = {"model": "openai/m", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "none"}
    config.write_text(json.dumps({"model_list": [{"model_name": "m", "litellm_params": to}]}))
    server = Path(python).parent / "litellm"
    return [str(server), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]


def measure(servers: dict[str, Server], rounds: int, requests: int) -> dict[str, dict[str, float]]:
    """Medians over the rounds of p50, p99 and of the server's CPU time a request, all in milliseconds."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for turn in range(rounds + 1):
        for way, clients in (("alone", 1), (f"{CLIENTS} clients", CLIENTS)):
            for name, server in servers.items():
                before = server.cpu_ms()
                took = asyncio.run(timed(server.port, clients, max(requests, 4 * clients)))
                cpu = (server.cpu_ms() - before) / len(took)
                if turn:  # the first warms up
                    at = (took[len(took) // 2], took[len(took) * 99 // 100], cpu)
                    found.setdefault(f"{name}, {way}", []).append(at)
    keys = ("p50_ms", "p99_ms", "cpu_ms")
    return {
        what: dict(zip(keys, map(statistics.median, zip(*each, strict=True)), strict=True))
        for what, each in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", help="an interpreter with litellm[proxy]")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=300, help="a round")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream, ours, theirs = free_port(), free_port(), free_port()
        here = [sys.executable, __file__, "upstream", str(upstream)]
        servers = {"direct": stack.enter_context(started(here, upstream))}
        model = f"http://127.0.0.1:{upstream}/v1#m"
        serve = [sys.executable, "-m", "toolfinch", "serve", model, "--port", str(ours)]
        servers["toolfinch"] = stack.enter_context(started(serve, ours))
        if given.peer:
            command = litellm(given.peer, upstream, theirs, folder)
            plain = {  # no keys, as ours; nothing fetched, nothing told
                "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_TELEMETRY": "False",
            }
            servers["litellm"] = stack.enter_context(started(command, theirs, **plain))
        measured = measure(servers, given.rounds, given.requests)
    out: dict[str, Any] = dict(measured)
    for way in ("alone", f"{CLIENTS} clients"):
        limit = measured[f"direct, {way}"]
        for point in ("p50_ms", "p99_ms"):
            added = {
                name: measured[f"{name}, {way}"][point] - limit[point] for name in servers if name != "direct"
            }
            out[f"added {point}, {way}"] = added
            if "litellm" in added:
                out[f"ratio {point}, {way}"] = added["toolfinch"] / added["litellm"]
    if given.json:
        print(json.dumps(out))
        return
    for what, value in out.items():
        print(f"{what}: {value}")
    print(f"goals: added p50 under {GOAL_MS} ms, and under {GOAL_SHARE} of LiteLLM's")


def upstream_main(port: int) -> None:
    import uvicorn

    uvicorn.run(instant, host="127.0.0.1", port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    if sys.argv[1:2] == ["upstream"]:
        upstream_main(int(sys.argv[2]))
    else:
        main()
