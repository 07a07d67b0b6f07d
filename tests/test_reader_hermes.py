"""Hermes rows: tags, JSON and Python's literals in them, and what a system message says beside its tools."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reader_rows import Row, as_row, broken, only, others, refused, rows, survives
from test_reader_sharegpt import ARGUMENTS
from test_reader_sharegpt import row as talk
from toolfinch.data.readers import hermes
from toolfinch.dialects.hermes import HERMES
from toolfinch.errors import ToolfinchError
from toolfinch.message import ToolCall, assistant

F = '{"name": "f", "description": "x", "parameters": {"type": "object", "properties": {}}}'


def test_golden_rows_are_read_as_expected() -> None:
    assert [as_row(only(hermes, one)) for one in rows("hermes")] == rows("hermes.expected")


def test_only_its_own_rows_look_like_it() -> None:
    assert all(hermes.looks_like(one) for one in rows("hermes"))
    assert [name for name, one in others("hermes") if hermes.looks_like(one)] == []


@pytest.mark.parametrize(
    ("block", "arguments"),
    [
        ("<tool_call>\n{'name': 'f', 'arguments': {'a': \"it's\"}}\n</tool_call>", {"a": "it's"}),
        ("<tool_call>{'arguments': {'a': (1, None, True)}, 'name': 'f'}</tool_call>", {"a": [1, None, True]}),
        ('<tool_call>{"name": "f", "arguments": {"a": True}}</tool_call>', {"a": True}),
        ('<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}', {"a": 1}),
        ('<tool_call>{"name": "f", "arguments": {"a": "</tool_call>"}}</tool_call>', {"a": "</tool_call>"}),
        ("<tool_call>{'name': 'f', 'arguments': {}}\n</tool_call>", {}),
    ],
)
def test_a_call_in_json_or_python(block: str, arguments: dict[str, Any]) -> None:
    assert hermes.read_turn(block) == ("", [ToolCall("f", arguments)])


def test_calls_keep_their_order_whatever_they_are_written_in() -> None:
    text, calls = hermes.read_turn(
        "First.\n<tool_call>{'name': 'a', 'arguments': {}}</tool_call>\n"
        '<tool_call>{"name": "b", "arguments": {}}</tool_call> then\n<tool_call>{\'name\': \'c\'}</tool_call>'
    )
    assert [one.name for one in calls] == ["a", "b", "c"]
    assert text.split() == ["First.", "then"]


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([("gpt", "<tool_call>f(a=1)</tool_call>")], "neither JSON nor"),
        (
            [("gpt", "<tool_call>{'name': 'f', 'arguments': {'a': open('x')}}</tool_call>")],
            "neither JSON nor",
        ),
        ([("gpt", "<tool_call>{'name': 'f', 'arguments'")], "neither JSON nor"),
        ([("gpt", "<tool_call></tool_call>")], "without one"),
        ([("gpt", '<tool_call>{"arguments": {}}</tool_call>')], "without a name"),
        ([("tool", "<tool_response>1</tool_response> and 2")], "text outside of <tool_response>"),
        ([("system", "<tools>three</tools>")], "tools: neither JSON"),
    ],
)
def test_what_cannot_be_read_is_said(turns: list[tuple[str, str]], reason: str) -> None:
    assert reason in refused(hermes, talk(("human", "x"), *turns))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"<tools>{F}</tools>", ""),
        (f"Be kind.\n# Tools\nSome.\n<tools>\n{F}\n</tools>\nUse <tool_call>\n…\n</tool_call>", "Be kind."),
        (f"Here are the available tools: <tools>[{F}]</tools> Be kind.", "Be kind."),
        (
            f"Signatures within <tools></tools> tags.<tools>{F}</tools>",
            "Signatures within <tools></tools> tags.",
        ),
    ],
)
def test_of_a_system_message_only_its_own_words_are_kept(text: str, said: str) -> None:
    kept, tools = hermes.read_system(text)
    assert (kept, [one["name"] for one in tools or ()]) == (said, ["f"])


def test_a_system_message_without_tools_is_kept_whole() -> None:
    for text in ("You are a function calling AI.", "In <tools> </tools> nothing.", "</tools>", "<tools>"):
        assert hermes.read_system(text) == (text, None)


@pytest.mark.parametrize(
    ("body", "content"),
    [
        ('{"name": "f", "content": {"a": [1, null]}}', '{"a": [1, null]}'),
        ('{"name": "f", "content": {\'a\': None}}', '{"a": null}'),
        ('{"name": "f", "content": "one"}', "one"),
        ('{"name": "f", "content": {\'a\': nan}}', '{"name": "f", "content": {\'a\': nan}}'),
        ('{"content": 1, "more": 2}', '{"content": 1, "more": 2}'),
        ("plain", "plain"),
    ],
)
def test_a_result_is_unwrapped_or_as_it_is(body: str, content: str) -> None:
    call = "<tool_call>{'name': 'f', 'arguments': {}}</tool_call>"
    found = only(hermes, talk(("gpt", call), ("tool", f"<tool_response>\n{body}\n</tool_response>")))
    result = {"role": "tool", "tool_call_id": "call_1", "name": "f", "content": content}
    assert found.messages[1] == result


@given(st.text(), st.lists(st.builds(ToolCall, st.just("f"), ARGUMENTS), min_size=1, max_size=3))
def test_what_the_dialect_writes_reads_back(text: str, calls: list[ToolCall]) -> None:
    try:
        written = HERMES.render_turn(assistant(text, *calls), ())
    except ToolfinchError:
        assume(False)
    said, read = hermes.read_turn(written)
    assert read == calls
    assert said == text.strip()


@settings(max_examples=150)
@given(broken("hermes"))
def test_a_broken_row_ends_in_a_session_or_a_data_error(row: Row) -> None:
    survives(hermes, row)
