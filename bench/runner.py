"""What a run costs beside the model: milliseconds a case against an endpoint that answers at once, from another process.

    python bench/runner.py [CASES] [CONCURRENCY]

Ours is `evaluate.run`: the request, retries and deadline, the reply read and scored, a line in `results.jsonl`.
The peer is the official `openai` client driven by a plain ThreadPoolExecutor, which keeps and scores nothing.
Both are asked in turn, five times, with the same requests; the middle of the five is printed, with the ratio.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import openai

from toolfinch.callers.openai import OpenAICaller
from toolfinch.evaluate.run import run
from toolfinch.evaluate.suite import load
from toolfinch.example import Example
from toolfinch.message import to_openai, user
from toolfinch.tool import to_openai as tool_to_openai

ROUNDS = 5
CALL = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
MESSAGE = {"role": "assistant", "content": None, "tool_calls": [CALL]}
BODY = msgspec.json.encode(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)


class Instant(asyncio.Protocol):
    """As little HTTP as will do, so that the server is not what is measured."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.pending = transport, b""

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n") + 4) > 3:
            head = self.pending[:end].lower()
            length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            if len(self.pending) < end + int(length or 0):
                return
            self.pending = self.pending[end + int(length or 0) :]
            self.transport.write(ANSWER)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Instant, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def different(examples: list[Example], cases: int, turn: int) -> list[Example]:
    """So many requests that no run has made before, as real ones are: several tools, a conversation."""
    out = []
    for i in range(cases):
        example = examples[i % len(examples)]
        messages = (*example.messages, user(f"{turn} {i}"))
        out.append(msgspec.structs.replace(example, id=f"{turn}/{i}", messages=messages))
    return out


def main(cases: int = 1000, concurrency: int = 16) -> None:
    suite = load("scenarios_200")
    with (
        subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as out,
        ThreadPoolExecutor(concurrency) as pool,
    ):
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        caller = OpenAICaller(url, "m")
        client = openai.OpenAI(base_url=url, api_key="none")

        def ours(examples: list[Example]) -> None:
            run(caller, examples, Path(out), concurrency=concurrency, progress=False)

        def peer(examples: list[Example]) -> None:
            list(pool.map(ask, examples))

        def ask(example: Example) -> object:
            messages: list[Any] = [to_openai(message) for message in example.messages]
            tools: list[Any] = [tool_to_openai(tool) for tool in example.tools]
            return client.chat.completions.create(
                model="m", messages=messages, tools=tools, max_tokens=512, temperature=0, seed=0
            )

        took: dict[str, list[tuple[float, float]]] = {"toolfinch": [], "openai": []}
        for turn in range(ROUNDS + 1):
            examples = different(suite, cases, turn)
            for name, work in (("toolfinch", ours), ("openai", peer)):
                wall, cpu = time.perf_counter(), time.process_time()
                work(examples)
                spent = (time.perf_counter() - wall, time.process_time() - cpu)
                if turn:  # the first warms up
                    took[name].append((spent[0] / cases * 1e3, spent[1] / cases * 1e3))
        server.terminate()
    print(f"{cases} cases, {concurrency} at a time, an instant endpoint in another process")
    middles = {}
    for name, times in took.items():
        walls, cpus = zip(*times, strict=True)
        middles[name] = statistics.median(walls)
        print(
            f"{name:>10}: {middles[name]:.2f} ms a case ({min(walls):.2f} to {max(walls):.2f}), "
            f"{statistics.median(cpus):.2f} ms of CPU"
        )
    print(f"     ratio: {middles['toolfinch'] / middles['openai']:.2f}")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        main(*map(int, sys.argv[1:]))
