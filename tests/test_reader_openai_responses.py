"""OpenAI Responses: items joined by `call_id`, and histories that only the chain of responses has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reader_rows import Row, others, rows
from reader_sessions import Chat, as_row, broken_logs, chats, endures, only, reason, same, told, turns_of
from toolfinch.data.readers import openai_responses

ASK: Row = {"role": "user", "content": "x"}
SAID: Row = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "y"}]}


def row(id: str, given: Any = "x", previous: Any = None, *output: Row, **more: Any) -> Row:
    response = {"object": "response", "id": id, "output": list(output)}
    return {"request": {"input": given, "previous_response_id": previous, **more}, "response": response}


def alone(*items: Any, **more: Any) -> Row:
    return {"model": "m", "input": list(items), **more}


def items(message: Chat) -> list[Row]:
    """A message as items."""
    if message["role"] == "tool":
        output: Any = message["content"]
        if message.get("is_error"):  # as Codex writes it; the API has no word for it
            output = {"content": output, "success": False}
        return [{"type": "function_call_output", "call_id": message["tool_call_id"], "output": output}]
    text = [{"role": message["role"], "content": message["content"]}] if message["content"] else []
    return text + [
        {
            "type": "function_call",
            "call_id": call["id"],
            "name": call["function"]["name"],
            "arguments": json.dumps(call["function"]["arguments"]),
        }
        for call in message.get("tool_calls", ())
    ]


def test_golden_rows_are_read_as_expected() -> None:
    found = [as_row(one) for one in told(openai_responses, rows("openai_responses"))]
    assert found == rows("openai_responses.expected")


def test_only_its_own_rows_look_like_it() -> None:
    assert all(openai_responses.looks_like(one) for one in rows("openai_responses"))
    assert [name for name, one in others("openai_responses") if openai_responses.looks_like(one)] == []


@pytest.mark.parametrize(
    ("one", "is_it"),
    [
        ({"object": "response", "output": []}, True),
        ({"custom_id": "1", "url": "/v1/responses", "body": {"model": "m", "input": [ASK]}}, True),
        ({"custom_id": "1", "response": {"status_code": 200, "body": {"object": "response"}}}, True),
        ({"input": "x", "instructions": "y"}, True),
        ({"model": "embed", "input": "x"}, False),
        ({"model": "embed", "input": ["x", "y"]}, False),
        ({"input": [ASK], "output": "y", "traceId": "t", "model": "m"}, False),
        ({"input": [ASK]}, False),
        ({"input": "x", "output": "y"}, False),
        ({"messages": [ASK], "response": {"object": "chat.completion"}}, False),
        ({"type": "function_call", "call_id": "1"}, False),
    ],
)
def test_what_looks_like_it(one: Row, is_it: bool) -> None:
    assert openai_responses.looks_like(one) is is_it


def test_a_chain_is_joined_wherever_its_rows_stand() -> None:
    """A log that is written when answers come is not in the order of the questions."""
    log = [row("r3", "c", "r2", SAID), row("r1", "a", None, SAID), row("r2", "b", "r1", SAID)]
    words = [one["content"] for one in only(openai_responses, log).messages]
    assert words == ["a", "y", "b", "y", "c", "y"]


def test_of_a_response_that_is_logged_twice_the_last_counts() -> None:
    log = [row("r1", "a"), row("r1", "a", None, SAID), row("r2", "b", "r1", SAID)]
    assert [one["content"] for one in only(openai_responses, log).messages] == ["a", "y", "b", "y"]


def test_a_history_that_is_at_the_provider_is_no_session_but_the_others_are() -> None:
    found = openai_responses.sessions([row("r2", "b", "gone", SAID), row("r9", "z", None, SAID)])
    assert next(iter(found)).messages[0]["content"] == "z"
    assert "does not hold" in reason(openai_responses, [row("r2", "b", "gone"), row("r9", "z")])


def test_responses_that_continue_each_other_are_refused() -> None:
    ring = [row("r1", "a", "r2"), row("r2", "b", "r1")]
    assert "continue each other" in reason(openai_responses, ring)
    assert "continue each other" in reason(openai_responses, [*ring, row("r3", "c", "r1")])


def test_rows_that_nothing_can_continue_stand_alone() -> None:
    """Else a log of whole histories would be one group, and held at once."""
    assert openai_responses.key(row("r1", store=False)) == ""
    assert openai_responses.key(alone(ASK)) == ""
    assert openai_responses.key(row("r1")) == openai_responses.key(row("r2", "x", "r1", store=False)) != ""


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"object": "response", "output": [SAID]}, "input: missing"),
        (alone(), "there are no messages"),
        ({"model": "m", "input": {"a": 1}, "instructions": "x"}, "input: expected a list"),
        (alone({"role": "Kari"}), "input[0].role"),
        (alone({"type": "function_call", "name": "f", "arguments": 3}), "neither an object nor text"),
        (alone({"type": "function_call", "arguments": "{}"}), "without a name"),
        (alone({"type": "function_call_output", "output": "x"}), "without the id of its call"),
        (alone({"type": "custom_tool_call", "name": "f", "input": {}}), "input[0].input: expected text"),
        (alone({"type": "local_shell_call", "action": 1}), "action: expected an object"),
        (alone({"type": "web_search_call"}), "but web_search_call"),
        (alone({"role": "user", "content": [{"type": "input_image"}]}), "but input_image"),
        (alone({"type": "item_reference", "id": "x"}), "the log does not hold"),
        (alone({"type": []}), "input[0].type: expected text"),
        (alone({}), "input[0].type: expected text"),
        (alone(ASK, tools="x"), "tools: expected a list"),
    ],
)
def test_what_cannot_be_read_is_said_without_its_words(wrong: Row, why: str) -> None:
    told = reason(openai_responses, [wrong])
    assert why in told
    assert "Kari" not in told


@settings(max_examples=60, deadline=None)
@given(chats(), st.booleans())
def test_what_is_written_is_read_again(chat: list[Chat], whole: bool) -> None:
    """Each of the assistant's turns a request, with the history in it or at the provider."""
    log: list[Row] = []
    before: list[Row] = []
    new: list[Row] = []
    for turn in turns_of(chat):
        written = [item for message in turn for item in items(message)]
        if turn[0]["role"] != "assistant":
            new += written
            continue
        previous = None if whole or not log else f"r{len(log)}"
        log.append(row(f"r{len(log) + 1}", before + new if whole else new, previous, *written))
        before, new = before + new + written, []
    *_, last = openai_responses.sessions(log)
    same(last.messages, chat)


@settings(max_examples=100, deadline=None)
@given(broken_logs("openai_responses"))
def test_a_broken_log_ends_in_sessions_or_a_data_error(log: list[Row]) -> None:
    endures(openai_responses, log)
