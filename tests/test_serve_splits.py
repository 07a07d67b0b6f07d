"""Would break: a streamed reply that is not the reply that the same request gets without streaming, by where its text
was cut into tokens. Real parsers, real HTTP; only the model is scripted."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolfinch import dialects
from toolfinch.caller import Decoding, Delta, Reply, Usage
from toolfinch.dialects import Dialect
from toolfinch.message import Message, ToolCall
from toolfinch.serve.run import background
from toolfinch.serve.wire import CHOICES
from toolfinch.tool import Tool, to_openai

TEXT = {"type": "string"}
TOOLS = (
    Tool(
        "get_weather",
        parameters={"type": "object", "properties": {"city": TEXT, "days": {"type": "integer"}}},
    ),
    Tool("now", parameters={"type": "object", "properties": {}}),
)
OPENAI_TOOLS = [to_openai(tool) for tool in TOOLS]
RAIN = ToolCall("get_weather", {"city": 'Łódź "N"\n</tool 😀', "days": 3})
OSLO = ToolCall("get_weather", {"city": "Oslo"})
NOW = ToolCall("now", {})


def fixtures(dialect: Dialect) -> dict[str, str]:
    """What a model may write: whole turns, and turns that are cut off or damaged."""

    def turn(content: str, *calls: ToolCall) -> str:
        return dialect.write_turn(content, "\n".join(map(dialect.write_call, calls)))

    whole = turn("Let me see.", RAIN, NOW, OSLO)
    return {
        "words": turn("Nothing < to ``` call [here] {today}."),
        "no arguments": turn("", NOW),
        "words and calls": whole,
        "calls and words": f"{turn('', OSLO)}\nDone.\n{turn('', NOW)}\n",
        "cut off": whole[: len(whole) * 2 // 3],
        "damaged": turn("", OSLO).replace("Oslo", 'Os"}}}lo') + "\n" + turn("", NOW),
        "thoughts": f"<think>\nCall {dialect.trigger}?\n</think>\n\n{turn('So.', OSLO)}",
        "nothing": "",
    }


class Split:
    """Writes `text`, cut as the seed says: in two at that place; below 0 at random places."""

    name = "split"
    slots = CHOICES

    def __init__(self) -> None:
        self.dialect = dialects.get("hermes")
        self.text = ""
        self.seed = 0
        """Of requests that name none: the Responses API has no such field."""

    def pieces(self, seed: int) -> list[str]:
        places = [seed]
        if seed < 0:
            chance = random.Random(seed)
            share = chance.choice([0.1, 0.5, 1.0])
            places = [at for at in range(1, len(self.text)) if chance.random() < share]
        bounds = [0, *places, len(self.text)]
        return [self.text[a:b] for a, b in itertools.pairwise(bounds)]

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        parser = self.dialect.parser(tools)
        for piece in self.pieces(decoding.seed or self.seed):
            yield from parser.feed(piece)
        yield from parser.close()
        parsed = parser.finish()
        message = Message("assistant", parsed.content, parsed.calls)
        stop: Any = "tool_calls" if parsed.calls else "stop"
        yield Reply(message, None, Usage(1, len(self.text)), stop=stop, unread=parsed.unread)

    def reply(self, *given: Any) -> Reply:
        *_, last = self.stream(*given)
        assert isinstance(last, Reply)
        return last


CALLER = Split()


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with background(CALLER) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def _message(content: str | None, calls: Sequence[Any], finish: Any, unread: Any) -> dict[str, Any]:
    assert all(call["type"] == "function" and call["id"].startswith("call_") for call in calls)
    named = [(call["function"]["name"], call["function"]["arguments"]) for call in calls]
    return {"content": content or "", "calls": named, "finish": finish, "unread": unread}


def whole(http: httpx.Client) -> dict[str, Any]:
    answer = http.post("chat/completions", json={"messages": [_ASK], "tools": OPENAI_TOOLS}).json()
    (choice,) = answer["choices"]
    message = choice["message"]
    assert answer["usage"]["completion_tokens"] == len(CALLER.text)
    return _message(
        message["content"],
        message.get("tool_calls", []),
        choice["finish_reason"],
        answer["toolfinch"]["unread"],
    )


_ASK = {"role": "user", "content": "go"}


def streamed(http: httpx.Client, seed: int, n: int) -> list[dict[str, Any]]:
    """For each of `n` choices, whose seeds begin with this one, what its deltas add up to."""
    body = {"messages": [_ASK], "tools": OPENAI_TOOLS, "stream": True, "seed": seed, "n": n}
    lines = http.post("chat/completions", json=body).text.strip().split("\n\n")
    assert lines.pop() == "data: [DONE]"
    contents, calls = [""] * n, [[] for _ in range(n)]  # type: list[str], list[list[Any]]
    ends: list[Any] = [None] * n
    for line in lines:
        chunk = json.loads(line.removeprefix("data: "))
        (choice,) = chunk["choices"]
        index, delta = choice["index"], choice["delta"]
        assert ends[index] is None, "nothing comes behind an end"
        contents[index] += delta.get("content") or ""
        for entry in delta.get("tool_calls", ()):
            assert entry["index"] == len(calls[index])
            calls[index].append(entry)
        if choice["finish_reason"]:
            ends[index] = (choice["finish_reason"], chunk["toolfinch"]["unread"])
    return [_message(content, made, *end) for content, made, end in zip(contents, calls, ends, strict=True)]


@pytest.mark.parametrize("dialect", dialects.DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_cut_anywhere_a_stream_is_the_reply(http: httpx.Client, dialect: Dialect) -> None:
    CALLER.dialect = dialect
    found = 0
    for name, CALLER.text in fixtures(dialect).items():
        expected = whole(http)
        found += len(expected["calls"])
        for first in range(0, len(CALLER.text) + 1, CHOICES):
            n = min(CHOICES, len(CALLER.text) + 1 - first)
            assert streamed(http, first, n) == [expected] * n, (name, first)
    assert found >= 5


@given(
    st.sampled_from(list(dialects.DIALECTS.values())).flatmap(
        lambda dialect: st.tuples(st.just(dialect), st.sampled_from(list(fixtures(dialect).values())))
    ),
    st.integers(-10_000, -100),
)
@settings(max_examples=150)
def test_cut_many_times_it_is_too(http: httpx.Client, what: tuple[Dialect, str], seed: int) -> None:
    CALLER.dialect, CALLER.text = what
    assert streamed(http, seed, 4) == [whole(http)] * 4


@given(
    st.sampled_from(list(dialects.DIALECTS.values())).flatmap(
        lambda dialect: st.tuples(st.just(dialect), st.sampled_from(list(fixtures(dialect).values())))
    ),
    st.integers(-10_000, -100),
)
@settings(max_examples=150)
def test_a_streamed_response_is_the_response(
    http: httpx.Client, what: tuple[Dialect, str], seed: int
) -> None:
    CALLER.dialect, CALLER.text = what
    CALLER.seed = 0
    body = {"input": "go", "tools": [{"type": "function", **one["function"]} for one in OPENAI_TOOLS]}
    plain = http.post("responses", json=body).json()
    expected = whole(http)
    CALLER.seed = seed
    events = [
        json.loads(block.partition("\ndata: ")[2])
        for block in http.post("responses", json={**body, "stream": True}).text.strip().split("\n\n")
    ]
    built: dict[int, Any] = {}
    for event in events:
        place = event.get("output_index")
        match event["type"].removeprefix("response."):
            case "output_item.added":
                assert place == len(built)
                built[place] = "" if event["item"]["type"] == "message" else [event["item"]["name"], ""]
            case "output_text.delta":
                built[place] += event["delta"]
            case "function_call_arguments.delta":
                built[place][1] += event["delta"]
    for output in (plain["output"], events[-1]["response"]["output"]):
        assert list(built.values()) == [
            item["content"][0]["text"] if item["type"] == "message" else [item["name"], item["arguments"]]
            for item in output
        ]
    assert [tuple(item) for item in built.values() if isinstance(item, list)] == expected["calls"]
    assert "".join(item for item in built.values() if isinstance(item, str)) == expected["content"]
