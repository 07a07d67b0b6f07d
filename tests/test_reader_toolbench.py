"""ToolBench rows: actions, results that failed, and how a session finishes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reader_rows import Row, as_row, broken, only, others, refused, rows, survives
from test_reader_sharegpt import ARGUMENTS
from test_reader_sharegpt import row as talk
from toolfinch.data.readers import log, toolbench
from toolfinch.data.readers.repeats import PREFIX
from toolfinch.dialects.react import REACT
from toolfinch.message import ToolCall, assistant, from_openai

ACT = "\nThought: \nAction: f\nAction Input: {}"


def finish(text: str) -> str:
    return f"\nThought: Done.\nAction: Finish\nAction Input: {text}"


def last(*turns: tuple[str, Any]) -> Row:
    message: Row = dict(only(toolbench, talk(("user", "x\nBegin!\n"), *turns, tools=["f"])).messages[-1])
    return message


def test_golden_rows_are_read_as_expected() -> None:
    assert [as_row(only(toolbench, one)) for one in rows("toolbench")] == rows("toolbench.expected")


def test_only_its_own_rows_look_like_it() -> None:
    assert all(toolbench.looks_like(one) for one in rows("toolbench"))
    assert [name for name, one in others("toolbench") if toolbench.looks_like(one)] == []


def test_talk_about_prompts_is_no_toolbench() -> None:
    """Without tools and results, `Action:` is a word like any other."""
    assert not toolbench.looks_like(talk(("human", "How do I prompt?"), ("gpt", f"So:{ACT}")))


def test_a_step_begins_as_the_next_one_does() -> None:
    """Rows of one session are told apart by nothing but their length; ids that are made have to agree."""
    row = rows("toolbench")[0]
    whole = only(toolbench, row).messages
    for turns in (3, 5, 7):
        step = only(toolbench, {**row, "conversations": row["conversations"][:turns]})
        assert (step.id, list(step.messages)) == ("", list(whole[: len(step.messages)]))


def test_of_the_steps_of_a_session_the_longest_is_kept(tmp_path: Path) -> None:
    """One that gives up is left out with its reason, and the step before it stands for the session."""
    row = rows("toolbench")[0]
    steps = [{**row, "conversations": row["conversations"][:turns]} for turns in (3, 5, 7)]
    up = {"from": "assistant", "value": finish('{"return_type": "give_up_and_restart"}')}
    steps.append({**row, "conversations": [*row["conversations"][:-1], up]})
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in steps), "utf-8")
    (found,), report = log.read(path)
    assert [len(one.calls) for one in found.messages] == [0, 1, 0, 1, 0, 1]
    assert sorted(one.reason for one in report.skipped) == ["gives up and starts again", *[PREFIX] * 2]


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ('{"error": "", "response": "{\'error\': 1}"}', False),
        ('{"error": "Timeout", "response": ""}', True),
        ('{"error": {"code": 500}, "response": ""}', True),
        ('{"error": null, "response": "x"}', False),
        ("{'error': 'no', 'response': ''}", True),
        ('{"response": "x"}', False),
        ('{"error": "", "response": "cut...', False),
        ('{"error": "cut...', True),
        ('{error:"must have "return_type""}', True),
        ("[1]", False),
        ("error", False),
        ("", False),
    ],
)
def test_a_result_is_an_error_where_it_names_one(text: str, failed: bool) -> None:
    found = last(("assistant", ACT), ("function", text))
    assert found.get("is_error", False) is failed
    assert found["content"] == text


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"return_type": "give_answer", "final_answer": "It is 5."}', "It is 5."),
        ('{"return_type": "give_answer", "final_answer": "One.\n\tTwo: \\"2\\"."}', 'One.\n\tTwo: "2".'),
        ("{'return_type': 'give_answer', 'final_answer': \"It's 5.\"}", "It's 5."),
        ('{"final_answer": "It is 5."}', "It is 5."),
    ],
)
def test_an_answer_is_text(text: str, answer: str) -> None:
    assert last(("assistant", finish(text))) == {"role": "assistant", "content": answer}


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        (finish('{"return_type": "give_up_and_restart"}'), "gives up"),
        (finish('{"return_type": "give_up_and_restart", "final_answer": "No."}'), "gives up"),
        (finish('{"return_type": "give_answer"}'), "finishes without an answer"),
        (finish('{"return_type": "give_answer", "final_answer": ["5"]}'), "finishes without an answer"),
        (finish('{"return_type": "give_answer", "final_answer": "say "hi""}'), "neither JSON"),
        (ACT + finish('{"final_answer": "x"}'), "a thought between two actions"),
        (ACT + finish('{"final_answer": "x"}').replace("\nThought: Done.", ""), "finishes and acts"),
        ("\nThought: \nAction: f\nAction Input: {", "neither JSON"),
        ("\nThought: \nAction: f\nAction Input: 5", "no object: int"),
        ("\nThought: \nAction: \nAction Input: {}", "without a name"),
    ],
)
def test_what_cannot_be_read_is_said(turn: str, reason: str) -> None:
    assert reason in refused(toolbench, talk(("user", "x"), ("assistant", turn), tools=["f"]))


@pytest.mark.parametrize("listed", ["", "none", "[{'name': f}]", "[3]"])
def test_a_list_of_apis_that_cannot_be_read_is_said(listed: str) -> None:
    text = f"You have access to the following APIs: {listed}"
    assert "APIs" in (reason := refused(toolbench, talk(("system", text)))) or "tools:" in reason


def test_finish_is_no_tool() -> None:
    tools = [{"name": "f"}, {"name": "Finish"}, {"type": "function", "function": {"name": "Finish"}}]
    row = talk(("user", "x"), ("assistant", ACT), tools=json.dumps(tools))
    assert only(toolbench, row).tools == [{"name": "f"}]


WORDS = st.text("abc .\né", max_size=12).map(str.strip)


@given(WORDS, st.lists(ARGUMENTS, max_size=2))
def test_what_the_dialect_writes_reads_back(text: str, arguments: list[dict[str, Any]]) -> None:
    turn = assistant(text or "x", *(ToolCall("f", one, f"call_{i}") for i, one in enumerate(arguments, 1)))
    assert from_openai(last(("assistant", REACT.render_turn(turn, ())))) == turn


@settings(max_examples=150)
@given(broken("toolbench"))
def test_a_broken_row_ends_in_a_session_or_a_data_error(row: Row) -> None:
    survives(toolbench, row)
