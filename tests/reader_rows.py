"""What the tests of formats share: golden rows, and rows that someone broke."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from hypothesis import strategies as st

from toolfinch.data.dataset import to_row
from toolfinch.data.readers.format import Session
from toolfinch.errors import DataError, SchemaError
from toolfinch.example import Conversation
from toolfinch.message import Message, from_openai, to_openai
from toolfinch.tool import read

GOLDEN = Path(__file__).parent / "golden" / "readers"
Row = dict[str, Any]


def rows(name: str) -> list[Row]:
    return [json.loads(line) for line in (GOLDEN / f"{name}.jsonl").read_text("utf-8").splitlines()]


def as_row(session: Session) -> Row:
    """A session as the dataset would have it."""
    messages = tuple(from_openai(message) for message in session.messages)
    found = Conversation(
        session.id, tuple(read(one) for one in session.tools or ()), messages, time=session.time
    )
    row: Row = msgspec.json.decode(msgspec.json.encode(to_row(found)))
    return row


def others(name: str) -> Iterator[tuple[str, Row]]:
    """Golden rows of all other formats."""
    for path in sorted(GOLDEN.glob("*.jsonl")):
        format_ = path.name.removesuffix(".jsonl")
        if not format_.endswith(".expected") and format_ != name:
            for line in path.read_text("utf-8").splitlines():
                yield format_, json.loads(line)


def only(module: ModuleType, row: Row) -> Session:
    """The session that a row makes, its messages in the OpenAI shape."""
    (session,) = module.sessions([row])
    assert isinstance(session, Session)
    return msgspec.structs.replace(session, messages=[_shown(one) for one in session.messages])


def _shown(message: Mapping[str, Any] | Message) -> Mapping[str, Any]:
    return to_openai(message, arguments="object") if isinstance(message, Message) else message


def refused(module: ModuleType, row: Row) -> str:
    """The reason that a row is not read for."""
    try:
        list(module.sessions([row]))
    except DataError as error:
        return str(error)
    raise AssertionError("it was read")


def survives(module: ModuleType, row: Row) -> None:
    """A row is a session that can be read on, or a DataError: never another exception."""
    assert module.looks_like(row) in (True, False)
    assert module.key(row) == ""
    try:
        found = list(module.sessions([row]))
    except DataError:
        return
    for session in found:
        assert isinstance(session.id, str)
        for message in session.messages:
            msgspec.json.encode(from_openai(_shown(message)).calls)
        for one in session.tools or ():
            if not isinstance(one, str):
                try:
                    read(one)
                except SchemaError:
                    continue


def deep(levels: int = 900) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


HOSTILE: list[Any] = [
    None,
    True,
    0,
    -1.5,
    2**70,
    "",
    " ",
    "\0",
    "{",
    "[" * 5_000,
    '{"name": ' * 3_000,
    "<tool_call>" * 500,
    "<tools>" * 500,
    "<tool_response>",
    "<functioncall> {'name'",
    "Action: f\nAction Input: {",
    "USER:" * 500,
    "[f(" * 500 + ")]",
    " " * 20_000,
    "'" * 5_000,
    "\\" * 5_000 + "'",
    "access to the following APIs: [",
    "List[" * 2_000,
    "x" * 200_000,
    [],
    {},
    [[]],
    [{}],
    [None],
    {"name": 1},
    {"name": "f", "arguments": 3},
    {"function": {"function": {}}},
    {"from": "gpt", "value": {"a": [1]}},
    deep(),
    json.dumps(deep(400)),
]


WRITTEN = [json.dumps(one) for one in HOSTILE]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner if len(path) < 6 else ():
        yield from places(item, (*path, key))


@st.composite
def broken(draw: st.DrawFn, name: str) -> Row:
    """A golden row with something else in one or two places, or without them."""
    row = copy.deepcopy(draw(st.sampled_from(rows(name))))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from([path for path in places(row) if path] or [()]))
        if not path:
            break
        at: Any = row
        for step in path[:-1]:
            at = at[step]
        if draw(st.booleans()):
            at[path[-1]] = json.loads(draw(st.sampled_from(WRITTEN)))
        elif isinstance(at[path[-1]], str) and at[path[-1]]:
            text = at[path[-1]]
            cut = draw(st.integers(0, len(text)))
            at[path[-1]] = (
                text[:cut] + draw(st.sampled_from(["", "'", '"', "}", "\\", "\n"])) + text[cut + 1 :]
            )
        else:
            del at[path[-1]]
    return row
