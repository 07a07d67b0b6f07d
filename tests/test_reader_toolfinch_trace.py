"""Would break: a conversation that was served and cannot be learned from, or is learned from at a turn that was cut."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given

from reader_rows import GOLDEN, HOSTILE, Row, others, refused, rows
from reader_sessions import as_row, broken_logs, endures, told
from toolfinch.data.readers import log, toolfinch_trace
from toolfinch.data.readers.repeats import PREFIX


def test_golden_rows_are_read_as_expected() -> None:
    assert [as_row(one) for one in told(toolfinch_trace, rows("toolfinch_trace"))] == rows(
        "toolfinch_trace.expected"
    )


def test_requests_of_one_conversation_are_one_that_began_with_the_first() -> None:
    found, report = log.read(GOLDEN / "toolfinch_trace.jsonl")
    assert [(one.id, len(one.messages), one.time) for one in found] == [
        ("toolfinch_trace:3", 2, "2026-05-04T03:05:00Z"),
        ("trip-1", 10, "2026-05-04T03:02:01Z"),
        ("toolfinch_trace:6", 2, "2026-05-04T04:00:00Z"),
    ]
    assert [one.reason for one in report.skipped] == [PREFIX] * 3
    assert report.orphan_results == 0
    failed = [message.result.is_error for message in found[1].messages if message.result is not None]
    assert failed == [False, True, False]


def test_turns_that_were_cut_or_not_understood_are_no_decisions() -> None:
    skipped = [
        [mark.skip for mark in one.marks.values()] for one in told(toolfinch_trace, rows("toolfinch_trace"))
    ]
    assert skipped == [[], [], [True], [], [], [True]]


def test_only_its_own_rows_look_like_it() -> None:
    assert all(toolfinch_trace.looks_like(one) for one in rows("toolfinch_trace"))
    assert [name for name, one in others("toolfinch_trace") if toolfinch_trace.looks_like(one)] == []


@pytest.mark.parametrize(
    ("said", "more"),
    [
        ([{"role": "user", "content": [{"type": "tool_use", "text": "x"}]}], {}),
        ([{"role": "user", "content": "x", "jsonrpc": "2.0"}], {"metadata": {"jsonrpc": "2.0"}}),
        ([{"role": "user", "content": "x"}], {"tools": [{"type": "function", "function": {"name": "f"}}]}),
    ],
)
def test_what_a_client_sends_makes_it_no_other_format(said: list[Row], more: Row) -> None:
    """Content like Anthropic's, or a key of MCP's, is what a client may send."""
    row = copy.deepcopy(rows("toolfinch_trace")[0])
    row["sent"] = {"messages": said, **more}
    assert [name for name in log.FORMATS if log.format_of(name).looks_like(row)] == ["toolfinch_trace"]


def _with(place: str, value: Any) -> Row:
    row = copy.deepcopy(rows("toolfinch_trace")[0])
    *above, last = place.split(".")
    at: Any = row
    for step in above:
        at = at[step]
    at[last] = value
    return row


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (_with("toolfinch_trace", 2), "expected version 1"),
        (_with("sent", None), "sent: expected an object"),
        (_with("sent.messages", {}), "sent.messages: expected a list"),
        (_with("sent.tools", "x"), "sent.tools: expected a list"),
        (_with("reply", []), "reply: expected an object"),
        (_with("reply.message", "x"), "reply.message: expected an object"),
    ],
)
def test_what_cannot_be_read_is_an_error(row: Row, reason: str) -> None:
    assert reason in refused(toolfinch_trace, row)


@pytest.mark.parametrize("time", HOSTILE)
def test_a_time_that_is_none_costs_no_row(time: Any) -> None:
    (session,) = toolfinch_trace.sessions([_with("time", time)])
    assert session.time == ""


@given(broken_logs("toolfinch_trace"))
def test_broken_logs_are_sessions_or_an_error(log: list[Row]) -> None:
    endures(toolfinch_trace, log)
