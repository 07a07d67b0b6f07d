"""OpenInference: attributes flat, nested or between, and tools in the shapes that it leaves open."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reader_rows import Row, others, rows
from toolfinch.data.readers import openinference, otlp
from toolfinch.tool import Tool
from trace_logs import broken_session, golden, refused, said, survive

HELLO = {"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "Hello"}
HI = {"llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "Hi"}


def span(attributes: Row, **more: Any) -> Row:
    kind = {"openinference.span.kind": "LLM"}
    return {
        "traceId": "t",
        "spanId": "s",
        "startTimeUnixNano": "1",
        "attributes": {**kind, **attributes},
        **more,
    }


def test_golden_log_is_read_as_expected() -> None:
    kept, left_out = golden("openinference", Tool("rate"))
    assert kept == rows("openinference.expected")
    assert left_out == []


def test_only_its_own_rows_look_like_it() -> None:
    assert all(openinference.looks_like(one) for one in rows("openinference"))
    assert [name for name, one in others("openinference") if openinference.looks_like(one)] == []


def test_spans_with_both_conventions_are_this_one_s() -> None:
    row = span({**HELLO, "gen_ai.operation.name": "chat"})
    assert openinference.looks_like(row)
    assert otlp.convention(row) == "openinference"


@pytest.mark.parametrize(
    "attributes",
    [
        {**HELLO, **HI},
        {
            "llm.input_messages": [{"message.role": "user", "message.content": "Hello"}],
            "llm.output_messages": [{"message": {"role": "assistant", "content": "Hi"}}],
        },
        {
            "llm": {
                "input_messages": '[{"message": {"role": "user", "content": "Hello"}}]',
                "output_messages": {"0": {"message": {"role": "assistant", "content": "Hi"}}},
            }
        },
        {**HELLO, "llm": {"output_messages": [{"message.role": "assistant", "message.content": "Hi"}]}},
        {
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents": [
                {"message_content.type": "text", "message_content.text": "Hello"}
            ],
            **HI,
        },
    ],
)
@pytest.mark.parametrize("prefixed", [False, True])
def test_attributes_in_every_nesting(attributes: Row, prefixed: bool) -> None:
    row = span(attributes)
    if prefixed:
        row = {
            "context.trace_id": "t",
            **{f"attributes.{key}": value for key, value in row["attributes"].items()},
        }
    assert openinference.looks_like(row)
    assert [one["content"] for one in said(openinference, row)[0]] == ["Hello", "Hi"]


SCHEMA = {"type": "object", "properties": {"a.b": {"type": "string"}}}


@pytest.mark.parametrize(
    ("attributes", "tool"),
    [
        ({"json_schema": {"name": "f", "input_schema": SCHEMA}}, {"name": "f", "input_schema": SCHEMA}),
        ({"json_schema": '{"function": {"name": "f"}}'}, {"function": {"name": "f"}}),
        ({"name": "f", "json_schema": SCHEMA}, {"name": "f", "description": None, "parameters": SCHEMA}),
        (
            {"json_schema": {"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": SCHEMA}}}},
            {"name": "f", "description": "d", "parameters": SCHEMA},
        ),
        ({"name": "f"}, "f"),
    ],
)
def test_tools_in_the_shapes_of_providers(attributes: Row, tool: Any) -> None:
    flat = {f"llm.tools.0.tool.{key}": value for key, value in attributes.items()}
    (session,) = openinference.sessions([span({**HELLO, **HI, **flat})])
    assert session.tools == [tool]


def test_of_several_choices_the_first_is_kept() -> None:
    more = {"llm.output_messages.1.message.role": "assistant", "llm.output_messages.1.message.content": "Hey"}
    row = span({**HELLO, **HI, **more, "llm.invocation_parameters": '{"n": 2}'})
    assert [one["content"] for one in said(openinference, row)[0]] == ["Hello", "Hi"]


def test_a_tool_span_is_joined_by_its_tool_id() -> None:
    call = "llm.output_messages.0.message.tool_calls.0.tool_call"
    asks = span(
        {**HELLO, f"{call}.id": "c", f"{call}.function.name": "f", f"{call}.function.arguments": '{"x":1}'}
    )
    tool = {"openinference.span.kind": "TOOL", "tool.name": "F", "tool.id": "c", "output.value": "out"}
    ran = span(tool, spanId="s2", startTimeUnixNano="2", status={"code": "STATUS_CODE_ERROR"})
    assert said(openinference, ran, asks)[0][2] == {
        "role": "tool",
        "tool_call_id": "c",
        "name": "f",
        "is_error": True,
        "content": "out",
    }


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"input.value": "Hello"}, "no span of the session holds messages"),
        ({"llm.input_messages": 3}, "should be a list"),
        ({"llm.input_messages.x.message.role": "user"}, "no places"),
        ({"llm.input_messages.0.role": "user"}, "not an object"),
        ({"llm.input_messages.0.message.role": "user"}, "without content"),
        ({**HELLO, "llm.tools.0.tool.json_schema": "{"}, "without a name"),
        (
            {
                "llm.input_messages.0.message.role": "user",
                "llm.input_messages.0.message.contents.0.message_content.type": "image",
            },
            "not text",
        ),
    ],
)
def test_what_cannot_be_read_has_one_reason(attributes: Row, reason: str) -> None:
    assert reason in refused(openinference, span(attributes))


TREE = st.recursive(
    st.integers() | st.text(),
    lambda inner: st.dictionaries(
        st.text(st.characters(categories=["L", "N"]), min_size=1), inner, min_size=1
    ),
    max_leaves=12,
)


def flat(value: Any, path: str = "") -> Row:
    if not isinstance(value, dict):
        return {path: value}
    return {
        k: v for key, one in value.items() for k, v in flat(one, f"{path}.{key}" if path else key).items()
    }


def opened(value: Any) -> Any:
    return {key: opened(one) for key, one in otlp.level(value).items()} if isinstance(value, dict) else value


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text("abc01", min_size=1), TREE, max_size=4))
def test_flat_attributes_open_to_what_they_were(tree: Row) -> None:
    assert opened(flat(tree)) == tree


@given(st.lists(st.integers(), max_size=25), st.randoms())
def test_places_are_numbers_and_not_text(values: list[int], random: Any) -> None:
    pairs = [(str(i), value) for i, value in enumerate(values)]
    random.shuffle(pairs)
    assert otlp.listed(dict(pairs)) == values


@settings(deadline=None, max_examples=150)
@given(broken_session(openinference, "openinference"))
def test_broken_rows_are_sessions_or_a_data_error(broken: list[Row]) -> None:
    survive(openinference, broken)
