"""Would break: several choices mixed up, log-probabilities in no client's shape, an answer that is not of its schema
passed on as if it were, or one bad tool that takes the others with it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from test_serve import ASK, OPENAI_TOOLS, Replay, served
from toolfinch.caller import Decoding, Delta, Reply, Signals, TokenLogprob, Usage
from toolfinch.callers.load import load
from toolfinch.message import Message, ToolCall, assistant
from toolfinch.serve.limits import Limits
from toolfinch.serve.run import background
from toolfinch.tool import Tool

HTTP = httpx.Client(timeout=60, headers={"Connection": "close"})


class Many:
    """A caller of several slots that says its seed, word by word, and calls with it."""

    name = "many"

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.met = threading.Barrier(slots)

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], decoding: Decoding = Decoding()
    ) -> Iterator[Delta | Reply]:
        self.met.wait(20)  # breaks where not all slots are at work together
        call = ToolCall("stop", {"seed": decoding.seed})
        for word in (seed := f"seed {decoding.seed}").split():
            yield Delta(f"{word} ")
        yield Delta(call=call)
        yield Reply(assistant(f"{seed} ", call), 0.5, Usage(10, 3, 2), stop="tool_calls")

    def reply(self, *given: Any) -> Reply:
        *_, last = self.stream(*given)
        assert isinstance(last, Reply)
        return last


def test_n_choices_are_made_together_with_seeds_one_apart() -> None:
    with served(Many(3)) as client:
        how: dict[str, Any] = {"model": "many", "messages": ASK, "n": 3, "seed": 5}
        plain = client.chat.completions.create(**how)
        with client.chat.completions.stream(**how, stream_options={"include_usage": True}) as stream:
            for _ in stream:
                pass
            whole = stream.get_final_completion()
    for completion in (plain, whole):
        found = [
            (c.index, c.message.content, c.message.tool_calls[0].function.arguments, c.finish_reason)  # type: ignore[index,union-attr]
            for c in completion.choices
        ]
        assert found == [(i, f"seed {5 + i} ", f'{{"seed": {5 + i}}}', "tool_calls") for i in range(3)], found
        assert completion.usage is not None
        assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (10, 9)
    ids = [call.id for c in plain.choices for call in c.message.tool_calls or ()]
    assert len(set(ids)) == 3


class Sure(Replay):
    """Adds to a reply what an engine knows of it."""

    logprobs: tuple[TokenLogprob, ...] = (
        TokenLogprob("hé", -0.5, (("hé", -0.5), ("ho", -1.0))),
        TokenLogprob("\ufffd", -0.25, (("\ufffd", -0.25), ("i", -2.0))),
    )

    def stream(self, *given: Any) -> Iterator[Delta | Reply]:
        import msgspec

        for item in super().stream(*given):
            if isinstance(item, Reply):
                wanted = given[2].logprobs is not None
                item = msgspec.structs.replace(
                    item,
                    p_right=0.9,
                    signals=Signals(called=False, forced=4),
                    logprobs=self.logprobs if wanted else (),
                )
            yield item


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_are_in_openais_shape(stream: bool) -> None:
    caller = Sure()
    with served(caller) as client:
        how: dict[str, Any] = {"model": "replay", "messages": ASK, "logprobs": True, "top_logprobs": 2}
        if stream:
            with client.chat.completions.stream(**how) as events:
                for _ in events:
                    pass
                choice: Any = events.get_final_completion().choices[0]
        else:
            choice = client.chat.completions.create(**how).choices[0]
        assert client.chat.completions.create(model="replay", messages=ASK).choices[0].logprobs is None
    assert [decoding.logprobs for _, _, decoding in caller.asked] == [2, None]
    first, second = choice.logprobs.content
    assert (first.token, first.logprob, bytes(first.bytes).decode()) == ("hé", -0.5, "hé")
    assert [(top.token, top.logprob) for top in first.top_logprobs] == [("hé", -0.5), ("ho", -1.0)]
    assert second.bytes is None and second.top_logprobs[1].bytes == [105]


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_that_a_model_does_not_give_are_missed(stream: bool) -> None:
    with background(Replay()) as url:
        body = {"messages": ASK, "logprobs": True, "stream": stream}
        assert "logprobs: the model gave none" in HTTP.post(f"{url}/chat/completions", json=body).text


def test_what_the_engine_knows_is_in_the_reply() -> None:
    with background(Sure()) as url:
        plain = HTTP.post(f"{url}/chat/completions", json={"messages": ASK}).json()["toolfinch"]
        other = HTTP.post(f"{url}/responses", json={"input": "go"}).json()["toolfinch"]
    assert plain == other
    assert (plain["p_right"], plain["signals"]["forced"], plain["confidence"]) == (0.9, 4, 0.75)


SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("said", "fits"), [('{"a": 1}', True), ('{"a": "1"}', False), ("one", False)])
def test_an_answer_that_is_not_of_the_schema_is_never_passed_on(said: str, fits: bool, stream: bool) -> None:
    """A caller that does not hold to schemas is told from one that does by its answer."""
    with served(Replay(assistant(said))) as client:
        how: dict[str, Any] = {
            "model": "replay",
            "messages": ASK,
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
        }
        try:
            if stream:
                with client.chat.completions.create(**how, stream=True) as chunks:
                    finished = [c.choices[0].finish_reason for c in chunks if c.choices][-1]
            else:
                finished = client.chat.completions.create(**how).choices[0].finish_reason
        except openai.APIError as error:
            assert not fits and "not of the schema" in str(error)
        else:
            assert fits and finished == "stop"


def test_a_call_or_a_cut_answer_need_not_be_of_the_schema() -> None:
    form = {"type": "json_object"}
    with served(Replay(assistant("", ToolCall("stop", {})))) as client:
        how: dict[str, Any] = {"messages": ASK, "tools": OPENAI_TOOLS, "response_format": form}
        assert client.chat.completions.create(model="replay", **how).choices[0].message.tool_calls


def _tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


GOOD = _tool("good", x={"type": "string"})
UNREAD = _tool("unread", x={"type": "nothing"})
UNHELD = _tool("unheld", a={"type": "object", "properties": {"x": {"type": "string", "pattern": "(?=a)b"}}})
AT = {
    "unread": "tools[1].function.parameters.properties.x.type: ",
    "unheld": "tools[1].function.parameters.properties.a.properties.x: ",
}


@pytest.fixture(scope="module")
def tiny(folder: Path) -> Iterator[str]:
    """A real engine, behind a real server."""
    with background(load(str(folder), "hermes")) as url:
        yield url


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("bad", [UNREAD, UNHELD], ids=["unread", "unheld"])
def test_a_bad_tool_is_refused_by_name_and_path(tiny: str, bad: dict[str, Any], stream: bool) -> None:
    body = {"messages": ASK, "tools": [GOOD, bad], "max_tokens": 4, "stream": stream}
    answer = HTTP.post(f"{tiny}/chat/completions", json=body)
    error, name = answer.json()["error"], bad["function"]["name"]
    assert answer.status_code == 400
    assert error["message"].startswith(AT[name]) and repr(name) in error["message"], error
    assert error["param"] == AT[name].partition(":")[0]


@pytest.mark.parametrize("by", ["field", "header"])
@pytest.mark.parametrize("bad", [UNREAD, UNHELD], ids=["unread", "unheld"])
def test_a_bad_tool_is_set_aside_on_request(tiny: str, bad: dict[str, Any], by: str) -> None:
    with openai.OpenAI(base_url=tiny, api_key="none", max_retries=0) as client:
        how: dict[str, Any] = {"model": "tiny", "messages": ASK, "tools": [GOOD, bad], "max_tokens": 24}
        if by == "field":
            how["extra_body"] = {"toolfinch": {"set_aside_bad_tools": True}}
        else:
            how["extra_headers"] = {"X-Toolfinch-Set-Aside-Bad-Tools": "true"}
        plain: Any = client.chat.completions.create(**how, tool_choice="required")
        chunks: list[Any] = list(client.chat.completions.create(**how, stream=True))
        name = bad["function"]["name"]
        for extra in (plain.toolfinch, chunks[-1].toolfinch):
            (warning,) = extra["warnings"]
            assert warning.startswith(AT[name]) and warning.endswith("set aside") and repr(name) in warning
        choice = {"type": "function", "function": {"name": name}}
        with pytest.raises(openai.BadRequestError, match=f"'{name}' was set aside"):
            client.chat.completions.create(**how, tool_choice=choice)  # type: ignore[call-overload]
        with pytest.raises(openai.BadRequestError, match="required, but there are no tools"):
            client.chat.completions.create(**{**how, "tools": [bad]}, tool_choice="required")


def test_flat_tools_are_set_aside_too(tiny: str) -> None:
    flat = [{"type": "function", **one["function"]} for one in (GOOD, UNHELD)]
    body = {
        "input": "go",
        "tools": [*flat, {"type": "web_search"}],
        "max_output_tokens": 4,
        "toolfinch": {"set_aside_bad_tools": True},
    }
    answer = HTTP.post(f"{tiny}/responses", json=body).json()
    read, held = answer["toolfinch"]["warnings"]
    assert read.startswith("tools[2].type: ") and held.startswith("tools[1].parameters.properties.a.")
    assert [tool["name"] for tool in answer["tools"]] == ["good"]


def test_a_schema_that_an_answer_cannot_be_held_to_is_refused(tiny: str) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string", "pattern": "(?=a)b"}}}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    answer = HTTP.post(
        f"{tiny}/chat/completions", json={"messages": ASK, "max_tokens": 4, "response_format": form}
    )
    # Refused before a word is said where the engine holds to it; never an answer that is not of the schema.
    assert answer.status_code in (400, 502), answer.text
    assert answer.json()["error"]["message"].startswith("response_format")


def test_too_many_tools_are_refused_with_counts() -> None:
    with background(Replay(), limits=Limits(tools=2)) as url:
        tools = [_tool(f"t{i}") for i in range(3)]
        answer = HTTP.post(f"{url}/chat/completions", json={"messages": ASK, "tools": tools})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (413, "too_many_tools")
        assert error["counts"] == {"tools": 3, "limit": 2}
        assert re.search("3 tools, .* 2", error["message"])
        ok = HTTP.post(f"{url}/chat/completions", json={"messages": ASK, "tools": tools[:2]})
        assert ok.status_code == 200


def test_a_prompt_that_does_not_fit_is_refused_with_counts(tiny: str) -> None:
    body = {"messages": [{"role": "user", "content": "word " * 2000}]}
    for stream in (False, True):
        answer = HTTP.post(f"{tiny}/chat/completions", json={**body, "stream": stream})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (413, "context_length_exceeded")
        assert error["counts"]["context"] == 1024 < error["counts"]["prompt_tokens"]
    assert json.loads(answer.content)["error"]["param"] == "messages"
