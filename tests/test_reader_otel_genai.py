"""OpenTelemetry GenAI: the layouts of spans and messages, and which spans make one conversation."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reader_rows import Row, deep, others, rows
from toolfinch.data.readers import otel_genai, otlp
from toolfinch.tool import Tool
from trace_logs import broken_session, golden, refused, said, survive


def span(sent: Any = None, reply: Any = None, *, start: int = 1, trace: str = "t", **more: Any) -> Row:
    given = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": sent, "gen_ai.output.messages": reply}
    attributes = {name: value for name, value in {**given, **more}.items() if value is not None}
    return {
        "traceId": trace,
        "spanId": f"{trace}{start}",
        "startTimeUnixNano": start,
        "attributes": attributes,
    }


def of(role: str, *parts: Any) -> Row:
    return {
        "role": role,
        "parts": [{"type": "text", "content": p} if isinstance(p, str) else p for p in parts],
    }


def call(name: str, id: str | None = None, **arguments: Any) -> Row:
    return {"type": "tool_call", "id": id, "name": name, "arguments": arguments}


def ran(name: str, *, start: int, id: str = "", error: str = "", **more: Any) -> Row:
    given = {"gen_ai.tool.name": name, "gen_ai.tool.call.id": id or None, **more}
    one = span(None, None, start=start, **{"gen_ai.operation.name": "execute_tool", **given})
    return {**one, "status": {"code": 2, "message": error}} if error else one


def test_golden_log_is_read_as_expected() -> None:
    kept, left_out = golden("otel_genai", Tool("get_weather", "Weather of a city"))
    assert kept == rows("otel_genai.expected")
    assert left_out == ["no span of the session holds messages"]


def test_only_its_own_rows_look_like_it() -> None:
    assert all(otel_genai.looks_like(one) for one in rows("otel_genai"))
    assert [name for name, one in others("otel_genai") if otel_genai.looks_like(one)] == []


@pytest.mark.parametrize(
    "row",
    [
        {"traceId": "t", "spanId": "s", "attributes": {"http.request.method": "GET"}},
        {"resourceSpans": []},
        {"resourceLogs": []},
        {"attributes": "gen_ai"},
    ],
)
def test_other_telemetry_is_not_taken_for_it(row: Row) -> None:
    assert not otel_genai.looks_like(row)


HELLO = of("user", "Hello")


@pytest.mark.parametrize("key", ["response", "result"])
@pytest.mark.parametrize(("value", "text"), [({"a": 1}, '{"a":1}'), ("text", "text"), (None, ""), (7, "7")])
def test_results_are_read_from_either_key(key: str, value: Any, text: str) -> None:
    result = of("tool", {"type": "tool_call_response", "id": "1", key: value})
    (chats,) = said(
        otel_genai, span([HELLO, of("assistant", call("f", "1")), result], [of("assistant", "Done")])
    )
    assert chats[2] == {"role": "tool", "tool_call_id": "1", "content": text}


def test_text_that_is_json_stays_text() -> None:
    (chats,) = said(otel_genai, span([of("user", '{"role": "tool"}')], [of("assistant", "[1]")]))
    assert [one["content"] for one in chats] == ['{"role": "tool"}', "[1]"]


def test_calls_in_messages_of_their_own_are_one_turn() -> None:
    # as some instrumentations of Responses write them; in the next request they are one message
    first = span(
        [HELLO], [of("assistant", "Now. "), of("assistant", call("f", "1")), of("assistant", call("g", "2"))]
    )
    turn = of("assistant", "Now. ", call("f", "1"), call("g", "2"))
    second = span(
        [HELLO, turn, of("tool", {"type": "tool_call_response", "id": "2", "response": "x"})], [], start=2
    )
    (chats,) = said(otel_genai, first, second)
    assert [one["function"]["name"] for one in chats[1]["tool_calls"]] == ["f", "g"]


def test_of_several_choices_the_first_is_kept() -> None:
    choices = [of("assistant", "one"), of("assistant", "two")]
    (chats,) = said(otel_genai, span([HELLO], choices, **{"gen_ai.request.choice.count": 2}))
    assert [one["content"] for one in chats] == ["Hello", "one"]


def test_another_agent_and_another_branch_are_conversations_of_their_own() -> None:
    found = said(
        otel_genai,
        span([HELLO], [of("assistant", "Hi")]),
        span([of("user", "Summarise: Hello")], [of("assistant", "A greeting")], start=2),
        span([HELLO], [of("assistant", "Good day")], start=3),
        span([HELLO, of("assistant", "Hi"), of("user", "Bye")], [of("assistant", "Bye!")], start=4),
    )
    assert [[one["content"] for one in chats] for chats in found] == [
        ["Hello", "Hi", "Bye", "Bye!"],
        ["Summarise: Hello", "A greeting"],
        ["Hello", "Good day"],
    ]


def test_a_history_that_the_provider_keeps_is_continued_by_results() -> None:
    result = of("tool", {"type": "tool_call_response", "id": "1", "response": "x"})
    (chats,) = said(
        otel_genai,
        span([HELLO], [of("assistant", call("f", "1"))]),
        span([result], [of("assistant", "Done")], start=2),
    )
    assert [one["role"] for one in chats] == ["user", "assistant", "tool", "assistant"]


def test_a_request_that_failed_is_continued_by_the_next() -> None:
    found = said(otel_genai, span([HELLO]), span([HELLO], [of("assistant", "Hi")], start=2))
    assert [[one["content"] for one in chats] for chats in found] == [["Hello", "Hi"]]


def test_a_system_message_that_changes_does_not_part_a_conversation() -> None:
    hi = of("assistant", "Hi")
    found = said(
        otel_genai,
        span([of("system", "12:00"), HELLO], [hi]),
        span([of("system", "12:01"), HELLO, hi, of("user", "Bye")], [], start=2),
    )
    assert [[one["content"] for one in chats] for chats in found] == [["12:01", "Hello", "Hi", "Bye"]]


def test_equal_calls_get_their_runs_in_order_and_an_unknown_one_none() -> None:
    turn = of("assistant", call("f", x=1), call("f", x=1), call("f", x=2), call("g"))
    arguments = {"gen_ai.tool.call.arguments": '{"x": 1}'}
    (chats,) = said(
        otel_genai,
        span([HELLO], [turn]),
        ran("f", start=3, error="second", **arguments),
        ran("f", start=2, **arguments, **{"gen_ai.tool.call.result": "first"}),
        ran("f", start=4, error="whose?"),
        ran("g", start=5, **{"gen_ai.tool.call.result": {"ok": True}}),
    )
    assert [(one["tool_call_id"], one["content"], "is_error" in one) for one in chats[2:]] == [
        ("call_1", "first", False),
        ("call_2", "second", True),
        ("call_4", '{"ok":true}', False),
    ]


def test_made_ids_leave_out_those_that_the_log_uses() -> None:
    (chats,) = said(otel_genai, span([HELLO], [of("assistant", call("f"), call("g", "call_1"), call("h"))]))
    assert [one["id"] for one in chats[1]["tool_calls"]] == ["call_2", "call_1", "call_3"]


def test_agents_are_read_only_where_there_is_nothing_better() -> None:
    agent = {"gen_ai.operation.name": "invoke_agent"}
    around = span([HELLO], [of("assistant", "It is 7")], **agent)
    turns = [
        HELLO,
        of("assistant", call("f", "1")),
        of("tool", {"type": "tool_call_response", "id": "1", "response": 7}),
    ]
    assert [
        len(chats) for chats in said(otel_genai, around, span(turns, [of("assistant", "It is 7")], start=2))
    ] == [4]
    assert [len(chats) for chats in said(otel_genai, around)] == [2]


def test_definitions_without_parameters_are_names_only_where_none_has_any() -> None:
    def tools(*definitions: Row) -> Any:
        (session,) = otel_genai.sessions([span([HELLO], [], **{"gen_ai.tool.definitions": [*definitions]})])
        return session.tools

    bare, full = {"type": "function", "name": "now"}, {"type": "function", "name": "f", "parameters": {}}
    assert tools(bare) == ["now"]
    full["parameters"] = {"type": "object"}
    assert tools(bare, full) == [bare, full]


def test_messages_may_stand_on_the_span_s_event() -> None:
    details = {
        "gen_ai.input.messages": "Hello",
        "gen_ai.output.messages": '[{"role":"assistant","content":"Hi"}]',
    }
    row = {**span(), "events": [{"name": otel_genai.DETAILS, "attributes": details}]}
    assert [one["content"] for one in said(otel_genai, row)[0]] == ["Hello", "Hi"]


FLAT = {"message.content": "Now.", "message.tool_calls.0.id": "1", "message.tool_calls.0.function.name": "f"}
CALLS = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"content": "Now.", "tool_calls": CALLS}},
        {"message": msgspec.json.encode({"content": "Now.", "tool_calls": CALLS}).decode()},
        {"message": {"content": "Now."}, "tool_calls": msgspec.json.encode(CALLS).decode()},
        {"content": "Now.", "tool_calls": CALLS},
        {
            "gen_ai.event.content": msgspec.json.encode(
                {"message": {"content": "Now.", "tool_calls": CALLS}}
            ).decode()
        },
        {"index": "0", **FLAT},
    ],
)
def test_events_of_one_message_in_the_ways_they_are_written(choice: Row) -> None:
    events = [
        {"name": "gen_ai.user.message", "attributes": {"content": "Hello", "role": "customer"}},
        {"name": "gen_ai.choice", "attributes": choice},
    ]
    (chats,) = said(otel_genai, {**span(), "events": events})
    assert chats == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Now.", "tool_calls": CALLS},
    ]


def test_a_batch_of_several_sessions_gives_each_and_the_error_of_one_last() -> None:
    conversation = {"gen_ai.conversation.id": "c"}
    spans = [
        span([HELLO], [of("assistant", call("f", "1"))], trace="a", **conversation),
        {**ran("f", start=2, id="1", error="down"), "traceId": "a"},  # without the conversation's id
        span([of("user", {"type": "blob", "content": "AA"})], [], trace="b"),
        span([HELLO], [of("assistant", "Hi")], trace="c"),
    ]
    batch = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    assert otel_genai.key(batch) == ""
    found = iter(otel_genai.sessions([batch]))
    first, second = next(found), next(found)
    assert (first.id, first.messages[-1]["is_error"], second.id) == ("c", True, "c")
    assert "not text" in refused(otel_genai, batch)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (span([{"role": "user"}], []), "without content"),
        (span([of("user", {"type": "uri", "uri": "x"})]), "not text"),
        (span([HELLO], [of("assistant", {"type": "server_tool_call", "name": "f"})]), "not text"),
        (span([of("narrator", "x")]), "role"),
        (span(3), "neither a list nor text"),
        (span([HELLO], [of("assistant", {"type": "tool_call"})]), "without a name"),
        (span([HELLO], [of("assistant", {"type": "tool_call", "name": "f", "arguments": [1]})]), "arguments"),
        (span([of("user", call("f"))]), "not the assistant's"),
        (span([HELLO], **{"gen_ai.tool.definitions": 3}), "should be a list"),
        (span(), "no span of the session holds messages"),
        ({"resourceSpans": 3}, "batch"),
        ({"resourceSpans": [{"scopeSpans": [{"spans": ["x"]}]}]}, "batch"),
        ({"traceId": "t", "attributes": 3}, "attributes"),
        ({"traceId": "t", "attributes": [{"value": 3}]}, "no key"),
        ({"traceId": "t", "events": 3}, "events"),
        (span([of("tool", {"type": "tool_call_response", "response": deep(5000)})]), "too deeply"),
    ],
)
def test_what_cannot_be_read_has_one_reason(row: Row, reason: str) -> None:
    assert reason in refused(otel_genai, row)


JSON = st.recursive(
    st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def as_otlp(value: Any) -> Row:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case list():
            return {"arrayValue": {"values": [as_otlp(one) for one in value]}}
    return {"kvlistValue": {"values": [{"key": key, "value": as_otlp(one)} for key, one in value.items()]}}


@given(JSON)
def test_otlp_values_come_back(value: Any) -> None:
    assert otlp.value(as_otlp(value)) == value


@settings(deadline=None, max_examples=150)
@given(broken_session(otel_genai, "otel_genai"))
def test_broken_rows_are_sessions_or_a_data_error(broken: list[Row]) -> None:
    survive(otel_genai, broken)
