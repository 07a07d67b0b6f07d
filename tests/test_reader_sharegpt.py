"""ShareGPT rows: the dialects of calls and results, and what is no conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reader_rows import Row, as_row, broken, deep, only, others, refused, rows, survives
from toolfinch.data.readers import sharegpt
from toolfinch.data.readers.transcript import read_calls

CALL = {"name": "f", "arguments": {"a": 1}}


def row(*turns: tuple[str, Any], **more: Any) -> Row:
    return {"conversations": [{"from": role, "value": value} for role, value in turns], **more}


def test_golden_rows_are_read_as_expected() -> None:
    assert [as_row(only(sharegpt, one)) for one in rows("sharegpt")] == rows("sharegpt.expected")


def test_only_its_own_rows_look_like_it() -> None:
    assert all(sharegpt.looks_like(one) for one in rows("sharegpt"))
    assert [name for name, one in others("sharegpt") if sharegpt.looks_like(one)] == []


@pytest.mark.parametrize(
    "value",
    [
        CALL,
        [CALL],
        json.dumps(CALL),
        json.dumps([CALL]),
        str(CALL),
        json.dumps({"name": "f", "arguments": '{"a": 1}'}),
        json.dumps({"name": "f", "arguments": "{'a': 1}"}),
        json.dumps({"name": "f", "parameters": {"a": 1}}),
        {"id": "", "type": "function", "function": CALL},
    ],
)
def test_a_call_is_the_same_in_every_dialect(value: Any) -> None:
    calls = only(sharegpt, row(("human", "x"), ("function_call", value))).messages[1]["tool_calls"]
    assert [(one["id"], one["function"]) for one in calls] == [("call_1", CALL)]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (row(("human", "x"), ("wizard", "y")), "the role is not one of"),
        (row(("human", ["an", "image"])), "expected text, got list"),
        (row(("gpt", None)), "expected text, got NoneType"),
        (row(("function_call", "call f with 1")), "neither JSON nor a Python literal"),
        (row(("function_call", "[]")), "without one"),
        (row(("function_call", {"name": "", "arguments": {}})), "without a name"),
        (row(("function_call", {"name": "f", "a": 1})), "keys beside"),
        (row(("function_call", {"name": "f", "arguments": [1]})), "no object: list"),
        (row(("function_call", '{"name": "f", "arguments": {"a": NaN}}')), "neither JSON"),
        (row(("function_call", '{"name": "f", "arguments": {"a": 1, "a": 2}}')), "neither JSON"),
        (row(("function_call", {"name": "f", "arguments": {"a": deep(3_000)}})), "JSON cannot hold"),
        (row(("observation", deep(3_000))), "JSON cannot hold"),
        (row(("function_call", {**CALL, "parameters": {}})), "arguments twice"),
        (row(("human", "x"), ("gpt", "[TOOL_CALLS] []")), "in a dialect"),
        (row(("human", "x"), ("gpt", "[f(a=b)]"), tools=["f"]), "in brackets that cannot be read"),
        (row(("observation", None)), "a result without a value"),
        (row(("human", "x"), images=["a.png"]), "images"),
        (row(("human", "x"), chosen={}, rejected={}), "pair of answers"),
        (row(("human", "x"), ("gpt", "y"), kto_tag=False), "marked as bad"),
        (row(("human", "x"), tools="two of them"), "tools: neither JSON"),
        (row(("human", "x"), tools=7), "tools: expected a list, got int"),
        (row(("human", "x"), tools=[1]), "neither an object nor a name"),
        ({"conversations": []}, "empty"),
        ({"conversations": "[]"}, "expected a list of turns"),
        ({"conversations": ["x"]}, "expected an object, got str"),
        ({"conversations": {"from": ["human"], "value": []}}, "expected a list of turns"),
        ({}, "expected a list of turns"),
    ],
)
def test_what_cannot_be_read_is_said(wrong: Row, reason: str) -> None:
    assert reason in refused(sharegpt, wrong)


def test_a_reason_has_no_value_of_the_log_in_it() -> None:
    """Reasons are printed and counted; a value may be private."""
    for value in ("{'name': 'f', 'arguments': Kari}", {"name": "f", "arguments": "Kari"}, {"Kari": 1}):
        assert "Kari" not in refused(sharegpt, row(("function_call", value)))


def test_results_without_calls_stay_and_say_so() -> None:
    found = only(sharegpt, row(("human", "x"), ("observation", "1"), ("gpt", "y")))
    assert found.messages[1] == {"role": "tool", "tool_call_id": "", "content": "1"}


@pytest.mark.parametrize(("value", "parts"), [("[1, 2]", ["1", "2"]), ("[1]", ["[1]"]), ("1 2", ["1 2"])])
def test_one_observation_is_divided_only_into_as_many_results_as_calls(value: str, parts: list[str]) -> None:
    found = only(sharegpt, row(("human", "x"), ("function_call", [CALL, CALL]), ("observation", value)))
    assert [one["content"] for one in found.messages[2:]] == parts
    assert [one["tool_call_id"] for one in found.messages[2:]] == ["call_1", "call_2"][: len(parts)]


def test_brackets_are_text_where_no_tool_is_offered() -> None:
    text = "[see(1)]"
    assert only(sharegpt, row(("human", "x"), ("gpt", text))).messages[1]["content"] == text


def test_made_ids_are_not_those_of_the_log() -> None:
    calls = [{"id": "call_1", "function": CALL}, {"function": CALL}, {"id": "call_2", "function": CALL}]
    found = only(sharegpt, row(("human", "x"), ("function_call", calls)))
    assert [one["id"] for one in found.messages[1]["tool_calls"]] == ["call_1", "call_3", "call_2"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
ARGUMENTS = st.dictionaries(st.text(max_size=3), VALUES, max_size=3)


@given(st.lists(ARGUMENTS, min_size=1, max_size=3), st.sampled_from([json.dumps, repr]))
def test_calls_written_as_json_or_python_read_back(given_: list[dict[str, Any]], write: Any) -> None:
    text = write([{"name": "f", "arguments": one} for one in given_])
    assert [one.arguments for one in read_calls(text)] == given_


@settings(max_examples=150)
@given(broken("sharegpt"))
def test_a_broken_row_ends_in_a_session_or_a_data_error(row: Row) -> None:
    survives(sharegpt, row)
