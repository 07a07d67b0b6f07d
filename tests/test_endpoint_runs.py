"""Runs against endpoints over real sockets: at once and in order, killed and resumed, stopped where nobody answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from test_endpoint import (
    ASK,
    HTML,
    TOOLS,
    Handler,
    Server,
    Turn,
    caller,
    example,
    fails,
    hangs_up,
    says,
    serving,
    slow,
)
from toolfinch.caller import Decoding, Reply
from toolfinch.callers import http
from toolfinch.callers.load import load
from toolfinch.callers.openai import IN_A_ROW
from toolfinch.errors import EndpointGone, UsageError
from toolfinch.evaluate.played import Outcome
from toolfinch.evaluate.run import play, run
from toolfinch.example import Example
from toolfinch.message import assistant, user


def echoes(to: Handler, request: dict[str, Any]) -> None:
    says(f"you said {request['messages'][-1]['content']}")(to, request)


def test_cases_run_at_once_and_stay_in_order(tmp_path: Path) -> None:
    """One at a time a suite takes hours; out of order replies are scored against other examples."""

    def uneven(to: Handler, request: dict[str, Any]) -> None:
        time.sleep(0.02 * (7 - int(request["messages"][-1]["content"]) % 8))
        echoes(to, request)

    with serving(uneven) as server:
        results = run(
            caller(server), [example(i) for i in range(24)], tmp_path, concurrency=8, progress=False
        )
        assert 2 <= server.most <= 8
        again = run(caller(server), [example(i) for i in range(24)], tmp_path, concurrency=8, progress=False)
        assert len(server.asked) == 24
    assert [r.reply.message.content for r in results] == [f"you said {i}" for i in range(24)]
    assert [r.reply for r in again] == [r.reply for r in results]
    assert len((tmp_path / "results.jsonl").read_bytes().splitlines()) == 24


class Twice:
    """A played suite: two requests a case, of which the first is the same in all of them."""

    @staticmethod
    def play(asking: Any, case: Example, decoding: Decoding) -> Outcome:
        first = asking.reply((user("first"),), TOOLS, decoding)
        second = asking.reply((user("first"), first.message, *case.messages), TOOLS, decoding)
        return Outcome(case.id, "s", case.id, TOOLS, case.messages, (first, second), None, "")


def test_a_played_suite_shares_its_requests_between_threads(tmp_path: Path) -> None:
    """Cases that begin alike would each pay for the same request."""
    cases = [example(i) for i in range(6)]
    with serving(slow(0.05, echoes)) as server:
        outcomes = play(Twice, caller(server), cases, tmp_path, concurrency=6, progress=False)  # type: ignore[arg-type]
        assert len(server.asked) == 7 and server.most > 1
        play(Twice, caller(server), cases, tmp_path, progress=False)  # type: ignore[arg-type]
        assert len(server.asked) == 7
    assert [o.replies[1].message.content for o in outcomes] == [f"you said {i}" for i in range(6)]


RUN = """
import sys
from pathlib import Path
from toolfinch.callers.load import load
from toolfinch.evaluate.run import run
from test_endpoint import example
print("go", flush=True)
run(load(sys.argv[1] + "#m"), [example(i) for i in range(40)], Path(sys.argv[2]), concurrency=4)
"""


def start(server: Server, out: Path) -> subprocess.Popen[str]:
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent / "src")])}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, server.url, str(out)],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "go\n"
    return process


def kept(out: Path) -> int:
    path = out / "results.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_asks_only_for_what_is_missing(tmp_path: Path, how: signal.Signals) -> None:
    """Paid requests lost with the process that made them; or a Ctrl-C that waits for a request that hangs."""
    hang = threading.Event()

    def sometimes(to: Handler, request: dict[str, Any]) -> None:
        if int(request["messages"][-1]["content"]) >= 12:
            hang.wait(60)
        echoes(to, request)

    with serving(sometimes) as server:
        process = start(server, tmp_path)
        began = time.monotonic()
        while kept(tmp_path) < 12 or len(server.asked) < 16:
            assert time.monotonic() - began < 60
            time.sleep(0.005)
        process.send_signal(how)
        _, said = process.communicate(timeout=45)  # the request hangs for 60
        if how == signal.SIGINT:
            assert "stopped: " in said and "of 40 done, kept in" in said and "Traceback" in said
            assert "Exception ignored" not in said and "Task was destroyed" not in said
        assert kept(tmp_path) == 12
        hang.set()
        results = run(
            caller(server), [example(i) for i in range(40)], tmp_path, concurrency=4, progress=False
        )
        assert len(server.asked) == 16 + 28 and kept(tmp_path) == 40
    assert [r.reply.message.content for r in results] == [f"you said {i}" for i in range(40)]


def test_nobody_there_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example would go through its retries against a closed port."""
    monkeypatch.setattr(http, "_backoff", lambda attempt: pytest.fail("it is tried again"))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/v1#m", f"http://localhost:{port}/v1"):
        with pytest.raises(UsageError, match=f":{port}/v1/models: cannot connect: Connection refused"):
            load(url)
    for url in ("http://", "http:///v1#m", "http://127.0.0.1:99999/v1"):
        with pytest.raises(UsageError, match="not a URL"):
            load(url)


GONE: list[tuple[Turn, str]] = [
    (hangs_up, "broke off"),
    (fails(401, {"error": "bad key"}), "bad key"),
    (fails(200, HTML), "Sign in"),
]


@pytest.mark.parametrize(("turn", "words"), GONE)
@pytest.mark.parametrize("concurrency", [1, 8])
def test_an_endpoint_that_is_gone_ends_the_run(
    turn: Turn, words: str, concurrency: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Thousands of examples against a dead server would take the night and give a page of errors."""
    examples = [example(i) for i in range(200)]
    with serving(*[echoes] * 10, turn) as server:
        with pytest.raises(EndpointGone, match=f"^20 requests in a row got no answer; the last: .*{words}"):
            run(caller(server), examples, tmp_path, concurrency=concurrency, progress=False)
        assert 10 + IN_A_ROW <= len(server.asked) < 60
    assert "of 200 done, kept in" in capsys.readouterr().err
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_bytes().splitlines()]
    assert sum(line["reply"]["stop"] == "stop" for line in lines) == 10


def test_errors_of_single_cases_do_not_end_the_run() -> None:
    """A server that refuses forty long prompts is not gone."""
    with serving(fails(400, {"error": "no"})) as server:
        results = run(caller(server), [example(i) for i in range(40)], concurrency=8, progress=False)
    assert all(r.reply.stop == "error" for r in results)
    with serving(hangs_up) as server:
        asking = caller(server)
        for _ in range(IN_A_ROW - 1):
            assert asking.reply(ASK, TOOLS).stop == "error"
        for between in (says(), fails(400, {"error": "no"})):
            server.turns = [between]
            asking.reply(ASK, TOOLS)
            server.turns = [hangs_up]
            for _ in range(IN_A_ROW - 1):
                assert asking.reply(ASK, TOOLS).stop == "error"


def test_a_callers_usage_error_ends_a_concurrent_run(tmp_path: Path) -> None:
    """The other threads would go on asking, and the results file would be written after it was closed."""

    class Wrong:
        name = "wrong"
        asked = 0

        def reply(self, messages: Any, tools: Any, decoding: Decoding = Decoding()) -> Reply:
            self.asked += 1
            if messages[-1].content == "3":
                raise UsageError("no such thing")
            time.sleep(0.02)
            return Reply(assistant("hi"))

    wrong = Wrong()
    with pytest.raises(UsageError, match="no such thing"):
        run(wrong, [example(i) for i in range(100)], tmp_path, concurrency=4, progress=False)
    time.sleep(0.3)
    assert wrong.asked < 12
    for line in (tmp_path / "results.jsonl").read_bytes().splitlines():
        json.loads(line)
