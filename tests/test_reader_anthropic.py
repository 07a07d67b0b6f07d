"""Anthropic Messages: results in the user's turn, what stands beside them, and requests that only look alike."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from reader_rows import Row, others, rows
from reader_sessions import (
    Chat,
    as_row,
    blocks,
    broken_logs,
    chats,
    endures,
    only,
    reason,
    same,
    told,
    turns_of,
)
from toolfinch.data.readers import anthropic

USE: Row = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
ASK: Row = {"role": "user", "content": "x"}


def row(*messages: Row, **more: Any) -> Row:
    return {"system": "s", "messages": list(messages), **more}


def user(*parts: Any) -> Row:
    return {"role": "user", "content": list(parts)}


def result(content: Any, id: Any = "t1", **more: Any) -> Row:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


def test_golden_rows_are_read_as_expected() -> None:
    assert [as_row(one) for one in told(anthropic, rows("anthropic"))] == rows("anthropic.expected")


def test_only_its_own_rows_look_like_it() -> None:
    assert all(anthropic.looks_like(one) for one in rows("anthropic"))
    assert [name for name, one in others("anthropic") if anthropic.looks_like(one)] == []


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [ASK]},
        {"messages": [ASK], "tools": [{"type": "function", "function": {"name": "f"}}], "system": "s"},
        {"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}], "system": "s"},
        {"messages": [{"role": "assistant", "tool_calls": [{}]}], "system": "s"},
        {"messages": [], "system": "s"},
        {"messages": "x", "system": "s"},
        {"messages": [ASK], "response": {"choices": []}},
        {"uuid": "u", "sessionId": "s", "message": {"role": "user", "content": []}},
    ],
)
def test_what_is_no_request_of_this_api(other: Row) -> None:
    assert not anthropic.looks_like(other)


def test_words_before_a_result_do_not_part_it_from_its_call() -> None:
    """The API wants results first; a log that has them last is joined all the same."""
    said: Row = {"role": "assistant", "content": [USE]}
    found = only(anthropic, [row(ASK, said, user({"type": "text", "text": "and?"}, result("r")))])
    assert [one["role"] for one in found.messages] == ["system", "user", "assistant", "tool", "user"]


def test_a_result_without_its_call_is_kept_to_be_counted() -> None:
    found = only(anthropic, [row(user(result("r", id="other"), {"type": "text", "text": "x"}))])
    assert [one["role"] for one in found.messages] == ["system", "tool", "user"]


def test_tools_of_the_provider_are_not_offered_and_none_is_not_unknown() -> None:
    hosted = [{"type": "web_search_20250305", "name": "web_search"}]
    assert only(anthropic, [row(ASK, tools=hosted)]).tools == []
    assert only(anthropic, [row(ASK)]).tools is None


def test_a_failed_response_is_none() -> None:
    found = only(anthropic, [row(ASK, response={"type": "error", "error": {"message": "x"}})])
    assert [one["role"] for one in found.messages] == ["system", "user"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"messages": []}, "there are no messages"),
        (row({"role": "tool", "content": "x"}), "expected user or assistant"),
        (row(3), "expected an object, got int"),  # type: ignore[arg-type]
        (row({"role": "user", "content": 3}), "expected text or a list of parts"),
        (row(user(3)), "expected an object"),
        (row(user(USE)), "not the assistant's"),
        (row({"role": "assistant", "content": [{**USE, "name": ""}]}), "without a name"),
        (row({"role": "assistant", "content": [{**USE, "input": [1]}]}), "neither an object nor text"),
        (row(user(result("x", id=None))), "without the id of its call"),
        (row(user(result([{"type": "image", "source": {}}]))), "but image"),
        (row(user({"type": "text", "text": None})), "without its text"),
        (row(user({"type": "Kari Nordmann"})), "of no kind that is known"),
        (
            row({"role": "assistant", "content": [{"type": "server_tool_use", "id": "1"}]}),
            "but server_tool_use",
        ),
        (row(ASK, tools=[{"type": "custom"}]), "tools[0].name: missing"),
        (row(ASK, tools={}), "tools: expected a list"),
        (row(ASK, response=[]), "response: expected an object"),
    ],
)
def test_what_cannot_be_read_is_said_without_its_words(wrong: Row, why: str) -> None:
    told = reason(anthropic, [wrong])
    assert why in told
    assert "Nordmann" not in told


@settings(max_examples=60)
@given(chats())
def test_what_is_written_is_read_again(chat: list[Chat]) -> None:
    messages = []
    for turn in turns_of(chat):
        role = "user" if turn[0]["role"] == "tool" else turn[0]["role"]
        spoken = turn[0]["content"] if turn[0]["role"] == "user" else [b for one in turn for b in blocks(one)]
        messages.append({"role": role, "content": spoken})
    same(only(anthropic, [{"messages": messages[:-1], "response": messages[-1]}]).messages, chat)


@settings(max_examples=100, deadline=None)
@given(broken_logs("anthropic"))
def test_a_broken_log_ends_in_sessions_or_a_data_error(log: list[Row]) -> None:
    endures(anthropic, log)
