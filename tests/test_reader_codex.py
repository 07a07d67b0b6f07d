"""Codex's files: the model's log and not the interface's, compaction, forks and files without an envelope."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reader_rows import Row, others, rows
from reader_sessions import Chat, as_row, broken_logs, chats, endures, only, reason, same, told
from test_reader_openai_responses import items
from toolfinch.data.readers import codex


def env(kind: str, **payload: Any) -> Row:
    return {"timestamp": "t", "type": kind, "payload": payload}


def said(role: str, *words: str) -> Row:
    kind = "output_text" if role == "assistant" else "input_text"
    return env(
        "response_item", type="message", role=role, content=[{"type": kind, "text": one} for one in words]
    )


META = env("session_meta", id="s", base_instructions={"text": "base"})
USER, YES = said("user", "x"), said("assistant", "yes")


def words(log: list[Row]) -> list[Any]:
    return [one["content"] for one in only(codex, log).messages]


def test_golden_rows_are_read_as_expected() -> None:
    assert [as_row(one) for one in told(codex, rows("codex"))] == rows("codex.expected")


def test_only_its_own_rows_look_like_it() -> None:
    assert all(codex.looks_like(one) for one in rows("codex"))
    assert [name for name, one in others("codex") if codex.looks_like(one)] == []


def test_what_codex_wrote_before_the_user_is_the_system_message() -> None:
    """Else every session would open with the same words of the user."""
    context = said("user", "<environment_context>e</environment_context>", "and the user")
    later = said("user", "<environment_context>f</environment_context>")
    found = only(codex, [META, said("developer", "d"), context, YES, later, USER, YES]).messages
    assert [(one["role"], one["content"]) for one in found] == [
        ("system", "base\n\nd\n\n<environment_context>e</environment_context>"),
        ("user", "and the user"),
        ("assistant", "yes"),
        ("system", "<environment_context>f</environment_context>"),
        ("user", "x"),
        ("assistant", "yes"),
    ]


@pytest.mark.parametrize(
    ("turns", "left"),
    [
        (0, ["base", "x", "yes", "y", "yes"]),
        (1, ["base", "x", "yes"]),
        (2, ["base", "z"]),
        (9, ["base", "z"]),
    ],
)
def test_a_roll_back_takes_the_last_turns_of_the_user(turns: int, left: list[str]) -> None:
    log = [
        META,
        USER,
        YES,
        said("user", "y"),
        YES,
        env("event_msg", type="thread_rolled_back", num_turns=turns),
    ]
    assert words([*log, *([said("user", "z")] if turns > 1 else [])]) == left


def test_a_compaction_with_a_summary_alone() -> None:
    found = list(codex.sessions([META, USER, YES, env("compacted", message="sum"), said("user", "y"), YES]))
    assert [[one["content"] for one in session.messages] for session in found] == [
        ["base", "x", "yes"],
        ["base", "sum", "y", "yes"],
    ]
    assert [session.tags for session in found] == [(), ("compacted",)]


def test_a_context_without_anything_new_is_none() -> None:
    """It would only repeat decisions."""
    history = [USER["payload"], YES["payload"]]
    assert words([META, USER, YES, env("compacted", message="", replacement_history=history), USER]) == [
        "base",
        "x",
        "yes",
    ]


def test_a_given_history_is_read_but_learnt_once() -> None:
    history = [USER["payload"], YES["payload"]]
    _, second = codex.sessions([META, USER, YES, env("compacted", replacement_history=history), USER, YES])
    assert [one["content"] for one in second.messages] == ["base", "x", "yes", "x", "yes"]
    assert list(second.marks) == [2]


def test_headers_of_parents_and_of_a_resumed_session_begin_none() -> None:
    parent = env("session_meta", id="p")
    found = list(codex.sessions([META, parent, USER, YES, META, USER, YES, parent, USER, YES]))
    assert [(session.id, len(session.messages)) for session in found] == [("s", 5), ("p", 2)]


def test_the_interfaces_log_is_no_second_conversation() -> None:
    shown = [
        env("event_msg", type="user_message", message="x"),
        env("event_msg", type="agent_message", message="yes"),
    ]
    assert words([META, shown[0], USER, YES, shown[1]]) == ["base", "x", "yes"]


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ([META, USER], "says nothing"),
        ([{"timestamp": "t", "type": "compacted", "payload": 3}], "payload: expected an object"),
        (
            [META, USER, YES, env("event_msg", type="thread_rolled_back", num_turns="Kari")],
            "expected a number",
        ),
        ([META, USER, YES, env("compacted", replacement_history=3)], "expected a list"),
        ([META, said("Kari", "x"), YES], "role: expected"),
        ([META, env("response_item", type="function_call", name=3, call_id="1")], "without a name"),
        ([META, env("response_item", type="Kari Nordmann"), YES], "of no kind that is known"),
        ([env("session_meta", dynamic_tools=3), USER, YES], "dynamic_tools: expected a list"),
    ],
)
def test_what_cannot_be_read_is_said_without_its_words(log: list[Row], why: str) -> None:
    found = reason(codex, log)
    assert why in found
    assert "Kari" not in found


@pytest.mark.parametrize("start", [env("session_meta", id="z"), env("compacted", message="sum")])
def test_what_is_wrong_with_one_session_leaves_the_others(start: Row) -> None:
    log = [META, env("event_msg", type="thread_rolled_back"), start, said("user", "later"), YES]
    assert next(iter(codex.sessions(log))).messages[-2]["content"] == "later"
    assert "expected a number" in reason(codex, log)


def test_a_compaction_before_the_first_answer_ends_nothing() -> None:
    assert words([META, USER, env("compacted", message="sum"), YES]) == ["base", "sum", "yes"]


@settings(max_examples=60, deadline=None)
@given(st.data(), chats(), st.booleans())
def test_what_is_written_is_read_again(data: st.DataObject, chat: list[Chat], old: bool) -> None:
    """With events between, or without envelopes, and calls and results logged twice."""
    log: list[Row] = (
        [{"id": "s", "timestamp": "t", "instructions": None}] if old else [env("session_meta", id="s")]
    )
    for message in chat:
        for item in items(message):
            if item.get("role"):
                kind = "output_text" if item["role"] == "assistant" else "input_text"
                item = {"type": "message", **item, "content": [{"type": kind, "text": item["content"]}]}
            row = item if old else env("response_item", **item)
            twice = item["type"] != "message" and data.draw(st.booleans())
            log += [row, row] if twice else [row]
            if not old and data.draw(st.booleans()):
                log.append(env("event_msg", type="agent_message", message="?"))
    assert all(codex.looks_like(one) for one in log)
    same(only(codex, log).messages, chat)


@settings(max_examples=100, deadline=None)
@given(broken_logs("codex"))
def test_a_broken_log_ends_in_sessions_or_a_data_error(log: list[Row]) -> None:
    endures(codex, log)
