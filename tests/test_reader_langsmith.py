"""LangSmith: LangChain's serialised messages, threads and not projects, and runs of tools with their errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from reader_rows import Row, others, rows
from toolfinch.data.readers import langsmith
from trace_logs import broken_session, golden, refused, said, survive

CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}


def run(inputs: Any, outputs: Any = None, run_type: str = "llm", **more: Any) -> Row:
    return {
        "id": "r",
        "trace_id": "t",
        "run_type": run_type,
        "name": "f",
        "inputs": inputs,
        "outputs": outputs,
        **more,
    }


def lc(cls: str, **kwargs: Any) -> Row:
    return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", cls], "kwargs": kwargs}


HELLO = {"messages": [[lc("HumanMessage", content="Hello")]]}


def test_golden_log_is_read_as_expected() -> None:
    kept, left_out = golden("langsmith")
    assert kept == rows("langsmith.expected")
    assert left_out == ["no run of the session is of the type llm, or a chain with messages"]


def test_only_its_own_rows_look_like_it() -> None:
    assert all(langsmith.looks_like(one) for one in rows("langsmith"))
    assert [name for name, one in others("langsmith") if langsmith.looks_like(one)] == []


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ({"session_id": "project", "trace_id": "t", "id": "r"}, "t"),
        ({"extra": {"metadata": {"thread_id": "th", "session_id": "s"}}, "trace_id": "t"}, "th"),
        ({"extra": '{"metadata": {"conversation_id": 7}}', "trace_id": "t"}, "7"),
        ({"metadata": {"session_id": "s"}, "trace_id": "t"}, "s"),
        ({"dotted_order": "20260601T100000000000Zroot.20260601T100001000000Zchild", "id": "child"}, "root"),
        ({"id": "r"}, "r"),
        ({"extra": "[" * 100_000, "id": "r"}, "r"),
        ({}, ""),
    ],
)
def test_the_session_is_the_thread_else_the_trace_and_never_the_project(row: Row, key: str) -> None:
    assert langsmith.key(row) == key


@pytest.mark.parametrize(
    "message",
    [
        lc("AIMessage", content="Now.", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "1"}]),
        lc(
            "AIMessageChunk",
            content=[{"type": "text", "text": "Now."}],
            additional_kwargs={"tool_calls": [CALL]},
        ),
        {"type": "ai", "content": "Now.", "tool_calls": [{"name": "f", "args": {"x": 1}, "id": "1"}]},
        {"type": "ai", "data": {"content": "Now.", "additional_kwargs": {"tool_calls": [CALL]}}},
        {
            "type": "AIMessageChunk",
            "content": "Now.",
            "tool_calls": [{"name": "f", "args": {"x": 1}, "id": "1"}],
        },
        {"role": "ai", "content": "Now.", "tool_calls": [CALL]},
        lc("ChatMessage", role="assistant", content="Now.", tool_calls=[CALL]),
        lc("AIMessage", content=["Now.", {"type": "tool_use", "id": "1", "name": "f", "input": {"x": 1}}]),
    ],
)
@pytest.mark.parametrize("wrap", ["generations", "messages", "message", "output", "item"])
def test_messages_as_langchain_serialises_them(message: Row, wrap: str) -> None:
    outputs = {
        "generations": {"generations": [[{"text": "", "message": message}]]},
        "messages": {"messages": [message]},
        "message": {"message": message},
        "output": {"output": message},
        "item": message,
    }[wrap]
    (chats,) = said(langsmith, run(HELLO, outputs))
    assert chats[1] == {"role": "assistant", "content": "Now.", "tool_calls": [CALL]}


def test_function_call_of_old_and_pairs_are_read() -> None:
    inputs = {"messages": [["system", "Be kind."], ["human", "Hello"]]}
    outputs = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"x":1}'}}
    (chats,) = said(langsmith, run(inputs, outputs))
    assert [chat["role"] for chat in chats] == ["system", "user", "assistant"]
    assert chats[2]["tool_calls"] == [{**CALL, "id": "call_1"}]


@pytest.mark.parametrize(
    ("inputs", "outputs", "error", "content", "failed"),
    [
        ({"x": 1}, {"output": "done"}, None, "done", False),
        ({"input": "{'x': 1}"}, {"output": {"a": 1}}, None, '{"a":1}', False),
        ({"input": '{"x": 1}'}, None, "Boom()", "Boom()", True),
        (
            {"input": "1"},
            {"output": lc("ToolMessage", content="no", tool_call_id="1", status="error")},
            None,
            "no",
            True,
        ),
        (
            {"type": "tool_call", "id": "1", "name": "f", "args": {"x": 9}},
            {"output": "done"},
            None,
            "done",
            False,
        ),
        ({"x": 1}, {"rows": []}, None, '{"rows":[]}', False),
        ({"input": "{'x': {1, 2}"}, {"output": "only call"}, None, "only call", False),
    ],
)
def test_runs_of_tools_give_results_and_errors(
    inputs: Row, outputs: Any, error: str | None, content: str, failed: bool
) -> None:
    asks = run(HELLO, {"role": "assistant", "content": "", "tool_calls": [CALL]})
    (chats,) = said(langsmith, asks, run(inputs, outputs, "tool", id="k", error=error))
    assert (chats[2]["content"], chats[2].get("is_error", False)) == (content, failed)


def test_a_run_of_other_arguments_is_not_the_call_s() -> None:
    asks = run(HELLO, {"role": "assistant", "content": "", "tool_calls": [CALL]})
    assert len(said(langsmith, asks, run({"x": 2}, None, "tool", id="k", error="Boom()"))[0]) == 2


def test_the_last_version_of_a_run_and_the_order_of_times_count() -> None:
    first = run({"messages": [{"role": "user", "content": "Hello"}]}, None, start_time="2026-06-01T10:00:00")
    again = {**first, "outputs": {"role": "assistant", "content": "Hi"}}
    history = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    later = run(
        {"messages": [*history, {"role": "user", "content": "Bye"}]},
        {"role": "assistant", "content": "Bye!"},
        id="r2",
        dotted_order="20260601T095900000000Zroot.20260601T100001000000Zr2",
    )
    assert [[chat["content"] for chat in chats] for chats in said(langsmith, later, first, again)] == [
        ["Hello", "Hi", "Bye", "Bye!"]
    ]


def test_chains_are_read_only_without_llm_runs() -> None:
    whole = [{"type": "human", "content": "Hello"}, {"type": "ai", "content": "Hi"}]
    chain = run({"messages": whole[:1]}, {"messages": whole}, "chain", id="c")
    assert [len(chats) for chats in said(langsmith, chain)] == [2]
    agent = run({"messages": [{"role": "user", "content": "Other"}]}, "Hi")
    assert [chats[0]["content"] for chats in said(langsmith, chain, agent)] == ["Other"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (run({"query": "x"}), "without messages"),
        (
            run({"messages": [[lc("HumanMessage", content="a")], [lc("HumanMessage", content="b")]]}),
            "several prompts",
        ),
        (run({"messages": [{"lc": 1, "type": "constructor", "id": [], "kwargs": {}}]}), "without its class"),
        (run({"messages": [lc("RemoveMessage", id="x")]}), "role"),
        (run({"messages": [{**lc("AIMessage"), "kwargs": 3}]}), "without its fields"),
        (run({"messages": [3]}), "not an object"),
        (run(HELLO, {"choices": [3]}), "not an object"),
        (run(HELLO, {"role": "assistant", "tool_calls": [{"name": 3}]}), "without a name"),
        (run(HELLO, None, "retriever"), "no run"),
    ],
)
def test_what_cannot_be_read_has_one_reason(row: Row, reason: str) -> None:
    assert reason in refused(langsmith, row)


@settings(deadline=None, max_examples=150)
@given(broken_session(langsmith, "langsmith"))
def test_broken_rows_are_sessions_or_a_data_error(broken: list[Row]) -> None:
    survive(langsmith, broken)
