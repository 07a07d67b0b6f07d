"""Langfuse: rows of its exports and its API, and inputs and outputs as the SDKs write them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from reader_rows import Row, deep, others, rows
from toolfinch.data.readers import langfuse
from trace_logs import broken_session, golden, refused, said, survive

HELLO = [{"role": "user", "content": "Hello"}]
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
CALLED = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]


def one(input: Any, output: Any = None, type: str = "GENERATION", **more: Any) -> Row:
    return {"id": "g", "traceId": "t", "type": type, "name": "f", "input": input, "output": output, **more}


def test_golden_log_is_read_as_expected() -> None:
    kept, left_out = golden("langfuse")
    assert kept == rows("langfuse.expected")
    assert left_out == [
        "content that is not text, a call or a result",
        "no observation of the session is of the type GENERATION",
    ]


def test_only_its_own_rows_look_like_it() -> None:
    assert all(langfuse.looks_like(one) for one in rows("langfuse"))
    assert [name for name, one in others("langfuse") if langfuse.looks_like(one)] == []


def test_the_table_of_traces_is_not_taken_for_it() -> None:
    assert not langfuse.looks_like({"id": "t", "name": "chat", "sessionId": "s", "input": "x", "output": "y"})
    assert not langfuse.looks_like({"id": "t", "observations": ["id-1", "id-2"]})


def test_a_trace_s_download_is_read_as_its_session() -> None:
    row = {"trace": {"id": "t", "sessionId": "s"}, "observations": [one(HELLO, "Hi")]}
    assert langfuse.looks_like(row)
    assert [session.id for session in langfuse.sessions([row])] == ["s"]


@pytest.mark.parametrize(
    "output",
    [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        [{"role": "assistant", "content": "", "tool_calls": [CALL]}],
        {"choices": [{"message": {"role": "assistant", "tool_calls": [CALL]}}]},
        {"content": "", "additional_kwargs": {"tool_calls": [CALL]}},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"x": 1}}]},
        [{"type": "tool_use", "id": "1", "name": "f", "input": {"x": 1}}],
        [CALL],
        {
            "role": "assistant",
            "content": [{"type": "tool-call", "toolCallId": "1", "toolName": "f", "input": {"x": 1}}],
        },
        {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "args": {"x": 1}, "id": "1"}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "1", "name": "f", "arguments": {"x": 1}}],
        },
        {
            "object": "response",
            "output": [
                {"type": "reasoning", "summary": []},
                {"type": "function_call", "id": "fc", "call_id": "1", "name": "f", "arguments": '{"x":1}'},
            ],
        },
    ],
)
@pytest.mark.parametrize("text", [False, True])
def test_calls_in_the_shapes_of_sdks(output: Any, text: bool) -> None:
    given = msgspec.json.encode(output).decode() if text else output
    assert said(langfuse, one(HELLO, given)) == [CALLED]


@pytest.mark.parametrize(
    ("results", "content", "failed"),
    [
        ([{"role": "tool", "tool_call_id": "1", "content": "x"}], "x", False),
        ([{"role": "tool", "tool_call_id": "1", "content": {"a": 1}}], '{"a":1}', False),
        ([{"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "x"}]}], "x", False),
        ([{"role": "tool", "tool_call_id": "1", "content": "x", "status": "error"}], "x", True),
        ([{"type": "function_call_output", "call_id": "1", "output": "x"}], "x", False),
        (
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "is_error": True}]}],
            "",
            True,
        ),
        (
            [
                {
                    "role": "tool",
                    "content": [
                        {
                            "type": "tool-result",
                            "toolCallId": "1",
                            "output": {"type": "error-text", "value": "x"},
                        }
                    ],
                }
            ],
            "x",
            True,
        ),
    ],
)
def test_results_in_the_shapes_of_sdks(results: Any, content: str, failed: bool) -> None:
    result = said(langfuse, one({"messages": [*CALLED, *results]}, "Done"))[0][2]
    assert (result["content"], result.get("is_error", False), result["tool_call_id"]) == (
        content,
        failed,
        "1",
    )


@pytest.mark.parametrize(
    "answer", ["Hi", '{"answer": 1}', "[1, 2]", '{"message": "x"}', "", None, '"quoted"']
)
def test_plain_text_and_json_answers_stay_text(answer: str | None) -> None:
    (chats,) = said(langfuse, one(HELLO, answer))
    assert [chat["content"] for chat in chats[1:]] == ([answer] if answer else [])


def test_tools_from_where_they_stand() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "d"}}

    def tools(**row: Any) -> Any:
        (session,) = langfuse.sessions([one(**{"input": HELLO, "output": "Hi", **row})])
        return session.tools

    assert tools() is None
    assert tools(input={"messages": HELLO, "tools": [tool]}) == [tool]
    assert tools(input=[*HELLO, {"role": "tool", "content": tool}]) == [tool]
    definition = {"f": '{"description":"d","parameters":"{\\"type\\":\\"object\\"}"}'}
    assert tools(tool_definitions=definition) == [
        {"name": "f", "description": "d", "parameters": {"type": "object"}}
    ]


def test_a_span_is_a_run_only_where_it_is_the_call() -> None:
    generation = one(HELLO, {"tool_calls": [CALL]})
    other = one({"x": 2}, "no", type="SPAN", id="s1", level="ERROR")
    text = one("x", "no", type="SPAN", id="s2", level="ERROR")
    assert said(langfuse, generation, other, text) == [CALLED]
    mine = one(
        {"kwargs": {"x": 1}, "args": []}, None, type="SPAN", id="s3", level="ERROR", statusMessage="down"
    )
    (chats,) = said(langfuse, generation, mine)
    assert (chats[2]["content"], chats[2]["is_error"]) == ("down", True)


@pytest.mark.parametrize(
    ("rows_", "reason"),
    [
        ([one({"question": "x"}, "y")], "an input without messages"),
        ([one(None, None)], "holds messages"),
        ([one(3, "x")], "neither a list nor text"),
        ([one({"messages": HELLO, "tools": 3}, "x")], "tools that are not a list"),
        ([one(HELLO, None, tool_calls=3)], "tool_calls"),
        ([one(HELLO, None, tool_calls=["x"])], "not an object"),
        ([one([{"role": "tool", "tool_call_id": "1", "content": [{"type": "image"}]}], "x")], "not text"),
        ([one(HELLO, {"role": "assistant", "content": "", "invalid_tool_calls": [{}]})], "not JSON"),
        ([one("[" * 100_000, "x")], "too deeply"),
        ([one([{"role": "tool", "content": deep(5000)}], "x")], "too deeply"),
    ],
)
def test_what_cannot_be_read_has_one_reason(rows_: list[Row], reason: str) -> None:
    assert reason in refused(langfuse, *rows_)


@settings(deadline=None, max_examples=150)
@given(broken_session(langfuse, "langfuse"))
def test_broken_rows_are_sessions_or_a_data_error(broken: list[Row]) -> None:
    survive(langfuse, broken)
