"""Would break: a request that nobody thought of, and that makes the server fail instead of refuse."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from test_serve import Replay
from toolfinch.callers.load import load
from toolfinch.message import ToolCall, assistant
from toolfinch.serve import responses, wire
from toolfinch.serve.run import background

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "set_timer",
        "description": "Set a timer",
        "parameters": {
            "type": "object",
            "properties": {
                "minutes": {"type": "integer", "minimum": 1, "maximum": 60},
                "names": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
                "at": {"anyOf": [{"type": "string", "pattern": "[0-9]+"}, {"$ref": "#/$defs/t"}]},
            },
            "required": ["minutes"],
            "$defs": {"t": {"type": "object", "properties": {"h": {"type": "number"}}}},
        },
    },
}
FORM: Any = {
    "type": "json_schema",
    "json_schema": {"name": "a", "schema": {"type": "object", "properties": {"x": {"type": "boolean"}}}},
}
CALLED = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Set a timer"}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "set_timer", "arguments": '{"minutes": 5}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "c", "content": "done"},
]
CHAT: list[Any] = [
    {"messages": CALLED, "tools": [TOOL], "max_tokens": 3, "temperature": 0.5, "seed": 3, "stop": ["x"]},
    {
        "messages": CALLED[:2],
        "tools": [TOOL, {**TOOL, "function": {"name": "now"}}],
        "tool_choice": {"type": "function", "function": {"name": "now"}},
        "parallel_tool_calls": False,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 20,
        "toolfinch": {"set_aside_bad_tools": True},
    },
    {
        "messages": CALLED[:2],
        "response_format": FORM,
        "max_tokens": 3,
        "n": 2,
        "logprobs": True,
        "top_logprobs": 2,
    },
]
FLAT = {"type": "function", **TOOL["function"]}
RESPOND: list[Any] = [
    {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Set a timer"}]},
            {"type": "reasoning", "id": "r", "summary": []},
            {"type": "function_call", "call_id": "c", "name": "set_timer", "arguments": '{"minutes": 5}'},
            {"type": "function_call_output", "call_id": "c", "output": "done"},
        ],
        "instructions": "Be brief.",
        "tools": [FLAT],
        "tool_choice": "auto",
        "max_output_tokens": 3,
        "reasoning": {"effort": "low"},
        "store": False,
    },
    {
        "input": "Set a timer",
        "tools": [FLAT],
        "tool_choice": {"type": "function", "name": "set_timer"},
        "text": {"format": {"type": "json_object"}},
        "stream": True,
        "max_output_tokens": 20,
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 1,
    },
]

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["object", "string", "function", "$ref", "#/", "required", "tool", "assistant", "\u0000", "{"]
    )
)
values = st.recursive(
    leaves,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=6), v, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value within a value."""
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*path, key))


@st.composite
def damaged(draw: st.DrawFn, bodies: list[Any]) -> Any:
    """A good request with a few of its values replaced, removed, doubled or swapped for another of its own."""
    body = copy.deepcopy(draw(st.sampled_from(bodies)))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(body))
        *way, last = draw(st.sampled_from(found))
        holder = body
        for step in way:
            holder = holder[step]
        match draw(st.sampled_from(["replace", "remove", "double", "swap", "add"])):
            case "remove":
                del holder[last]
            case "double" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[last]))
            case "swap":
                other = body
                for step in draw(st.sampled_from(found)):
                    other = other[step] if isinstance(other, dict) and step in other else other
                holder[last] = copy.deepcopy(other) if other is not body else None
            case "add" if isinstance(holder[last], dict):
                holder[last][draw(st.text(max_size=6))] = draw(values)
            case _:
                holder[last] = draw(values)
        if not body:
            break
    return body


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """The packaged model, so that what a request asks for is compiled, rendered and decoded."""
    with background(load("fledgling")) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.mark.parametrize(("path", "bodies"), [("chat/completions", CHAT), ("responses", RESPOND)])
def test_a_damaged_request_is_answered_or_refused(http: httpx.Client, path: str, bodies: list[Any]) -> None:
    for body in bodies:
        answer = http.post(path, json=body)
        assert answer.status_code == 200, answer.text

    @given(damaged(bodies))
    @settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    def check(body: Any) -> None:
        if isinstance(body, dict):  # a removed limit would let the model write on
            for name in ("max_tokens", "max_output_tokens"):
                if name in bodies[0] and "max_completion_tokens" not in body:
                    body.setdefault(name, 3)
                    if isinstance(body[name], int) and body[name] > 12:
                        body[name] = 3
        answer = http.post(path, content=json.dumps(body).encode())
        assert answer.status_code < 500, answer.text
        assert '"server_error"' not in answer.text and "upstream_error" not in answer.text
        if answer.status_code != 200:
            error = answer.json()["error"]
            assert error["message"] and error["type"] == "invalid_request_error"

    check()


def _open(fields: tuple[str, ...], needed: dict[str, Any], example: Any) -> dict[str, Any]:
    properties = {**{name: {} for name in fields}, **needed}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(needed),
        "additionalProperties": False,
    }
    body = {"application/json": {"schema": schema, "example": example}}
    return {
        "post": {
            "requestBody": {"required": True, "content": body},
            "responses": {"default": {"description": ""}},
        }
    }


_GET = {"get": {"responses": {"default": {"description": ""}}}}
_MESSAGE = {
    "type": "object",
    "properties": {
        "role": {"enum": ["system", "user", "assistant", "tool"]},
        "content": {"type": ["string", "null", "array"]},
        "tool_calls": {"type": "array"},
    },
    "required": ["role"],
}
API = schemathesis.openapi.from_dict(
    {
        "openapi": "3.1.0",
        "info": {"title": "Toolfinch", "version": "1"},
        "paths": {
            "/chat/completions": _open(
                wire._Body.__struct_fields__, {"messages": {"type": "array", "items": _MESSAGE}}, CHAT[0]
            ),
            "/responses": _open(
                responses._Body.__struct_fields__, {"input": {"type": ["string", "array"]}}, RESPOND[0]
            ),
            "/models": _GET,
            "/models/{name}": {
                "get": {
                    "parameters": [
                        {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
                    ],
                    "responses": {"default": {"description": ""}},
                }
            },
        },
    }
)


@pytest.fixture(scope="module")
def scripted() -> Iterator[str]:
    with background(Replay(assistant("Well.", ToolCall("set_timer", {"minutes": 5})))) as url:
        yield url


@API.parametrize()
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_whatever_the_schema_allows_or_forbids(case: schemathesis.Case, scripted: str) -> None:
    answer = case.call(base_url=scripted)
    assert answer.status_code < 500, answer.text
    assert answer.headers["x-request-id"]
