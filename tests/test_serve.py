"""The server, over real sockets, with the official client: what a client sees is what the caller said."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiny_models import tiny_model
from toolfinch import dialects
from toolfinch.caller import Decoding, Delta, Reply, ToolCaller, Usage
from toolfinch.callers.load import load
from toolfinch.decode.engine import ContextError
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.message import Message, ToolCall, assistant
from toolfinch.serve import wire
from toolfinch.serve.limits import Limits
from toolfinch.serve.refusal import RequestError
from toolfinch.serve.run import background
from toolfinch.serve.turns import Turns
from toolfinch.serve.work import work
from toolfinch.tool import Tool, to_openai

HERMES = dialects.get("hermes")
TOOLS = (
    Tool("set_alarm", "Set an alarm", {"type": "object", "properties": {"at": {"type": "string"}}}),
    Tool("stop", "Stop", {"type": "object", "properties": {}}),
)
OPENAI_TOOLS: list[Any] = [to_openai(tool) for tool in TOOLS]
ASK: list[Any] = [{"role": "user", "content": "go"}]
HTTP = httpx.Client(timeout=60, headers={"Connection": "close"})


class Replay:
    """A streaming caller that writes a given turn, in random chunks through the real streaming parser."""

    name = "replay"

    def __init__(self, turn: Message = assistant("hi"), seed: int = 0, pause_s: float = 0.0) -> None:
        self.turn = turn
        self.seed = seed
        self.pause_s = pause_s
        self.asked: list[tuple[Sequence[Message], Sequence[Tool], Decoding]] = []
        self.made = 0
        self.closed = threading.Event()

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        self.asked.append((messages, tools, decoding))
        text, chance, parser = (
            HERMES.render_turn(self.turn, tools),
            random.Random(self.seed),
            HERMES.parser(tools),
        )
        usage = Usage(11, len(text), 3)
        try:
            while text:
                length = chance.randint(1, 9)
                for delta in parser.feed(text[:length]):
                    self.made += 1
                    yield delta
                    time.sleep(self.pause_s)
                text = text[length:]
            yield from parser.close()
            parsed = parser.finish()
            stop = "tool_calls" if parsed.calls else "stop"
            yield Reply(Message("assistant", parsed.content, parsed.calls), 0.75, usage, stop=stop)  # type: ignore[arg-type]
        finally:
            self.closed.set()

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        *_, last = self.stream(messages, tools, decoding)
        assert isinstance(last, Reply)
        return last


@contextmanager
def served(caller: ToolCaller) -> Iterator[openai.OpenAI]:
    with background(caller) as url, openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def _calls(raw: Any) -> list[tuple[str, Any]]:
    return [(call.function.name, json.loads(call.function.arguments)) for call in raw or []]


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<"), max_size=20)
values = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | words | st.lists(words, max_size=2)
turns = st.builds(
    lambda content, calls: assistant(content, *calls),
    words.map(str.strip),
    st.lists(st.builds(ToolCall, st.just("stop"), st.dictionaries(words, values, max_size=3)), max_size=3),
)


def test_official_client_sees_the_same_turn_plain_and_streamed() -> None:
    """Lost arguments, a wrong index, a dropped {}: the commonest bugs of streaming tool calls."""
    caller = Replay()
    with served(caller) as client:

        @given(turns, st.integers(0, 1000))
        @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
        def check(turn: Message, seed: int) -> None:
            caller.turn, caller.seed = turn, seed
            how: dict[str, Any] = {"model": "replay", "messages": ASK, "tools": OPENAI_TOOLS}
            plain = client.chat.completions.create(**how).choices[0]
            expected = [(call.name, call.arguments) for call in turn.calls]
            assert _calls(plain.message.tool_calls) == expected
            assert (plain.message.content or "").strip() == turn.content
            assert plain.finish_reason == ("tool_calls" if turn.calls else "stop")
            with client.chat.completions.stream(**how) as stream:
                for _ in stream:
                    pass
                whole = stream.get_final_completion().choices[0]
            assert _calls(whole.message.tool_calls) == expected
            assert (whole.message.content or "") == (plain.message.content or "")
            assert whole.finish_reason == plain.finish_reason
            ids = [call.id for call in (plain.message.tool_calls or []) + (whole.message.tool_calls or [])]
            assert len(set(ids)) == len(ids) and all(i.startswith("call_") for i in ids)

        check()


def test_chunks_have_the_shape_that_clients_add_up() -> None:
    """A client that is not the official one reads the raw events."""
    turn = assistant("On it.", ToolCall("set_alarm", {"at": "07:30"}), ToolCall("stop", {}))
    with background(Replay(turn)) as url:
        body = {
            "messages": ASK,
            "tools": OPENAI_TOOLS,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        response = HTTP.post(f"{url}/chat/completions", json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = response.text.strip().split("\n\n")
    assert lines.pop() == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    usage = chunks.pop()
    assert usage["choices"] == []
    assert usage["usage"]["prompt_tokens"] == 11
    assert usage["usage"]["prompt_tokens_details"] == {"cached_tokens": 3}
    assert all(chunk["usage"] is None for chunk in chunks)
    first, *_, last = (chunk["choices"][0] for chunk in chunks)
    assert first["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert last["delta"] == {} and last["finish_reason"] == "tool_calls"
    assert chunks[-1]["toolfinch"]["confidence"] == 0.75
    entries = [e for chunk in chunks for e in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert [(e["index"], e["type"], e["function"]["name"]) for e in entries] == [
        (0, "function", "set_alarm"),
        (1, "function", "stop"),
    ]
    assert [e["function"]["arguments"] for e in entries] == ['{"at": "07:30"}', "{}"]


def test_the_caller_is_given_what_the_client_sent() -> None:
    """A tool, an id or a setting lost on the way shows up only as a worse model."""
    caller = Replay()
    messages: list[Any] = [
        {
            "role": "developer",
            "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}],
        },
        *ASK,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "stop", "arguments": '{"a": 1}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    with served(caller) as client:
        client.chat.completions.create(
            model="replay",
            messages=messages,
            tools=OPENAI_TOOLS,
            tool_choice={"type": "function", "function": {"name": "stop"}},
            parallel_tool_calls=False,
            max_completion_tokens=9,
            temperature=0.5,
            seed=-4,
            stop=["a", "b"],
        )
    got, tools, decoding = caller.asked[0]
    assert got[0] == Message("system", "Be brief.")
    assert got[2].calls == (ToolCall("stop", {"a": 1}, "c1"),)
    assert got[3].result is not None and got[3].result.name == "stop"
    assert [tool.name for tool in tools] == ["set_alarm", "stop"]
    assert tools[0].parameters == TOOLS[0].parameters
    assert decoding == Decoding(9, 0.5, -4, "=stop", False, ("a", "b"))


def _tool(name: Any = "a", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def _called(**function: Any) -> list[Any]:
    return [
        *ASK,
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": function}]},
    ]


def _properties(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _format(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}


BAD: list[tuple[Any, str]] = [
    (b"", "body: not JSON"),
    (b"{", "body: not JSON"),
    (b'{"messages": "\xff"}', "body: not JSON"),
    (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "body: not JSON"),
    (b'{"messages": [{"role": "user", "content": NaN}]}', "body: not JSON"),
    (b'{"temperature": 1e999, "messages": []}', "body: not JSON"),
    (b"[" * 100_000, "body: nested too deeply"),
    (b'{"messages": ' + b'{"a":' * 50_000, "body: nested too deeply"),
    ([], "body: expected a JSON object, got list"),
    ({}, "messages: missing"),
    ({"messages": "hi"}, "messages: expected array, got str"),
    ({"messages": []}, "messages: expected at least one"),
    ({"messages": ["hi"]}, "messages[0]: expected an object, got str"),
    ({"messages": [*ASK, {"role": "robot"}]}, "messages[1].role: expected one of"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content: expected text, got int"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        "messages[0].content[0]: only text parts",
    ),
    ({"messages": [{"role": "user", "tool_calls": []}]}, "messages[0].tool_calls: only an assistant"),
    ({"messages": [{"role": "assistant", "tool_calls": 1}]}, "messages[0].tool_calls: expected a list"),
    ({"messages": [{"role": "assistant", "tool_calls": [1]}]}, "messages[0].tool_calls[0].function: missing"),
    ({"messages": _called()}, "messages[1].tool_calls[0].function.name: missing"),
    (
        {"messages": _called(name="a", arguments="{")},
        "messages[1].tool_calls[0].function.arguments: not JSON",
    ),
    (
        {"messages": _called(name="a", arguments="[1]")},
        "messages[1].tool_calls[0].function.arguments: expected an object, got list",
    ),
    (
        {"messages": _called(name="a", arguments='{"a":' * 50_000)},
        "messages[1].tool_calls[0].function.arguments: not JSON",
    ),
    (
        {"messages": [*_called(name="a"), {"role": "tool", "tool_call_id": "d", "content": ""}]},
        "messages[2].tool_call_id: no earlier call has the id 'd'",
    ),
    ({"tools": {}}, "tools: expected array | null, got object"),
    ({"tools": [5]}, "tools[0]: expected an object, got int"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type: only 'function'"),
    ({"tools": [{"type": "function"}]}, "tools[0].function: missing"),
    ({"tools": [{"type": "function", "function": 5}]}, "tools[0].function: expected an object, got int"),
    ({"tools": [_tool(None)]}, "tools[0].function.name: expected"),
    ({"tools": [_tool("a b")]}, "tools[0].function.name: expected"),
    ({"tools": [_tool("a"), _tool("a")]}, "tools[1].function.name: 'a' is given twice"),
    ({"tools": [_tool(description=5)]}, "tools[0].function.description: expected a string, got int"),
    ({"tools": [_tool("ok"), _tool(parameters=[])]}, "tools[1].function.parameters: expected an object"),
    (
        {"tools": [_tool("ok"), _tool(parameters=_properties(x={"type": "foo"}))]},
        "tools[1].function.parameters.properties.x.type: unknown type",
    ),
    (
        {"tools": [_tool(parameters=_properties(x={"$ref": "#/$defs/y"}))]},
        "tools[0].function.parameters.properties.x.$ref: ",
    ),
    ({"tool_choice": "always"}, "tool_choice: expected auto, none, required"),
    ({"tool_choice": "required"}, "tool_choice: required, but there are no tools"),
    ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.type: only 'function'"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.function.name: missing"),
    (
        {"tools": [_tool()], "tool_choice": {"type": "function", "function": {"name": "b"}}},
        "tool_choice.function.name: no tool is named 'b'",
    ),
    ({"parallel_tool_calls": "no"}, "parallel_tool_calls: expected bool"),
    ({"stream": 1}, "stream: expected bool"),
    ({"stream_options": {"include_usage": True}}, "stream_options: only with stream"),
    ({"stream": True, "stream_options": {"usage": True}}, "stream_options.usage: no such key"),
    ({"max_tokens": 0}, "max_tokens: "),
    ({"max_tokens": "many"}, "max_tokens: expected int"),
    ({"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens: differs"),
    ({"temperature": -1}, "temperature: "),
    ({"temperature": "hot"}, "temperature: expected float"),
    ({"seed": 1.5}, "seed: expected int"),
    ({"stop": [1]}, "stop[0]: expected str"),
    ({"stop": ""}, "stop: an empty string"),
    ({"n": 0}, "n: expected 1 to 16, got 0"),
    ({"n": 17}, "n: expected 1 to 16, got 17"),
    ({"top_p": 0.5, "temperature": 1}, "top_p: only 1"),
    ({"top_logprobs": 2}, "top_logprobs: only with logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs: expected 0 to 20, got 21"),
    ({"stop": list("abcde")}, "stop: at most 4, got 5"),
    ({"reasoning_effort": "much"}, "reasoning_effort: expected one of none"),
    ({"toolfinch": {"set_aside": True}}, "toolfinch.set_aside: no such key"),
    ({"logit_bias": {"5": 1}}, "logit_bias: not supported"),
    ({"presence_penalty": 1}, "presence_penalty: not supported"),
    ({"response_format": {"type": "grammar"}}, "response_format.type: expected text, json_object or"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema: missing"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
        "response_format.json_schema.schema: missing",
    ),
    (
        {"response_format": _format(_properties(x={"type": "foo"}))},
        "response_format.json_schema.schema.properties.x.type: ",
    ),
    (
        {"response_format": _format({"$ref": "http://127.0.0.1:1/x"})},
        "response_format.json_schema.schema: ",
    ),
    ({"functions": []}, "functions: no such key"),
    ({"max_token": 5}, "max_token: no such key"),
    ({"model": 5}, "model: expected str"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with background(Replay()) as base:
        yield base


@pytest.mark.parametrize(("body", "says"), BAD, ids=[says[:60] for _, says in BAD])
def test_bad_input_is_a_400_that_names_the_field(url: str, body: Any, says: str) -> None:
    """Otherwise: a 500, a hang, or a field that is ignored in silence."""
    if isinstance(body, dict) and body and "messages" not in body:
        body = {"messages": ASK, **body}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = HTTP.post(f"{url}/chat/completions", content=content)
    error = response.json()["error"]
    assert response.status_code == 400, error
    assert error["message"].startswith(says)
    assert error["type"] == "invalid_request_error"
    assert error["param"] == says.partition(":")[0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3),
    max_leaves=6,
)
FIELDS = [*wire._Body.__struct_fields__, "functions"]


@given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4), st.booleans())
@settings(max_examples=300)
def test_any_json_is_read_or_refused(body: dict[str, Any], asks: bool) -> None:
    """An exception of another kind would be a 500 for the client's mistake."""
    try:
        wire.read_request(json.dumps({**body, **({"messages": ASK} if asks else {})}).encode())
    except RequestError as error:
        assert error.status == 400


def test_a_body_that_is_too_large_is_refused(url: str) -> None:
    """A request could fill the memory."""
    response = HTTP.post(f"{url}/chat/completions", content=b" " * (Limits().body_bytes + 1))
    assert response.status_code == 413
    assert str(Limits().body_bytes) in response.json()["error"]["message"]


def test_models_health_and_unknown_paths(url: str) -> None:
    """The official client raises on a 404 that is not in OpenAI's error shape."""
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["replay"]
        assert client.models.retrieve("replay").owned_by == "toolfinch"
        with pytest.raises(openai.NotFoundError, match="'other' is not served here, 'replay' is"):
            client.chat.completions.create(model="other", messages=ASK)
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("other")
    assert HTTP.get(url.replace("/v1", "/healthz")).json() == {"status": "ok", "model": "replay"}
    assert HTTP.get(f"{url}/nope").json()["error"]["message"] == "Not Found"
    assert HTTP.get(f"{url}/chat/completions").status_code == 405


class Failing:
    """A caller that fails in a given way, at once or in the middle of a stream."""

    name = "failing"

    def __init__(self, failure: Exception | str, after: int = 0) -> None:
        self.failure = failure
        self.after = after

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        for _ in range(self.after):
            yield Delta("word ")
        if isinstance(self.failure, Exception):
            raise self.failure
        yield Reply(Message("assistant"), stop="error", error=self.failure)

    def reply(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Reply:
        *_, last = self.stream(messages, tools, decoding)
        assert isinstance(last, Reply)
        return last


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("failure", "status", "code", "says"),
    [
        (ContextError(900, 512), 413, "context_length_exceeded", "900 tokens and the model's context is 512"),
        (UsageError("messages: the template refuses them"), 400, None, "the template refuses"),
        (ToolfinchError("the logits are broken"), 500, None, "logits are broken"),
        ("the endpoint is down", 502, None, "endpoint is down"),
    ],
    ids=["context", "usage", "failure", "upstream"],
)
def test_failures_before_the_first_token_have_a_status(
    stream: bool, failure: Any, status: int, code: str | None, says: str
) -> None:
    """A stream that answered 200 first could only report an overflow where few clients look."""
    with background(Failing(failure)) as base:
        response = HTTP.post(f"{base}/chat/completions", json={"messages": ASK, "stream": stream})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert says in error["message"]


class Silent(Failing):
    """A caller whose stream forgets its reply."""

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        yield Delta("word ")


def test_a_stream_without_a_reply_is_an_error() -> None:
    """It would be waited for without end, and every later request with it."""
    with background(Silent("")) as base:
        response = HTTP.post(f"{base}/chat/completions", json={"messages": ASK})
    assert response.status_code == 500 and "without a reply" in response.json()["error"]["message"]


@pytest.mark.parametrize("failure", [ToolfinchError("the logits are broken"), "the endpoint is down"])
def test_failures_within_a_stream_reach_the_client(failure: Any) -> None:
    """A stream that just ends looks like a whole answer."""
    with served(Failing(failure, after=3)) as client:
        stream = client.chat.completions.create(model="failing", messages=ASK, stream=True)
        with pytest.raises(openai.APIError, match=r"broken|down"):
            for _ in stream:
                pass


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_stops_the_work(stream: bool) -> None:
    """The engine would write the whole reply for nobody, while others wait."""
    caller = Replay(assistant("word " * 2000), pause_s=0.005)
    with background(caller) as base:
        with socket.create_connection(("127.0.0.1", httpx.URL(base).port or 0)) as client:
            body = json.dumps({"messages": ASK, "stream": stream}).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            while caller.made < 5:
                time.sleep(0.005)
        assert caller.closed.wait(30)
        assert caller.made < 500
        # The next request gets its turn.
        caller.turn = assistant("hi")
        assert HTTP.post(f"{base}/chat/completions", json={"messages": ASK}).status_code == 200


class Held(Replay):
    """Waits to be released before it writes, and counts how many of it are at work."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()
        self.started = threading.Event()
        self.at_work = self.most = 0

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        self.started.set()
        assert self.release.wait(30)
        yield from super().stream(messages, tools, decoding)
        self.at_work -= 1


def test_the_event_loop_stays_free_and_requests_queue() -> None:
    """A health check would time out while the model is busy, and the server be restarted."""
    caller = Held()
    with background(caller) as base:
        replies: list[str] = []

        def ask() -> None:
            answer = HTTP.post(f"{base}/chat/completions", json={"messages": ASK})
            replies.append(answer.json()["choices"][0]["message"]["content"])

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert caller.started.wait(10)
        assert HTTP.get(base.replace("/v1", "/healthz")).status_code == 200
        assert not replies
        caller.release.set()
        for thread in threads:
            thread.join()
    assert replies == ["hi"] * 4


def test_local_engines_do_one_request_at_a_time() -> None:
    """The rest wait in the event loop, where a client that hangs up costs nothing."""
    caller = Held()
    caller.release.set()
    asked = wire.read_request(json.dumps({"messages": ASK}).encode())

    async def one(turns: Turns) -> None:
        async for _ in work(caller, asked, turns, asyncio.get_running_loop().time() + 60):
            await asyncio.sleep(0.001)

    async def several() -> None:
        turns = Turns(1, 8)
        await asyncio.gather(*(one(turns) for _ in range(5)))

    asyncio.run(several())
    assert len(caller.asked) == 5
    assert caller.most == 1


def test_a_caller_that_cannot_stream_is_streamed_all_the_same() -> None:
    """The floors and remote endpoints only reply whole."""
    with served(load("bm25")) as client:
        stream = client.chat.completions.create(
            model="bm25-pick",
            messages=[{"role": "user", "content": "set an alarm"}],
            tools=OPENAI_TOOLS,
            stream=True,
        )
        deltas = [chunk.choices[0].delta for chunk in stream]
    names = [call.function.name for delta in deltas for call in delta.tool_calls or [] if call.function]
    assert names == ["set_alarm"]


def test_a_real_engine_serves_and_reports_its_cache(tmp_path: Path) -> None:
    """The parts fit together: template, tokenizer, engine, dialect, wire."""
    caller = load(str(tiny_model(tmp_path / "tiny")), "hermes")
    with served(caller) as client:
        how: dict[str, Any] = {"model": "tiny", "messages": ASK, "tools": OPENAI_TOOLS, "max_tokens": 12}
        first = client.chat.completions.create(**how)
        again = client.chat.completions.create(**how)
        assert first.choices[0].message.content == again.choices[0].message.content
        assert first.usage is not None and again.usage is not None
        assert again.usage.prompt_tokens_details is not None
        assert again.usage.prompt_tokens_details.cached_tokens == first.usage.prompt_tokens - 1
        text = "".join(
            chunk.choices[0].delta.content or ""
            for chunk in client.chat.completions.create(**how, stream=True)
        )
        assert text == (first.choices[0].message.content or "")
        long: list[Any] = [{"role": "user", "content": "word " * 2000}]
        with pytest.raises(
            openai.APIStatusError, match=r"\d+ tokens and the model's context is 1024"
        ) as refused:
            client.chat.completions.create(model="tiny", messages=long)
        assert (refused.value.status_code, refused.value.code) == (413, "context_length_exceeded")
