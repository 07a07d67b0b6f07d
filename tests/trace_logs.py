"""What the tests of formats that log traces share: golden logs, and rows of one session that someone broke."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import msgspec
from hypothesis import strategies as st

from reader_rows import GOLDEN, HOSTILE, Row, places, rows
from toolfinch.data.dataset import to_row
from toolfinch.data.readers import log
from toolfinch.errors import DataError
from toolfinch.message import from_openai, to_openai
from toolfinch.tool import Tool

VALUES: list[Any] = [
    *HOSTILE,
    "[1]",
    '{"role": 3}',
    '{"messages": 3}',
    "9" * 5000,
    ["human", 1],
    {"0.message.role": "user", "²": 1},
    {"stringValue": []},
    {"arrayValue": {"values": 3}},
    {"kvlistValue": {"values": [{"key": 1}]}},
    {"role": "user", "content": {"type": "text"}},
    {"role": "tool", "content": [{"type": "image"}]},
    {"type": "tool_use"},
]


def golden(name: str, *tools: Tool) -> tuple[list[Row], list[str]]:
    """The golden log as the dataset has it, and why some of it is left out."""
    found, report = log.read(GOLDEN / f"{name}.jsonl", tools, format=name)
    made: list[Row] = msgspec.json.decode(msgspec.json.encode([to_row(one) for one in found]))
    kept = [{key: one[key] for key in one if key in ("id", "tools", "messages", "time")} for one in made]
    return kept, sorted(one.reason for one in report.skipped)


def said(module: ModuleType, *of: Row) -> list[list[Row]]:
    """The messages of the sessions that rows make, after `from_openai`."""
    return [[to_openai(from_openai(chat)) for chat in one.messages] for one in module.sessions(of)]


def refused(module: ModuleType, *of: Row) -> str:
    """The reason that rows are not read for."""
    try:
        list(module.sessions(of))
    except DataError as error:
        return str(error)
    raise AssertionError("they were read")


def survive(module: ModuleType, of: Sequence[Row]) -> None:
    """Rows are sessions or a DataError: never another exception."""
    for row in of:
        assert module.looks_like(row) in (True, False)
        assert isinstance(module.key(row), str)
    try:
        for session in module.sessions(of):
            assert isinstance(session.id, str)
            msgspec.json.encode([from_openai(chat) for chat in session.messages])
            msgspec.json.encode(session.tools)
    except DataError as error:
        assert str(error)


@st.composite
def broken_session(draw: st.DrawFn, module: ModuleType, name: str) -> list[Row]:
    """The golden rows of one key, with something else in one to three places, or without them."""
    by_key: dict[str, list[Row]] = {}
    for row in rows(name):
        by_key.setdefault(module.key(row), []).append(row)
    found = copy.deepcopy(by_key[draw(st.sampled_from(sorted(by_key)))])
    for _ in range(draw(st.integers(1, 3))):
        row = draw(st.sampled_from(found))
        path = draw(st.sampled_from([path for path in everywhere(row) if path] or [("x",)]))
        at: Any = row
        for step in path[:-1]:
            at = at[step]
        if draw(st.integers(0, 4)):
            at[path[-1]] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        elif isinstance(at, list) or path[-1] in at:
            del at[path[-1]]
    return found


def everywhere(value: Any) -> list[tuple[Any, ...]]:
    """Every place, however deep: those of `reader_rows.places` end after six steps."""
    found = list(places(value))
    for path in [path for path in found if len(path) == 6]:
        inner = value
        for step in path:
            inner = inner[step]
        found += [(*path, *below) for below in everywhere(inner) if below]
    return found
