"""Endpoints asked on an event loop: what is cancelled ends, connections are kept and closed, limits hold.

Would break: a request that runs on at a paid endpoint when nobody waits for it any more; a connection for each request;
connections that a server leaves open at its end; a reply without end that fills the memory; a key that follows a redirect
to another host.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from test_endpoint import ASK, TOOLS, Handler, Way, caller, either_way, fails, says, serving
from toolfinch.caller import Decoding
from toolfinch.callers import http
from toolfinch.callers.openai import IN_A_ROW, OpenAICaller
from toolfinch.errors import EndpointGone
from toolfinch.serve.run import background

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "go"}]}).encode()


class Hangs:
    """A turn that answers nothing, and notices when the client goes away."""

    def __init__(self) -> None:
        self.asked, self.left = threading.Event(), threading.Event()

    def __call__(self, to: Handler, _: dict[str, Any]) -> None:
        self.asked.set()
        to.connection.settimeout(10)
        if to.connection.recv(1) == b"":
            self.left.set()
        to.close_connection = True


def run(work: Callable[[], Any]) -> Any:
    async def then_close() -> Any:
        try:
            return await work()
        finally:
            await http.close()

    return asyncio.run(then_close())


def test_cancelling_ends_the_request() -> None:
    hangs = Hangs()
    with serving(hangs) as server:
        asking = caller(server, timeout_s=60)

        async def cancel() -> None:
            task = asyncio.create_task(asking.reply_async(ASK, TOOLS))
            await asyncio.to_thread(hangs.asked.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(hangs.left.wait, 10)

        run(cancel)


@pytest.mark.parametrize("choices", [1, 2])
def test_a_client_that_hangs_up_ends_the_request_behind_the_server(choices: int) -> None:
    hangs = Hangs()
    with serving(hangs) as server, background(caller(server, timeout_s=60)) as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        body = json.dumps({**json.loads(BODY), "n": choices}).encode()
        with socket.create_connection(("127.0.0.1", port)) as client:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            assert hangs.asked.wait(10)
        assert hangs.left.wait(10)


def test_connections_are_kept_on_one_loop_and_made_anew_on_the_next() -> None:
    """A handshake for each request; or connections of a loop that is closed, which answer nothing."""
    ports: list[int] = []

    def look(to: Handler, request: dict[str, Any]) -> None:
        ports.append(to.client_address[1])
        says()(to, request)

    with serving(look) as server:
        asking = caller(server)

        async def some() -> list[str]:
            return [(await asking.reply_async(ASK, TOOLS)).stop for _ in range(3)]

        assert run(some) == run(some) == ["stop"] * 3
    assert ports[0] == ports[1] == ports[2] != ports[3] == ports[4] == ports[5]


def test_many_at_once_share_a_loop() -> None:
    def echoes(to: Handler, request: dict[str, Any]) -> None:
        time.sleep(0.05)
        says(str(request["seed"]))(to, request)

    with serving(echoes) as server:
        asking = caller(server)

        async def many() -> list[str]:
            each = (asking.reply_async(ASK, TOOLS, Decoding(seed=i)) for i in range(64))
            return [reply.message.content for reply in await asyncio.gather(*each)]

        assert run(many) == [str(i) for i in range(64)]
        assert server.most > 8


def test_a_server_that_ends_closes_its_connections() -> None:
    """A supervisor that starts servers anew would run out of descriptors."""
    import httpx

    before = set(http._sessions)
    with serving(says()) as server:
        with background(caller(server)) as url:
            answer = httpx.post(f"{url}/chat/completions", content=BODY)
            assert answer.json()["choices"][0]["message"]["content"] == "hi"
            (session,) = (http._sessions[loop] for loop in set(http._sessions) - before)
        assert session.closed and set(http._sessions) == before


@either_way
@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_without_end_is_not_kept(way: Way, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_BYTES", 100_000)
    body = b" " * 2_000_000
    turn = fails(200, gzip.compress(body), Content_Encoding="gzip") if packed else fails(200, body)
    with serving(turn) as server:
        reply = caller(server, way).reply(ASK, TOOLS)
    assert reply.stop == "error" and "longer than 100000 bytes" in reply.error


@either_way
def test_a_key_does_not_follow_to_another_host(way: Way) -> None:
    heads: list[Any] = []

    def look(to: Handler, request: dict[str, Any]) -> None:
        heads.append(to.headers)
        says()(to, request)

    with serving(look) as other:
        to_other = fails(307, b"", Location=f"{other.url}/chat/completions")
        with serving(to_other) as server:
            assert caller(server, way, api_key="secret").reply(ASK, TOOLS).stop == "stop"
    assert heads and heads[0]["Authorization"] is None
    with serving(lambda to, _: to.answer(307, b"", Location=to.path)) as server:
        assert "redirects lead nowhere" in caller(server, way).reply(ASK, TOOLS).error


@either_way
def test_a_proxy_is_asked_where_the_environment_names_one(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines behind a firewall reach nothing without theirs."""
    paths: list[str] = []

    def look(to: Handler, request: dict[str, Any]) -> None:
        paths.append(to.path)
        says()(to, request)

    with serving(look) as server:
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        url = "http://endpoint.invalid/v1"
        assert way(url, "m", retries=0, timeout_s=5).reply(ASK, TOOLS).stop == "stop"
        assert caller(server, way).reply(ASK, TOOLS).stop == "stop"
    assert paths == [f"{url}/chat/completions", "/v1/chat/completions"]


@either_way
def test_a_name_and_password_in_the_url_are_sent_in_place_of_a_key(way: Way) -> None:
    heads: list[Any] = []

    def look(to: Handler, request: dict[str, Any]) -> None:
        heads.append(to.headers["Authorization"])
        says()(to, request)

    with serving(look) as server:
        asking = way(server.url.replace("//", "//me:s%2Fx@"), "m", retries=0)
        assert asking.reply(ASK, TOOLS).stop == "stop"
    assert heads == ["Basic " + base64.b64encode(b"me:s/x").decode()]


def test_an_endpoint_that_has_gone_since_is_an_outcome() -> None:
    with serving(says()) as server:
        asking: OpenAICaller = caller(server)
    server.server_close()
    reply = run(lambda: asking.reply_async(ASK, TOOLS))
    assert reply.stop == "error" and "cannot connect: Connection refused" in reply.error


def test_an_endpoint_that_is_gone_is_said_on_a_loop_too() -> None:
    with serving(fails(401, {"error": "bad key"})) as server:
        asking = caller(server)

        async def all_but_one() -> None:
            for _ in range(IN_A_ROW - 1):
                assert (await asking.reply_async(ASK, TOOLS)).stop == "error"
            with pytest.raises(
                EndpointGone, match=r"20 requests in a row got no answer; the last: .*bad key"
            ):
                await asking.reply_async(ASK, TOOLS)

        run(all_but_one)
