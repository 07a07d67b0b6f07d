"""Would break: a server that takes on more than it can do, lets anybody in, logs what people said, or dies in the middle
of a reply."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from test_serve import ASK, OPENAI_TOOLS, Failing, Held, Replay
from toolfinch.caller import Delta, Reply
from toolfinch.cli.main import main
from toolfinch.errors import UsageError
from toolfinch.message import ToolCall, assistant
from toolfinch.serve import run
from toolfinch.serve.app import create
from toolfinch.serve.drain import server
from toolfinch.serve.keys import ENVIRONMENT, Keys
from toolfinch.serve.keys import read as read_keys
from toolfinch.serve.limits import Limits
from toolfinch.serve.run import background, bind
from toolfinch.serve.turns import Turns
from toolfinch.serve.wire import read_request
from toolfinch.serve.work import work

HTTP = httpx.Client(timeout=60, headers={"Connection": "close"})
CHAT = "/chat/completions"


class OneHeld(Held):
    """One reply at a time, each waiting to be released."""

    slots = 1

    def stream(self, *given: Any) -> Iterator[Delta | Reply]:
        before = self.at_work
        try:
            yield from super().stream(*given)
        finally:
            self.at_work = before


def until(true: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not come about"
        time.sleep(0.01)


def root(url: str) -> str:
    return url.removesuffix("/v1")


def metrics(url: str) -> dict[str, float]:
    """Samples by name and labels."""
    page = HTTP.get(f"{root(url)}/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(page.text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_one_more_than_may_wait_is_told_when_to_come_back() -> None:
    """Without an end to the line every client waits until it gives up, and the work is done for nobody."""
    caller = OneHeld()
    with background(caller, limits=Limits(queue=2)) as url, ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(HTTP.post, f"{url}{CHAT}", json={"messages": ASK}) for _ in range(3)]
        until(lambda: metrics(url)["toolfinch_requests_waiting"] == 2)
        assert metrics(url)["toolfinch_requests_in_flight"] == 4  # and this one
        for path, body in ((CHAT, {"messages": ASK}), ("/responses", {"input": "go"})):
            refused = HTTP.post(url + path, json=body)
            assert refused.status_code == 429
            assert 1 <= int(refused.headers["retry-after"]) <= 60
            error = refused.json()["error"]
            assert (error["type"], error["code"]) == ("rate_limit_error", "queue_full")
        assert HTTP.get(f"{root(url)}/healthz").status_code == 200
        caller.release.set()
        assert [answer.result().status_code for answer in asked] == [200] * 3
        assert metrics(url)["toolfinch_requests_waiting"] == 0


def test_choices_of_a_request_that_was_let_in_wait_whatever_the_line() -> None:
    caller = OneHeld()
    caller.release.set()
    with background(caller, limits=Limits(queue=0)) as url:
        answer = HTTP.post(f"{url}{CHAT}", json={"messages": ASK, "n": 3})
    assert answer.status_code == 200 and len(answer.json()["choices"]) == 3


def test_who_hangs_up_in_the_line_leaves_it() -> None:
    caller = OneHeld()
    with background(caller, limits=Limits(queue=1)) as url, ThreadPoolExecutor(1) as pool:
        first = pool.submit(HTTP.post, f"{url}{CHAT}", json={"messages": ASK})
        assert caller.started.wait(20)
        for _ in range(3):
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{url}{CHAT}", json={"messages": ASK}, timeout=httpx.Timeout(20, read=0.1))
            until(lambda: metrics(url)["toolfinch_requests_waiting"] == 0)
        caller.release.set()
        assert first.result().status_code == 200
    assert len(caller.asked) == 1, "nothing is made for who has gone"


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_takes_too_long_is_a_504_and_its_work_stops(stream: bool) -> None:
    caller = OneHeld()
    with background(caller, limits=Limits(request_s=0.2)) as url:
        answer = HTTP.post(f"{url}{CHAT}", json={"messages": ASK, "stream": stream})
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
        caller.release.set()
        assert caller.closed.wait(20)
        assert HTTP.post(f"{url}{CHAT}", json={"messages": ASK}).status_code == 200


def test_a_stream_that_takes_too_long_says_so_in_its_last_event() -> None:
    caller = Replay(assistant("word " * 2000), pause_s=0.02)
    with background(caller, limits=Limits(request_s=0.4)) as url:
        answer = HTTP.post(f"{url}{CHAT}", json={"messages": ASK, "stream": True})
        assert caller.closed.wait(5), "nobody is there any more to read it"
        caller.closed.clear()
        other = HTTP.post(f"{url}/responses", json={"input": "go", "stream": True})
        assert caller.closed.wait(5)
    *_, last, done = answer.text.strip().split("\n\n")
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "timeout"
    assert done == "data: [DONE]"
    assert other.text.strip().split("\n\n")[-1].startswith("event: response.failed")
    assert caller.made < 500


def test_work_that_cannot_be_stopped_at_once_keeps_its_turn() -> None:
    """Else every client that hangs up while a prompt is read would start one more thread beside it."""
    caller = OneHeld()
    asked = read_request(json.dumps({"messages": ASK}).encode())

    async def main() -> None:
        turns = Turns(1, 8)

        async def ask(seconds: float) -> None:
            async with asyncio.timeout(seconds):
                async for _ in work(caller, asked, turns, asyncio.get_running_loop().time() + 60):
                    pass

        for _ in range(3):
            with pytest.raises(TimeoutError):
                await ask(0.05)
        assert caller.at_work == 1
        caller.release.set()
        await ask(20)

    asyncio.run(main())
    assert caller.most == 1


@pytest.mark.parametrize("size", [1001, 7000, 40_000])
def test_a_body_that_is_too_large_is_refused_with_counts_even_while_it_is_being_sent(size: int) -> None:
    with background(Replay(), limits=Limits(body_bytes=1000)) as url:
        answer = HTTP.post(f"{url}{CHAT}", content=b" " * size)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (413, "body_too_large")
        assert error["counts"]["limit"] == 1000 < error["counts"]["bytes"] <= size
        assert HTTP.post(f"{url}{CHAT}", json={"messages": ASK}).status_code == 200


def test_a_client_that_stalls_in_its_body_is_let_go() -> None:
    with background(Replay(), limits=Limits(body_s=0.2)) as url:
        with socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0)) as client:
            client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
            assert b" 408 " in client.makefile("rb").readline()
        until(lambda: metrics(url)["toolfinch_requests_in_flight"] == 1)


@contextmanager
def stopped_by_hand(caller: Any, grace_s: float) -> Iterator[tuple[str, Any, threading.Thread]]:
    """A server in a thread, as `serve` runs it, whose signals are called by hand."""
    with bind("127.0.0.1", 0) as listener:
        front = create(caller, parallel=4)
        running = server(front, grace_s)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until(lambda: running.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", running, thread
        caller.release.set()
        running.should_exit = True
        thread.join(20)


def test_a_server_that_stops_finishes_what_it_has_begun_and_begins_nothing() -> None:
    """A rollout would cut replies in half, or send requests to a server that is gone."""
    caller = Held()
    with stopped_by_hand(caller, 30) as (url, running, thread), ThreadPoolExecutor(1) as pool:
        assert HTTP.get(f"{root(url)}/readyz").json() == {"status": "ready", "model": "replay"}
        under_way = pool.submit(HTTP.post, f"{url}{CHAT}", json={"messages": ASK})
        assert caller.started.wait(20)
        running.handle_exit(15, None)
        time.sleep(0.3)
        ready = HTTP.get(f"{root(url)}/readyz")
        assert (ready.status_code, ready.json()) == (503, {"status": "stopping"})
        late = HTTP.post(f"{url}{CHAT}", json={"messages": ASK})
        assert (late.status_code, late.json()["error"]["code"]) == (503, "stopping")
        assert int(late.headers["retry-after"]) > 0
        assert HTTP.get(f"{root(url)}/healthz").status_code == 200
        caller.release.set()
        assert under_way.result().status_code == 200
        thread.join(20)
        assert not thread.is_alive()
        running._captured_signals.clear()


@pytest.mark.parametrize("again", [False, True], ids=["time of grace", "second signal"])
def test_what_does_not_end_is_cut_off(again: bool) -> None:
    caller = Held()
    with (
        stopped_by_hand(caller, 60 if again else 0.2) as (url, running, thread),
        ThreadPoolExecutor(1) as pool,
    ):
        cut = pool.submit(HTTP.post, f"{url}{CHAT}", json={"messages": ASK})
        assert caller.started.wait(20)
        half = socket.create_connection(("127.0.0.1", int(url.split(":")[2].split("/")[0])), timeout=20)
        half.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        until(lambda: running.config.app.in_flight == 2)
        running.handle_exit(15, None)
        if again:
            running.handle_exit(2, None)
        said = half.recv(4096)
        thread.join(20)
        assert not thread.is_alive()
        half.close()
        assert said.startswith(b"HTTP/1.1 503 ") and b'"stopping"' in said
        answer = cut.result()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stopping")
        assert int(answer.headers["retry-after"]) > 0
        running._captured_signals.clear()


KEYED = (
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/responses"),
    ("GET", "/v1/models"),
    ("GET", "/metrics"),
)


@pytest.mark.parametrize(
    "sent", ["", "Bearer", "Bearer nope", "Bearer  one", "bearer two", "Basic one", "one"]
)
def test_only_who_has_a_key_gets_in(sent: str) -> None:
    valid = sent in ("Bearer  one", "bearer two")
    headers = {"Authorization": sent} if sent else {}
    with background(Replay(), keys=Keys(["one", "two"])) as url:
        for method, path in (*KEYED, ("GET", "/other")):
            answer = HTTP.request(method, root(url) + path, headers=headers)
            assert (answer.status_code != 401) == valid, path
            if not valid:
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.json()["error"]["code"] == "invalid_api_key"
        for path in ("/healthz", "/readyz"):
            assert HTTP.get(root(url) + path).status_code == 200


def test_keys_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys"
    path.write_text("# ours\n\nfirst\n  second  \n")
    keys = read_keys(path)
    assert keys.admit("/v1/models", b"Bearer second") and not keys.admit("/v1/models", b"Bearer # ours")
    assert read_keys(None).admit("/v1/models", b"")
    monkeypatch.setenv(ENVIRONMENT, "a, b")
    assert read_keys(None).admit("/v1/models", b"Bearer b") and not read_keys(None).admit("/v1/models", b"")


@pytest.mark.parametrize("content", [None, b"", b"# none\n", b"\xff\xfe"])
def test_a_file_without_keys_lets_nobody_start(tmp_path: Path, content: bytes | None) -> None:
    """It would let everybody in."""
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"--api-key-file .*keys: "):
        read_keys(path)


def test_an_empty_environment_variable_lets_nobody_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, " ,")
    with pytest.raises(UsageError, match=ENVIRONMENT):
        read_keys(None)


def test_pages_from_elsewhere_are_refused_and_none_are_invited() -> None:
    """A page that somebody has open could make the model work."""
    with background(Replay()) as url:
        post = {"content": json.dumps({"messages": ASK})}
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
            answer = HTTP.post(
                f"{url}{CHAT}", headers={"Origin": origin, "Content-Type": "text/plain"}, **post
            )
            assert answer.status_code == 403
            assert not [name for name in answer.headers if name.startswith("access-control")]
        assert HTTP.post(f"{url}{CHAT}", headers={"Origin": root(url)}, **post).status_code == 200
        asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        assert HTTP.options(f"{url}{CHAT}", headers=asks).status_code == 403


def test_every_answer_has_an_id() -> None:
    with background(Replay()) as url:
        ids = [
            HTTP.request(method, target, headers=headers).headers["x-request-id"]
            for method, target, headers in (
                ("GET", f"{url}/models", {}),
                ("POST", f"{url}{CHAT}", {}),
                ("GET", f"{url}/nope", {}),
                ("GET", f"{url}/models", {"X-Request-Id": "mine-1"}),
                ("GET", f"{url}/models", {"X-Request-Id": "two words"}),
            )
        ]
    assert ids.pop(3) == "mine-1"
    assert len(set(ids)) == 4 and all(id.startswith("req_") for id in ids)


SECRET = "the-password-is-swordfish"


def test_no_log_holds_what_was_said(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bug's message may quote a prompt; where it was is enough to find it."""
    said = {"messages": [{"role": "user", "content": SECRET}], "tools": OPENAI_TOOLS}
    with caplog.at_level(logging.DEBUG):
        for failure in (None, ValueError(f"cannot read {SECRET!r}")):
            for after in (0, 2):
                caller = Failing(failure, after) if failure else Replay()
                with background(caller) as url:
                    for stream in (False, True):
                        answer = HTTP.post(f"{url}{CHAT}", json={**said, "stream": stream})
                        begun = stream and after
                        assert answer.status_code == (500 if failure and not begun else 200)
                        assert ("internal error" in answer.text) == bool(failure)
                        assert SECRET not in answer.text
    ours = [
        record.getMessage() for record in caplog.records if not record.name.startswith(("http", "asyncio"))
    ]
    assert any("ValueError at" in line and "test_serve.py" in line for line in ours)
    assert SECRET not in "".join(ours) + "".join(capfd.readouterr())
    assert not any(record.exc_info for record in caplog.records if record.name.startswith("uvicorn"))


def test_metrics_count_what_was_done() -> None:
    caller = Replay(assistant("", ToolCall("stop", {})))
    with background(caller) as url:
        HTTP.post(f"{url}{CHAT}", json={"messages": ASK, "tools": OPENAI_TOOLS})
        HTTP.post(f"{url}/responses", json={"input": "go", "stream": True})
        HTTP.post(f"{url}{CHAT}", json={})
        HTTP.get(f"{url}/{SECRET}")
        found = metrics(url)
        page = HTTP.get(f"{root(url)}/metrics").text
    assert found["toolfinch_requests_total{route=/v1/chat/completions,status=200}"] == 1
    assert found["toolfinch_requests_total{route=/v1/chat/completions,status=400}"] == 1
    assert found["toolfinch_requests_total{route=/v1/responses,status=200}"] == 1
    assert found["toolfinch_requests_total{route=other,status=404}"] == 1
    assert found["toolfinch_replies_total{stop=tool_calls}"] == 2
    assert found["toolfinch_prompt_tokens_total"] == 22
    assert found["toolfinch_cached_prompt_tokens_total"] == 6
    assert found["toolfinch_completion_tokens_total"] > 0
    assert found["toolfinch_time_to_first_token_seconds_count"] == 2
    assert found["toolfinch_request_duration_seconds_count{route=/v1/chat/completions}"] == 2
    assert SECRET not in page


def test_a_client_that_does_not_read_its_stream_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its request would be under way for ever, and a server that stops would wait for it."""
    monkeypatch.setattr("toolfinch.serve.app.STALLED_S", 0.1)
    caller = Replay(assistant("word " * 100_000))
    with background(caller, limits=Limits(request_s=0.5)) as url, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", httpx.URL(url).port or 0))
        body = json.dumps({"messages": ASK, "stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        until(lambda: metrics(url)["toolfinch_requests_in_flight"] == 2)
        until(lambda: metrics(url)["toolfinch_requests_in_flight"] == 1)
        assert caller.closed.wait(20)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--queue", "-1"], "--queue -1: expected 0 or more"),
        (["--timeout", "0"], "--timeout 0: expected 0.001 or more"),
        (["--timeout", "nan"], "--timeout nan: expected"),
        (["--max-tools", "-1"], "--max-tools -1: expected"),
        (["--max-body", "0"], "--max-body 0: expected"),
        (["--grace", "-1"], "--grace -1: expected"),
        (["--api-key-file", "nowhere"], "--api-key-file nowhere: cannot be read"),
    ],
)
def test_limits_that_are_none_are_refused(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["serve", "never", "--port", "0", *arguments])
    assert says in capsys.readouterr().err


def test_an_open_address_without_keys_is_said(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    class Stopped:
        def run(self, sockets: Any) -> None: ...

    monkeypatch.setattr("toolfinch.serve.run.server", lambda *_: Stopped())
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    run.serve("never", "127.0.0.1", 0)
    assert "no API keys" not in capsys.readouterr().err
    run.serve("never", "0.0.0.0", 0)
    assert "whoever reaches 0.0.0.0 may use it" in capsys.readouterr().err
    monkeypatch.setenv(ENVIRONMENT, "k")
    run.serve("never", "0.0.0.0", 0)
    assert "no API keys" not in capsys.readouterr().err
