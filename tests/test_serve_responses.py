"""Would break: the Responses API as OpenAI's own client reads it, its events' order, or what is refused there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from test_serve import Failing, Replay, served, turns
from toolfinch.caller import Decoding
from toolfinch.decode.engine import ContextError
from toolfinch.errors import ToolfinchError, UsageError
from toolfinch.message import Message, ToolCall, assistant, system, user
from toolfinch.serve import responses
from toolfinch.serve.refusal import RequestError
from toolfinch.serve.run import background
from toolfinch.tool import Tool, to_openai

TOOLS: list[Any] = [
    {
        "type": "function",
        "name": "set_alarm",
        "description": "Set an alarm",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
        "strict": None,
    },
    {"type": "function", "name": "stop", "parameters": {"type": "object", "properties": {}}},
]
HTTP = httpx.Client(timeout=60, headers={"Connection": "close"})
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
ALARM = assistant("On it.", ToolCall("set_alarm", {"at": "07:30"}), ToolCall("stop", {}))


def _items(response: Any) -> list[Any]:
    """What a response holds, without ids."""
    return [
        (item.name, json.loads(item.arguments))
        if item.type == "function_call"
        else "".join(part.text for part in item.content)
        for item in response.output
    ]


def _expected(turn: Message) -> list[Any]:
    calls = [(call.name, call.arguments) for call in turn.calls]
    return [turn.content, *calls] if turn.content or not calls else calls


def _events(url: str, **body: Any) -> list[dict[str, Any]]:
    answer = HTTP.post(f"{url}/responses", json={"input": "go", "tools": TOOLS, "stream": True, **body})
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in answer.text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def test_official_client_sees_the_same_turn_plain_and_streamed() -> None:
    """The client's own accumulator raises on an event out of order, or of an item that it does not know."""
    caller = Replay()
    with served(caller) as client:

        @given(turns, st.integers(0, 1000))
        @settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
        def check(turn: Message, seed: int) -> None:
            caller.turn, caller.seed = turn, seed
            how: dict[str, Any] = {"model": "replay", "input": "go", "tools": TOOLS}
            plain = client.responses.create(**how)
            assert plain.status == "completed" and _items(plain) == _expected(turn)
            with client.responses.stream(**how) as stream:
                for _ in stream:
                    pass
                whole = stream.get_final_response()
            assert _items(whole) == _items(plain)
            assert whole.output_text == plain.output_text

        check()


def test_events_come_in_openais_order_and_are_numbered() -> None:
    with background(Replay(ALARM, seed=1)) as url:
        events = _events(url)
    for event in events:
        EVENT.validate_python(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"].removeprefix("response.") for event in events]
    kinds = [kind for i, kind in enumerate(kinds) if i == 0 or kind != kinds[i - 1]]  # runs of text
    call = ["output_item.added", *(f"function_call_arguments.{end}" for end in ("delta", "done"))]
    assert kinds == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        *[*call, "output_item.done"] * 2,
        "completed",
    ]
    last = Response.model_validate(events[-1]["response"], strict=True)
    assert [item.type for item in last.output] == ["message", "function_call", "function_call"]
    assert events[0]["response"]["output"] == [] and events[0]["response"]["status"] == "in_progress"
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == events[-1]["response"]["output"]


def test_the_whole_response_is_of_openais_type() -> None:
    with background(Replay(ALARM)) as url:
        body = {"input": "go", "tools": TOOLS, "instructions": "Be brief.", "metadata": {"a": "b"}}
        raw = HTTP.post(f"{url}/responses", json=body).json()
    response = Response.model_validate(raw)
    assert response.usage is not None and response.usage.input_tokens == 11
    assert response.usage.input_tokens_details.cached_tokens == 3
    assert (response.instructions, response.metadata, response.store) == ("Be brief.", {"a": "b"}, False)
    assert [tool.name for tool in response.tools] == ["set_alarm", "stop"]  # type: ignore[union-attr]
    assert raw["toolfinch"]["confidence"] == 0.75


def test_a_conversation_comes_back_as_it_was() -> None:
    """What a client sends back: the items that it was given, other models' reasoning between them, and results."""
    caller = Replay(ALARM)
    with served(caller) as client:
        said: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "Wake me"}]}]
        first = client.responses.create(model="replay", input=said, tools=TOOLS, instructions="Be brief.")
        said += [item.model_dump() for item in first.output]
        said.insert(1, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"})
        ids = [item.call_id for item in first.output if item.type == "function_call"]
        said += [{"type": "function_call_output", "call_id": id, "output": "done"} for id in ids]
        client.responses.create(model="replay", input=said, tools=TOOLS)
    calls = [ToolCall(call.name, call.arguments, id) for call, id in zip(ALARM.calls, ids, strict=True)]
    assert caller.asked[0][0] == (system("Be brief."), user("Wake me"))
    got = caller.asked[1][0]
    assert got[:2] == (user("Wake me"), assistant("On it.", *calls))
    assert [(m.content, m.result.name) for m in got[2:] if m.result] == [
        ("done", "set_alarm"),
        ("done", "stop"),
    ]


def test_the_caller_is_given_what_the_client_sent() -> None:
    caller = Replay()
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    caller.turn = assistant('{"a": 1}')
    with served(caller) as client:
        client.responses.create(
            model="replay",
            input="go",
            tools=TOOLS,
            tool_choice="none",
            parallel_tool_calls=False,
            max_output_tokens=9,
            temperature=0.5,
            include=["message.output_text.logprobs"],
            top_logprobs=2,
            reasoning={"effort": "high"},
            text={"format": {"type": "json_schema", "name": "x", "schema": schema}},
            store=False,
        )
        client.responses.create(
            model="replay", input="go", tools=TOOLS, tool_choice={"type": "function", "name": "stop"}
        )
    expected = Decoding(
        9, 0.5, tool_choice="none", parallel=False, response_schema=schema, logprobs=2, think=True
    )
    assert caller.asked[0][2] == expected
    assert caller.asked[1][2].tool_choice == "=stop"
    assert [to_openai(tool)["function"]["name"] for tool in caller.asked[0][1]] == ["set_alarm", "stop"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"input": None}, "input: expected str | array, got null"),
    ({"input": []}, "input: expected at least one item"),
    ({"input": ["a"]}, "input[0]: expected an object, got str"),
    ({"input": [{"role": "robot", "content": "a"}]}, "input[0].role: expected one of"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        "input[0].content[0]: only text",
    ),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type: expected message, function_call"),
    ({"input": [{"type": "function_call", "call_id": "a"}]}, "input[0].name: missing"),
    (
        {"input": [{"type": "function_call", "call_id": "a", "name": "b", "arguments": "{"}]},
        "input[0].arguments: not JSON",
    ),
    (
        {"input": [{"type": "function_call_output", "call_id": "a", "output": "b"}]},
        "input[0].call_id: no earlier call has the id 'a'",
    ),
    ({"input": [{"type": "function_call_output", "call_id": 5, "output": "b"}]}, "input[0].call_id: "),
    ({"input": [{"type": "function_call_output", "call_id": "", "output": 5}]}, "input[0].output: "),
    ({"store": True}, "store: not supported: no responses are kept here"),
    ({"previous_response_id": "resp_1"}, "previous_response_id: not supported: no responses are kept"),
    ({"conversation": "conv_1"}, "conversation: not supported: no responses are kept"),
    ({"background": True}, "background: not supported"),
    ({"prompt": {"id": "x"}}, "prompt: not supported"),
    ({"max_tool_calls": 1}, "max_tool_calls: not supported"),
    ({"truncation": "auto"}, "truncation: only 'disabled' is supported"),
    ({"text": {"verbosity": "high"}}, "text.verbosity: not supported"),
    ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema: missing"),
    ({"text": {"format": {"type": "yaml"}}}, "text.format.type: expected text, json_object or"),
    ({"include": ["file_search_call.results"]}, "include[0]: expected one of"),
    ({"top_logprobs": 2}, "top_logprobs: only with"),
    ({"top_p": 0.5, "temperature": 1}, "top_p: only 1"),
    ({"reasoning": {"effort": "much"}}, "reasoning.effort: expected one of none"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type: only 'function'"),
    ({"tools": [{"type": "function", "function": {"name": "a"}}]}, "tools[0].function: name and parameters"),
    ({"tools": [{"type": "function"}]}, "tools[0].name: expected"),
    (
        {
            "tools": [
                {"type": "function", "name": "a", "parameters": {"type": "object", "properties": {"x": 5}}}
            ]
        },
        "tools[0].parameters.properties.x: expected a schema",
    ),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "name": "b"}}, "tool_choice.name: no tool is"),
    ({"tool_choice": {"type": "web_search"}}, "tool_choice.type: only 'function'"),
    ({"max_output_tokens": 0}, "max_output_tokens: "),
    ({"stream_options": {"include_obfuscation": False}}, "stream_options: only with stream"),
    ({"messages": []}, "messages: no such key"),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with background(Replay()) as base:
        yield base


@pytest.mark.parametrize(("body", "says"), BAD, ids=[says[:50] for _, says in BAD])
def test_bad_input_is_a_400_that_names_the_field(url: str, body: Any, says: str) -> None:
    response = HTTP.post(f"{url}/responses", json={"input": "go", **body})
    error = response.json()["error"]
    assert response.status_code == 400, error
    assert error["message"].startswith(says)
    assert error["param"] == says.partition(":")[0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3),
    max_leaves=6,
)
_ITEM = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["message", "function_call", "function_call_output", "reasoning", "x"]),
        "role": st.sampled_from(["user", "assistant", "tool", "system"]),
        **dict.fromkeys(("content", "call_id", "name", "arguments", "output"), json_values),
    },
)
_FIELDS = [name for name in responses._Body.__struct_fields__ if name != "input"]


@given(
    st.lists(_ITEM | json_values, max_size=3),
    st.dictionaries(st.sampled_from(_FIELDS), json_values, max_size=3),
)
@settings(max_examples=300)
def test_any_json_is_read_or_refused(items: list[Any], body: dict[str, Any]) -> None:
    """An exception of another kind would be a 500 for the client's mistake."""
    try:
        responses.read_request(json.dumps({"input": items, **body}).encode())
    except RequestError as error:
        assert error.status == 400


@pytest.mark.parametrize("failure", [ToolfinchError("the logits are broken"), "the endpoint is down"])
def test_a_failure_within_a_stream_is_its_last_event(failure: Any) -> None:
    with background(Failing(failure, after=2)) as url:
        events = _events(url)
        assert HTTP.post(f"{url}/responses", json={"input": "go"}).status_code in (500, 502)
    EVENT.validate_python(events[-1])
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["error"]["message"] in ("the logits are broken", "the endpoint is down")


def test_a_reply_that_was_cut_is_incomplete() -> None:
    class Cut(Replay):
        def stream(self, *given: Any) -> Iterator[Any]:
            from msgspec.structs import replace

            for item in super().stream(*given):
                yield replace(item, stop="length") if hasattr(item, "stop") else item

    with background(Cut(assistant("word " * 5))) as url:
        last = _events(url)[-1]
        plain = HTTP.post(f"{url}/responses", json={"input": "go"}).json()
    assert last["type"] == "response.incomplete"
    for response in (last["response"], plain):
        assert (response["status"], response["incomplete_details"]) == (
            "incomplete",
            {"reason": "max_output_tokens"},
        )
        assert response["output"][0]["status"] == "incomplete"


def test_tools_are_read_as_those_of_a_chat_completion() -> None:
    body = json.dumps({"input": "go", "tools": TOOLS}).encode()
    assert responses.read_request(body).request.tools == (
        Tool("set_alarm", "Set an alarm", TOOLS[0]["parameters"]),
        Tool("stop", "", TOOLS[1]["parameters"]),
    )


def test_a_client_that_hangs_up_stops_the_work() -> None:
    caller = Replay(assistant("word " * 2000), pause_s=0.005)
    with background(caller) as url, openai.OpenAI(base_url=url, api_key="none") as client:
        with client.responses.create(model="replay", input="go", stream=True) as stream:
            for _, _ in zip(range(4), stream, strict=False):
                pass
        assert caller.closed.wait(30)
        assert caller.made < 500


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (ContextError(900, 512), "input: the prompt has 900 tokens"),
        (UsageError("max_tokens: the forced start takes 6"), "max_output_tokens: the forced start"),
        (UsageError("response_format: no"), "text.format: no"),
        (UsageError("tools: too many"), "tools: too many"),
    ],
)
def test_what_a_caller_refuses_is_named_as_it_is_here(failure: Exception, says: str) -> None:
    with background(Failing(failure)) as url:
        error = HTTP.post(f"{url}/responses", json={"input": "go"}).json()["error"]
    assert error["message"].startswith(says) and error["param"] == says.partition(":")[0]
