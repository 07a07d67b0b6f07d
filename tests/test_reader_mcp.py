"""MCP logs: answers joined to requests of the same side, and nobody's words taken for a decision."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from reader_rows import Row, others, rows
from reader_sessions import Chat, as_row, broken_logs, chats, endures, only, reason, same, told
from toolfinch.data.readers import mcp


def rpc(**more: Any) -> Row:
    return {"jsonrpc": "2.0", **more}


def call(id: Any, name: Any = "f", arguments: Any = None) -> Row:
    return rpc(id=id, method="tools/call", params={"name": name, "arguments": arguments})


def answer(id: Any, *content: Any, **more: Any) -> Row:
    return rpc(id=id, result={"content": list(content), **more})


def text(words: str) -> Row:
    return {"type": "text", "text": words}


START = rpc(id=0, method="initialize", params={})


def test_golden_rows_are_read_as_expected() -> None:
    assert [as_row(one) for one in told(mcp, rows("mcp"))] == rows("mcp.expected")


def test_only_its_own_rows_look_like_it() -> None:
    assert all(mcp.looks_like(one) for one in rows("mcp"))
    assert [name for name, one in others("mcp") if mcp.looks_like(one)] == []


def test_no_turn_is_a_decision() -> None:
    """Nobody asked for anything in it: a model would learn to call for no reason."""
    for session in told(mcp, rows("mcp")):
        assistant = [i for i, one in enumerate(session.messages) if one["role"] == "assistant"]
        assert assistant == [i for i, mark in session.marks.items() if mark.skip]
        assert "without:user" in session.tags


def test_calls_one_after_the_other_are_turns_and_calls_together_are_one() -> None:
    log = [
        call(1),
        answer(1, text("a")),
        call(2),
        call(3),
        answer(3, text("c")),
        call(4),
        answer(2, text("b")),
    ]
    calls = [[c["id"] for c in one["tool_calls"]] for one in only(mcp, log).messages if "tool_calls" in one]
    assert calls == [["1"], ["2", "3"], ["4"]]
    assert [one["content"] for one in only(mcp, log).messages if one["role"] == "tool"] == ["a", "c", "b"]


@pytest.mark.parametrize(
    "other",
    [
        rpc(id=1, method="roots/list"),
        rpc(id=1, result={"roots": []}),
        rpc(id=1, result={"role": "assistant", "content": [text("x")], "model": "m"}),
        rpc(id=1, result={"action": "accept", "content": {"a": 1}}),
        rpc(method="notifications/cancelled", params={"requestId": 1}),
        rpc(id=2, result={"content": [text("x")]}),
    ],
)
def test_the_other_side_has_ids_of_its_own(other: Row) -> None:
    """A server's request may have the id of a call, and its answer is no result."""
    found = only(mcp, [call(1), other, answer(1, text("a"))])
    assert [one.get("content") for one in found.messages] == [None, "a"]


def test_a_list_that_comes_again_replaces_the_one_before() -> None:
    def page(id: int, name: str, **params: Any) -> list[Row]:
        result = {"tools": [{"name": name, "inputSchema": {"type": "object"}}]}
        return [rpc(id=id, method="tools/list", params=params), rpc(id=id, result=result)]

    log = [*page(1, "a"), *page(2, "b", cursor="2"), *page(3, "c"), *page(4, "d", cursor="2"), call(5)]
    assert [one["name"] for one in only(mcp, log).tools or ()] == ["c", "d"]
    assert only(mcp, [call(5)]).tools is None


def test_a_start_begins_a_session_without_the_tools_of_the_last() -> None:
    listed = [rpc(id=1, method="tools/list"), rpc(id=1, result={"tools": [{"name": "f"}]})]
    first, second = mcp.sessions([START, *listed, call(2), START, call(2)])
    assert first.tools
    assert second.tools is None


@pytest.mark.parametrize(
    ("answered", "content", "is_error"),
    [
        (answer(1, text("a"), text("b")), "a\nb", False),
        (answer(1, text("a"), structuredContent={"a": 1}), "a", False),
        (answer(1, structuredContent={"a": 1}), '{"a":1}', False),
        (answer(1, text("a"), isError=True), "a", True),
        (answer(1), "", False),
        (answer(1, {"type": "resource", "resource": {"text": "a"}}), "a", False),
        (answer(1, {"type": "resource", "resource": {"blob": "AA"}}), "[resource]", False),
        (answer(1, {"type": "audio"}), "[audio]", False),
        (rpc(id=1, error={"code": -1, "message": "no"}), "no", True),
        (rpc(id=1, error={"code": -1}), '{"code":-1}', True),
    ],
)
def test_results(answered: Row, content: str, is_error: bool) -> None:
    result = only(mcp, [call(1), answered]).messages[-1]
    assert (result["content"], result.get("is_error", False)) == (content, is_error)


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ([START], "no tool is called"),
        ([call(1, name=None)], "without a name"),
        ([call(1, arguments=[1])], "neither an object nor text"),
        ([rpc(id=1, method="tools/call")], "params: expected an object"),
        ([call(1), answer(1, 3)], "expected an object"),
        ([call(1), answer(1, {"type": "Kari Nordmann"})], "of no kind that is known"),
        ([{"session": "s", "message": '{"jsonrpc": '}], "not JSON"),
        ([rpc(id=1, method="tools/list"), rpc(id=1, result={"tools": 3})], "expected a list"),
    ],
)
def test_what_cannot_be_read_is_said_without_its_words(log: list[Row], why: str) -> None:
    said = reason(mcp, log)
    assert why in said
    assert "Nordmann" not in said


def test_what_is_wrong_with_one_session_leaves_the_others() -> None:
    found = mcp.sessions([START, call(1, name=3), START, call(1)])
    assert len(next(iter(found)).messages) == 1


@settings(max_examples=60)
@given(chats())
def test_calls_that_are_written_are_read_again(chat: list[Chat]) -> None:
    """All but the words, which such a log does not have."""
    log: list[Row] = []
    kept: list[Chat] = []
    for message in chat:
        if message.get("tool_calls"):
            kept.append({**message, "content": None})
            log += [call(one["id"], "f", one["function"]["arguments"]) for one in message["tool_calls"]]
        elif message["role"] == "tool":
            kept.append(message)
            failed = message.get("is_error", False)
            log.append(answer(message["tool_call_id"], text(message["content"]), isError=failed))
    if kept:
        same(only(mcp, log).messages, kept)


@settings(max_examples=100, deadline=None)
@given(broken_logs("mcp"))
def test_a_broken_log_ends_in_sessions_or_a_data_error(log: list[Row]) -> None:
    endures(mcp, log)
