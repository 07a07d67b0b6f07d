"""Would break: a served conversation that is not in the trace as the client saw it, or a trace that stops in silence."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from toolfinch.caller import Decoding, Delta, Reply, Usage
from toolfinch.cli.main import main
from toolfinch.data import dataset
from toolfinch.data.readers import log
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.message import Message, ToolCall, assistant, tool, user
from toolfinch.serve.run import background, serve
from toolfinch.tool import Tool, to_openai

TOOLS: list[Any] = [
    to_openai(Tool("get_weather", "Weather", {"type": "object", "properties": {"town": {"type": "string"}}}))
]
CALL = assistant(
    "I look.", ToolCall("get_weather", {"town": "Lund"}), ToolCall("get_weather", {"town": "Ystad"})
)


class Scripted:
    """A streaming caller that calls twice and, once it has a result, says something; `fails` at its end."""

    name = "scripted"
    fails: Exception | None = None
    stop: Any = ""

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        turn = assistant("Rain.") if messages[-1].role == "tool" else CALL
        yield Delta(turn.content)
        for call in turn.calls:
            yield Delta(call=call)
        if self.fails is not None:
            raise self.fails
        stop: Any = self.stop or ("tool_calls" if turn.calls else "stop")
        yield Reply(turn, 0.75, Usage(11, 7, 3), stop=stop, error="gone" if stop == "error" else "")

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        *_, last = self.stream(messages, tools, decoding)
        assert isinstance(last, Reply)
        return last


@contextmanager
def traced(path: Path, caller: Any = None) -> Iterator[openai.OpenAI]:
    with (
        background(caller or Scripted(), trace=path) as url,
        openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client,
    ):
        yield client


def converse(client: openai.OpenAI, *, stream: bool, **named: Any) -> list[Any]:
    """A question, two calls, their results, an answer, as the official client sends it all back."""
    messages: list[Any] = [{"role": "user", "content": "Rain?"}]
    for _ in range(2):
        if stream:
            with client.chat.completions.stream(
                model="scripted", messages=messages, tools=TOOLS, **named
            ) as events:
                said = events.get_final_completion().choices[0].message
        else:
            said = (
                client.chat.completions.create(model="scripted", messages=messages, tools=TOOLS, **named)
                .choices[0]
                .message
            )
        messages.append(said.model_dump(exclude_none=True, exclude={"parsed"}))
        for i, call in enumerate(said.tool_calls or ()):
            messages.append({"role": "tool", "tool_call_id": call.id, "content": f"{i} mm"})
    return messages


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_what_was_served_is_read_back_as_the_conversation(tmp_path: Path, stream: bool) -> None:
    """Calls joined to the results that came with the next request, by the ids that the client was given."""
    path = tmp_path / "trace.jsonl"
    with traced(path) as client:
        messages = converse(client, stream=stream)
    (one,), report = log.read(path)
    ids = [call["id"] for call in messages[1]["tool_calls"]]
    assert len(set(ids)) == 2
    calls = [ToolCall(call.name, call.arguments, id) for call, id in zip(CALL.calls, ids, strict=True)]
    assert one.messages == (
        user("Rain?"),
        assistant("I look.", *calls),
        *(tool(f"{i} mm", id) for i, id in enumerate(ids)),
        assistant("Rain."),
    )
    assert [offered.name for offered in one.tools] == ["get_weather"]
    assert (report.format, report.rows, report.read, report.orphan_results) == ("toolfinch_trace", 2, 1, 0)
    assert one.time == rows(path)[0]["time"], "when it began, not when it ended"
    with pytest.raises(SystemExit, match="0"):
        main(["data", str(path), "--out", str(tmp_path / "out"), "--validation", "0", "--test", "0"])
    (made,) = dataset.read_dataset(tmp_path / "out" / "train.jsonl")
    assert made.messages == one.messages


def test_streamed_or_not_the_row_is_the_same(tmp_path: Path) -> None:
    found = []
    for stream in (False, True):
        with traced(tmp_path / f"{stream}.jsonl") as client:
            converse(client, stream=stream)
        first = rows(tmp_path / f"{stream}.jsonl")[0]
        assert first.pop("time").endswith("Z")
        for call in first["reply"]["message"]["tool_calls"]:
            assert call.pop("id").startswith("call_")
        found.append(first)
    assert found[0] == found[1]
    assert found[0]["sent"] == {"messages": [{"role": "user", "content": "Rain?"}], "tools": TOOLS}
    assert found[0]["reply"] == {
        "model": "scripted",
        "message": {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": f'{{"town": "{town}"}}'},
                }
                for town in ("Lund", "Ystad")
            ],
        },
        "finish_reason": "tool_calls",
        "confidence": 0.75,
        "unread": [],
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 7,
            "total_tokens": 18,
            "prompt_tokens_details": {"cached_tokens": 3},
        },
    }


@pytest.mark.parametrize(
    ("named", "session"),
    [
        ({"extra_headers": {"X-Session-Id": "s1"}, "metadata": {"session_id": "s2"}}, "s1"),
        ({"metadata": {"thread_id": "t", "conversation_id": "c"}}, "c"),
        ({"user": "ann", "metadata": {"name": "x"}}, None),
        ({}, None),
    ],
)
def test_a_session_is_what_the_client_calls_it(tmp_path: Path, named: Any, session: str | None) -> None:
    """A person is none: all that one ever asked would be one session."""
    with traced(tmp_path / "t.jsonl") as client:
        converse(client, stream=False, **named)
    assert [row.get("session") for row in rows(tmp_path / "t.jsonl")] == [session] * 2


def test_a_row_is_a_line_whatever_was_sent(tmp_path: Path) -> None:
    body = json.dumps(
        {"messages": [{"role": "user", "content": "a\nb\u2028"}], "tool_choice": "none"}, indent=2
    )
    with background(Scripted(), trace=tmp_path / "t.jsonl") as url:
        assert httpx.post(f"{url}/chat/completions", content=body).status_code == 200
    (row,) = rows(tmp_path / "t.jsonl")
    assert row["sent"] == json.loads(body)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("how", ["raises", "says so", "client hangs up", "bad request"])
def test_what_failed_leaves_no_row(tmp_path: Path, stream: bool, how: str) -> None:
    caller = Scripted()
    begun = threading.Event()
    if how == "raises":
        caller.fails = ToolfinchError("x")
    elif how == "says so":
        caller.stop = "error"
    elif how == "client hangs up":

        class Slow(Scripted):
            def stream(self, *given: Any) -> Iterator[Delta | Reply]:
                for item in super().stream(*given):
                    yield item
                    begun.set()
                    if threading.Event().wait(0.3):
                        return

        caller = Slow()
    body = {"messages": [{"role": "user", "content": "x"}], "stream": stream, "tools": TOOLS}
    if how == "bad request":
        body["messages"] = [{"role": "nobody"}]
    with background(caller, trace=tmp_path / "t.jsonl") as url, httpx.Client() as client:
        if how == "client hangs up":
            with pytest.raises(httpx.ReadTimeout):
                client.post(f"{url}/chat/completions", json=body, timeout=httpx.Timeout(5, read=0.2))
            assert begun.wait(5)
        else:
            client.post(f"{url}/chat/completions", json=body)
    assert (tmp_path / "t.jsonl").read_bytes() == b""


def test_many_at_once_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    with traced(path) as client:

        def ask(number: int) -> None:
            said = {"role": "user", "content": f"{number} " * 20_000}
            client.chat.completions.create(model="scripted", messages=[said], tools=TOOLS)  # type: ignore[list-item]

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    asked = [row["sent"]["messages"][0]["content"].split()[0] for row in rows(path)]
    assert sorted(asked, key=int) == [str(number) for number in range(12)]


def test_the_file_is_its_owners_and_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    with traced(path) as client:
        converse(client, stream=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(path.read_bytes()[:-20])  # a crash in the middle of a line
    with traced(path) as client:
        converse(client, stream=False)
    good = [line for line in path.read_bytes().splitlines() if line.endswith(b"}}}")]
    assert len(good) == 3
    assert log.read(path)[1].rows == 4


@pytest.mark.parametrize("name", [".", "no/such/folder.jsonl", "closed/t.jsonl"])
def test_a_file_that_cannot_be_written_is_said_before_the_model_is_loaded(tmp_path: Path, name: str) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    if name.startswith("closed") and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    with pytest.raises(UsageError, match=r"--trace .*: cannot be written \(") as refusal:
        serve("no-such-model", port=0, trace=tmp_path / name)
    assert "\n" not in str(refusal.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no disk that is always full")
def test_a_full_disk_is_said_once_and_counted_and_the_client_gets_its_reply(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with traced(Path("/dev/full")) as client:
        converse(client, stream=False)
        converse(client, stream=True)
        health = httpx.get(str(client.base_url).replace("/v1/", "/healthz")).json()
    assert health["trace"] == {"written": 0, "lost": 4}
    assert capfd.readouterr().err.splitlines() == [
        "toolfinch: --trace /dev/full: cannot be written (No space left on device): replies are not traced until it can",
        "toolfinch: --trace /dev/full: 4 replies are missing in it",
    ]


@pytest.mark.parametrize("limit", [0, 300])
def test_a_disk_that_fills_up_leaves_no_half_line(tmp_path: Path, limit: int) -> None:
    """A line that does not fit is taken back, and the next one that fits is whole."""
    resource = pytest.importorskip("resource")
    import signal

    path = tmp_path / "t.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with traced(path) as client:
            converse(client, stream=False)
            whole = path.read_bytes()
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + limit, before[1]))
            converse(client, stream=False)
            assert path.read_bytes() == whole
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            converse(client, stream=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(rows(path)) == 4


def test_without_trace_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with background(Scripted()) as url, openai.OpenAI(base_url=url, api_key="none") as client:
        converse(client, stream=False)
        assert "trace" not in httpx.get(url.replace("/v1", "/healthz")).json()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_conversation_over_the_responses_api_is_read_back_too(tmp_path: Path, stream: bool) -> None:
    path = tmp_path / "t.jsonl"
    flat = [{"type": "function", **TOOLS[0]["function"], "strict": None}]
    items: list[Any] = [{"role": "user", "content": "Rain?"}]
    with traced(path) as client:
        for _ in range(2):
            how: dict[str, Any] = {"model": "scripted", "input": items, "tools": flat}
            how["metadata"] = {"session_id": "s"}
            if stream:
                with client.responses.stream(**how) as events:
                    said = events.get_final_response()
            else:
                said = client.responses.create(**how)
            items += [item.model_dump(exclude={"parsed_arguments"}) for item in said.output]
            calls = [item for item in said.output if item.type == "function_call"]
            items += [
                {"type": "function_call_output", "call_id": call.call_id, "output": f"{i} mm"}
                for i, call in enumerate(calls)
            ]
    (one,), report = log.read(path)
    assert (report.rows, report.orphan_results) == (2, 0)
    assert [row["session"] for row in rows(path)] == ["s", "s"]
    assert [(m.role, m.content, len(m.calls)) for m in one.messages] == [
        ("user", "Rain?", 0),
        ("assistant", "I look.", 2),
        ("tool", "0 mm", 0),
        ("tool", "1 mm", 0),
        ("assistant", "Rain.", 0),
    ]
