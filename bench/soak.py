"""A server under more requests than it can take, among clients that behave badly: is every reply right, and memory flat?

    python bench/soak.py [MODEL] [--minutes 30] [--clients 96] [--json]

Starts `toolfinch serve MODEL` (the packaged model by default) and asks each of a few requests alone: greedy, these are the replies that
all later ones must equal. Then for so many minutes, all at the same time:

- CLIENTS well-behaved ones, half of them streaming; more than the queue holds. Each wants a right reply, or 429.
- such as go away before or in the middle of a reply; such as send half a request, or read nothing of a stream, and stay;
- such as send broken JSON (400), a request that is wrong (400), and bodies of 10 MB (413).

Each minute a line: memory of the process (RSS), and what the clients had so far. `wrong` is a reply that differs from the reference;
`lost` one that did not come, or not with an expected status. Ends with 1 if there was any, or if memory grew by more than a tenth
after the first third.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx

from overhead import free_port, started
from toolfinch.evaluate.suite import load as suite
from toolfinch.message import to_openai
from toolfinch.tool import to_openai as tool_to_openai

DIFFERENT = 12
"""Requests whose replies are known."""
MAX_TOKENS = 96
GROWTH = 1.1
BAD = {
    "goes away": 8,
    "reads a little": 8,
    "stalls": 8,
    "reads nothing": 4,
    "broken": 4,
    "wrong": 4,
    "large": 2,
}
"""How many clients of each kind behave badly."""

Turn = tuple[str, tuple[tuple[str, str], ...], str]
"""Words, calls with their arguments as JSON in a fixed order, finish reason."""


def requests() -> list[dict[str, Any]]:
    """Greedy, with tools, of different lengths."""
    cases = suite("scenarios_200")
    out = []
    for case in cases[:: max(1, len(cases) // DIFFERENT)][:DIFFERENT]:
        out.append(
            {
                "messages": [to_openai(message) for message in case.messages],
                "tools": [tool_to_openai(tool) for tool in case.tools],
                "temperature": 0,
                "max_tokens": MAX_TOKENS,
            }
        )
    return out


def turn_of(body: Any) -> Turn:
    (choice,) = body["choices"]
    message = choice["message"]
    calls = [(c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls") or ()]
    return _turn(message.get("content") or "", calls, choice["finish_reason"])


def _turn(content: str, calls: list[tuple[str, str]], finish: str) -> Turn:
    same = tuple((name, json.dumps(json.loads(text), sort_keys=True)) for name, text in calls)
    return content, same, finish


async def streamed(response: httpx.Response) -> Turn:
    """The turn that a stream adds up to. Raises ValueError where it breaks off."""
    content, finish, done = "", "", False
    calls: dict[int, tuple[str, str]] = {}
    async for line in response.aiter_lines():
        if not line.startswith("data: "):
            continue
        if line == "data: [DONE]":
            done = True
            break
        event = json.loads(line.removeprefix("data: "))
        if "error" in event:
            raise ValueError(event["error"])
        for choice in event["choices"]:
            delta = choice["delta"]
            content += delta.get("content") or ""
            for part in delta.get("tool_calls") or ():
                name, text = calls.get(part["index"], ("", ""))
                function = part["function"]
                calls[part["index"]] = (
                    name + (function.get("name") or ""),
                    text + (function.get("arguments") or ""),
                )
            finish = choice["finish_reason"] or finish
    if not done:
        raise ValueError("the stream broke off")
    return _turn(content, [calls[index] for index in sorted(calls)], finish)


class Soak:
    """The clients, and what they had."""

    def __init__(self, port: int, asked: list[dict[str, Any]], references: list[Turn]) -> None:
        self.url = f"http://127.0.0.1:{port}/v1/chat/completions"
        self.port = port
        self.had: Counter[str] = Counter()
        self.examples: list[str] = []
        self._asked, self._references = asked, references
        self._random = random.Random(5)

    async def good(self, http: httpx.AsyncClient) -> None:
        number = self._random.randrange(len(self._asked))
        request, stream = self._asked[number], self._random.random() < 0.5
        try:
            async with http.stream("POST", self.url, json={**request, "stream": stream}) as response:
                if response.status_code == 429:
                    self.had["refused"] += 1
                    wait = float(response.headers["retry-after"])
                elif response.status_code != 200:
                    body = (await response.aread()).decode("utf-8", "replace")
                    self._lost(f"request {number}, stream {stream}: {response.status_code} {body[:200]}")
                    return
                else:
                    turn = await streamed(response) if stream else turn_of(json.loads(await response.aread()))
                    if turn != self._references[number]:
                        self.had["wrong"] += 1
                        self._note(
                            f"request {number}, stream {stream}: {turn} for {self._references[number]}"
                        )
                    else:
                        self.had["right"] += 1
                    return
        except (httpx.HTTPError, ValueError, KeyError) as error:
            self._lost(f"request {number}, stream {stream}: {type(error).__name__} {error}")
            return
        await asyncio.sleep(min(wait, 2) * self._random.random())

    async def bad(self, kind: str) -> None:
        request = {**self._random.choice(self._asked), "stream": kind in ("reads a little", "reads nothing")}
        body, wanted = json.dumps(request).encode(), 0
        if kind == "broken":
            body, wanted = body[: self._random.randrange(1, len(body))], 400
        elif kind == "wrong":
            body, wanted = json.dumps({**request, "messages": "hello"}).encode(), 400
        elif kind == "large":
            body, wanted = json.dumps({**request, "user": "x" * 10_000_000}).encode(), 413
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        come, go = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            go.write(head.encode())
            if kind == "stalls":
                go.write(body[: len(body) // 2])
                await asyncio.sleep(self._random.random() * 40)
            elif kind == "goes away":
                go.write(body)
                await asyncio.sleep(self._random.random() * 0.5)
            elif kind == "reads a little":
                go.write(body)
                await asyncio.wait_for(come.read(300), 60)
            elif kind == "reads nothing":
                go.write(body)
                await asyncio.sleep(self._random.random() * 20)
            else:
                go.write(body)
                with contextlib.suppress(ConnectionError):  # a server need not read 10 MB to refuse them
                    await go.drain()
                status = int((await asyncio.wait_for(come.readline(), 60)).split()[1])
                if status not in (wanted, 429):
                    self._lost(f"{kind}: {status}")
            self.had[kind] += 1
        except (ConnectionError, TimeoutError, IndexError) as error:
            if wanted and kind != "large":
                self._lost(f"{kind}: {type(error).__name__} {error}")
            else:
                self.had[f"{kind}, connection ended"] += 1
        finally:
            go.close()
        await asyncio.sleep(self._random.random())  # so that the others have turns, too

    def _lost(self, what: str) -> None:
        self.had["lost"] += 1
        self._note(what)

    def _note(self, what: str) -> None:
        if len(self.examples) < 10:
            self.examples.append(what)


def rss_mb(pid: int) -> float:
    """Of the process and its children."""
    own = float(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(map(rss_mb, map(int, children)))


async def soak(
    port: int, pid: int, minutes: float, clients: int, asked: list[dict[str, Any]]
) -> tuple[Soak, list[float]]:
    timeout = httpx.Timeout(600)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=clients)
    async with httpx.AsyncClient(timeout=timeout, limits=limits) as http:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        name = (await http.get(f"http://127.0.0.1:{port}/v1/models")).json()["data"][0]["id"]
        asked = [{"model": name, **request} for request in asked]
        alone = [turn_of((await http.post(url, json=request)).raise_for_status().json()) for request in asked]
        state = Soak(port, asked, alone)
        end = time.monotonic() + minutes * 60

        async def repeat(one: Callable[[], Coroutine[Any, Any, None]]) -> None:
            while time.monotonic() < end:
                await one()

        jobs = [asyncio.create_task(repeat(lambda: state.good(http))) for _ in range(clients)]
        kinds = itertools.chain.from_iterable([kind] * count for kind, count in BAD.items())
        jobs += [asyncio.create_task(repeat(lambda kind=kind: state.bad(kind))) for kind in kinds]  # type: ignore[misc]
        memory = [rss_mb(pid)]
        print(f"{0:5.1f} min: {memory[0]:.0f} MB after {len(asked)} requests alone", file=sys.stderr)
        began = time.monotonic()
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(60, left))
            memory.append(rss_mb(pid))
            since = (time.monotonic() - began) / 60
            print(f"{since:5.1f} min: {memory[-1]:.0f} MB, {dict(state.had)}", file=sys.stderr)
        await asyncio.gather(*jobs)
        after = [turn_of((await http.post(url, json=request)).raise_for_status().json()) for request in asked]
        state.had["right at the end"] += sum(a == b for a, b in zip(alone, after, strict=True))
    return state, memory


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="fledgling")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=96)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    port = free_port()
    command = [sys.executable, "-m", "toolfinch", "serve", given.model, "--port", str(port)]
    with started(command, port) as server:
        state, memory = asyncio.run(soak(port, server.pid, given.minutes, given.clients, requests()))
    settled = memory[max(1, len(memory) // 3)]
    grown = max(memory[len(memory) // 3 :]) / settled
    failed = state.had["wrong"] + state.had["lost"] > 0 or grown > GROWTH
    if given.json:
        print(json.dumps({"had": state.had, "rss_mb": memory, "grown": grown, "examples": state.examples}))
    else:
        print(
            f"had: {dict(state.had)}\nRSS in MB: {[round(mb) for mb in memory]}, {grown:.2f} times that of a third in"
        )
        for example in state.examples:
            print(f"  {example}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
