"""Would break: the process around the server: its port, its end, and where its callers run."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from test_serve import ASK, HTTP, OPENAI_TOOLS, Failing, Replay, _calls, served
from toolfinch.caller import Decoding, Reply
from toolfinch.callers.load import load
from toolfinch.decode.engine import ContextError
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.message import Message, ToolCall, assistant
from toolfinch.serve.run import background, bind
from toolfinch.tool import Tool


def test_a_port_in_use_is_named() -> None:
    """The model would load for a minute before a traceback says so."""
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is in use"):
            bind("127.0.0.1", port)
    with pytest.raises(UsageError, match="70000"):
        bind("127.0.0.1", 70000)
    with pytest.raises(UsageError, match="nowhere"):
        bind("host.nowhere.invalid", 80)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "streaming"])
def test_signals_end_the_server_cleanly(ending: signal.Signals, busy: bool) -> None:
    """A traceback, a hang, or an exit code that a supervisor takes for a crash."""
    code = (
        "import sys, toolfinch.serve.run as run, toolfinch.serve.stack as stack, test_serve as t\n"
        "stack.load = lambda *_, **how: t.Replay(t.assistant('word ' * 5000), pause_s=0.01)\n"
        "run.serve('x', port=0, limits=run.Limits(grace_s=0.2))"
    )
    paths = [str(Path(__file__).parent), *sys.path]
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("toolfinch: serving replay at http://127.0.0.1:")
    base = line.split()[-1]
    while True:
        try:
            HTTP.get(base.replace("/v1", "/healthz"))
            break
        except httpx.TransportError:
            time.sleep(0.02)
    if busy:
        with HTTP.stream(
            "POST", f"{base}/chat/completions", json={"messages": ASK, "stream": True}
        ) as stream:
            pieces = stream.iter_raw()  # closed with the last reference to it, and with it the connection
            next(pieces)
            process.send_signal(ending)
            rest = process.communicate(timeout=60)[1]
            *_, last, done, after = b"".join(pieces).split(b"\n\n")
        error = json.loads(last.removeprefix(b"data: "))["error"]
        assert (error["code"], done, after) == ("stopping", b"data: [DONE]", b"")
    else:
        process.send_signal(ending)
        rest = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert "Traceback" not in rest
    lines = rest.splitlines()
    assert lines.pop() == "toolfinch: stopped"
    said = "toolfinch: stopping; requests under way: 1, given 0.2 s; again to cut them off"
    assert lines[:1] == [said] * busy and "Error" not in rest and len(lines) <= 1 + busy


class OnLoop:
    """A caller of the server's own event loop, as one that only passes requests on may be."""

    name = "on-loop"
    slots = 1

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.at_work = self.most = self.cancelled = 0

    async def reply_async(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding
    ) -> Reply:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        try:
            await self.release.wait()
            if messages[-1].content == "fail":
                raise ToolfinchError("the endpoint is broken")
            return Reply(assistant("hi", ToolCall("stop", {})), stop="tool_calls")
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_work -= 1

    def reply(self, *given: Any) -> Reply:
        raise AssertionError("not in a thread")


def test_a_caller_of_the_servers_loop_needs_no_thread_and_is_cancelled() -> None:
    caller = OnLoop()
    with served(caller) as client:
        url = str(client.base_url)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}chat/completions", json={"messages": ASK}, timeout=httpx.Timeout(20, read=0.2))
        while not caller.cancelled:
            time.sleep(0.01)
        caller.release._value = True  # of another thread's loop: nobody waits for it now
        for stream in (False, True):
            how: dict[str, Any] = {"model": "on-loop", "messages": ASK}
            if stream:
                with client.chat.completions.stream(**how) as events:
                    for _ in events:
                        pass
                    said = events.get_final_completion().choices[0].message
            else:
                said = client.chat.completions.create(**how).choices[0].message
            assert (said.content, _calls(said.tool_calls)) == ("hi", [("stop", {})])
        answer = HTTP.post(f"{url}chat/completions", json={"messages": [{"role": "user", "content": "fail"}]})
        assert answer.status_code == 500 and "endpoint is broken" in answer.text
    assert caller.most == 1


def test_an_endpoint_is_passed_on_to_by_its_models_name() -> None:
    """Its address is nobody's business; what it refuses as too long is refused as too long."""
    turn = assistant("On it.", ToolCall("set_alarm", {"at": "07:30"}))
    with background(Replay(turn)) as far, served(load(f"{far}#replay")) as client:
        assert [model.id for model in client.models.list()] == ["replay"]
        for stream in (False, True):
            answer = HTTP.post(
                f"{client.base_url}chat/completions",
                json={"model": "replay", "messages": ASK, "tools": OPENAI_TOOLS, "stream": stream},
            )
            assert answer.status_code == 200 and "07:30" in answer.text
            assert far not in answer.text
    with background(Failing(ContextError(900, 512))) as far, served(load(f"{far}#failing")) as client:
        with pytest.raises(
            openai.APIStatusError, match=r"900 tokens and the model's context is 512"
        ) as refused:
            client.chat.completions.create(model="failing", messages=ASK)
        assert (refused.value.status_code, refused.value.code) == (413, "context_length_exceeded")
