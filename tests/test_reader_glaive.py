"""Glaive rows: who speaks, and arguments in single quotes, which are read in one way or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from reader_rows import Row, as_row, broken, only, others, refused, rows, survives
from test_reader_sharegpt import ARGUMENTS
from toolfinch.data.readers import glaive
from toolfinch.errors import DataError


def row(chat: str, system: str = "SYSTEM: Help.") -> Row:
    return {"system": system, "chat": chat}


def call(arguments: str) -> str:
    return f'<functioncall> {{"name": "f", "arguments": {arguments}}} <|endoftext|>'


def test_golden_rows_are_read_as_expected() -> None:
    assert [as_row(only(glaive, one)) for one in rows("glaive")] == rows("glaive.expected")


def test_only_its_own_rows_look_like_it() -> None:
    assert all(glaive.looks_like(one) for one in rows("glaive"))
    assert [name for name, one in others("glaive") if glaive.looks_like(one)] == []


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("""{"a": 1}""", {"a": 1}),
        (r'''"{\"a\": 1}"''', {"a": 1}),
        ("""'{"a": 1}'""", {"a": 1}),
        ("""'{"a": "it's Kari's"}'""", {"a": "it's Kari's"}),
        (r"""'{"a": "it\'s"}'""", {"a": "it's"}),
        (r"""'{\"a\": \"b\"}'""", {"a": "b"}),
        (r"""'{"a": "say \"hi\""}'""", {"a": 'say "hi"'}),
        (r"""'{"a": "one\ntwo"}'""", {"a": "one\ntwo"}),
        (r"""'{"a": "\u00e6"}'""", {"a": "æ"}),
        ("""'{"a": "x'}"}'""", {"a": "x'}"}),
        ("''", {}),
        ("'{}'", {}),
    ],
)
def test_arguments_that_say_one_thing(written: str, read: dict[str, Any]) -> None:
    assert glaive.read_turn(f"Wait. {call(written)}")[1][0].arguments == read


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (r"""'{"path": "C:\\new"}'""", "in two ways"),
        ("""'{"a": }'""", "cannot be read"),
        ("""'{'a': 1}'""", "cannot be read"),
        ("""'{"a": 1}""", "not JSON with its arguments"),
        ("""'{"a": 1, "a": 2}'""", "cannot be read"),
        ("""'[1]'""", "no object: list"),
        ("""'{"a": NaN}'""", "cannot be read"),
    ],
)
def test_arguments_that_say_nothing_for_certain(written: str, reason: str) -> None:
    assert reason in refused(glaive, row(f"USER: x\n\n\nASSISTANT: {call(written)}"))


@given(ARGUMENTS)
def test_quoted_arguments_are_never_read_as_others(arguments: dict[str, Any]) -> None:
    """As they are, and as a Python string: the same, or an error."""
    text = json.dumps(arguments)
    for written in (f"'{text}'", repr(text) if repr(text)[0] == "'" else f"'{text}'"):
        try:
            (read,) = glaive.read_turn(call(written))[1]
        except DataError as error:
            assert "two ways" in str(error)
            assert "\\" in text
        else:
            assert read.arguments == arguments


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (row("Hello"), "does not begin with a speaker"),
        (row("Hello\nUSER: x"), "does not begin with a speaker"),
        (row(""), "does not begin with a speaker"),
        (row("USER: x\nASSISTANT: y <|endoftext|> z"), "behind the end of a turn"),
        (row("USER: x\nASSISTANT: <functioncall> f()"), "not JSON with its arguments"),
        (row("USER: x\nASSISTANT: " + call("{}") + " and more"), "not JSON with its arguments"),
        (row("USER: x", 'SYSTEM: You have {"name": "f"'), "one after the other"),
        (row("USER: x", "SYSTEM: You have {'name': 'f'}"), "one after the other"),
        ({"chat": 3}, "expected text"),
        ({"chat": "USER: x", "system": 3}, "expected text"),
    ],
)
def test_what_cannot_be_read_is_said(wrong: Row, reason: str) -> None:
    assert reason in refused(glaive, wrong)


def test_a_speaker_is_one_only_at_the_start_of_a_line() -> None:
    found = only(glaive, row("USER: What does USER: mean?\nASSISTANT: That the user speaks. <|endoftext|>"))
    assert [one["role"] for one in found.messages] == ["system", "user", "assistant"]


@settings(max_examples=150)
@given(broken("glaive"))
def test_a_broken_row_ends_in_a_session_or_a_data_error(row: Row) -> None:
    survives(glaive, row)
