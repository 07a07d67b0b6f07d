"""What the tests of formats share whose rows are joined: sessions by key, conversations to write, and broken logs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import msgspec
from hypothesis import strategies as st

from reader_rows import Row, broken, rows
from toolfinch.data.dataset import to_row
from toolfinch.data.readers.format import Session
from toolfinch.errors import DataError, SchemaError
from toolfinch.example import Conversation
from toolfinch.message import from_openai
from toolfinch.tool import read

Chat = dict[str, Any]


def grouped(module: ModuleType, log: Sequence[Row]) -> list[list[Row]]:
    """The rows of each key, and every row without one for itself, in the order of the log."""
    groups: dict[str | int, list[Row]] = {}
    for place, row in enumerate(log):
        groups.setdefault(module.key(row) or place, []).append(row)
    return list(groups.values())


def told(module: ModuleType, log: Sequence[Row]) -> list[Session]:
    """All sessions of a log that can be read."""
    found: list[Session] = []
    for group in grouped(module, log):
        try:
            found.extend(module.sessions(group))
        except DataError:
            continue
    return found


def only(module: ModuleType, log: Sequence[Row]) -> Session:
    (session,) = module.sessions(log)
    assert isinstance(session, Session)
    return session


def reason(module: ModuleType, log: Sequence[Row]) -> str:
    """Why not all of a log is read."""
    try:
        list(module.sessions(log))
    except DataError as error:
        return str(error)
    raise AssertionError("it was read")


def as_row(session: Session) -> Row:
    """A session as the dataset would have it, its tools without a schema by their names."""
    whole = tuple(read(one) for one in session.tools or () if not isinstance(one, str))
    messages = tuple(from_openai(message) for message in session.messages)
    one = Conversation(
        session.id, whole, messages, tags=session.tags, marks=dict(session.marks), time=session.time
    )
    row: Row = msgspec.json.decode(msgspec.json.encode(to_row(one)))
    row["tools"] += [one for one in session.tools or () if isinstance(one, str)]
    return row


def endures(module: ModuleType, log: Sequence[Row]) -> None:
    """A log ends in sessions that can be read on, or in a DataError without its words: never another exception."""
    for row in log:
        assert module.looks_like(row) in (True, False)
        assert isinstance(module.key(row), str)
    for group in grouped(module, log):
        try:
            for session in module.sessions(group):
                assert isinstance(session.id, str)
                assert all(isinstance(tag, str) for tag in session.tags)
                _read_on(session)
        except DataError as error:
            assert len(str(error)) < 300


def _read_on(session: Session) -> None:
    for message in session.messages:
        try:
            msgspec.json.encode(from_openai(message).calls)
        except DataError:
            continue
    for one in session.tools or ():
        if not isinstance(one, str):
            try:
                read(one)
            except SchemaError:
                continue


@st.composite
def broken_logs(draw: st.DrawFn, name: str) -> list[Row]:
    """Golden rows, a few of them broken, missing, twice or elsewhere."""
    log = copy.deepcopy(rows(name))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(log) - 1))
        change = draw(st.sampled_from(["break", "break", "drop", "twice", "move"]))
        if change == "break":
            log[at] = draw(broken(name))
        elif change == "twice":
            log.insert(draw(st.integers(0, len(log))), log[at])
        elif len(log) > 1:
            row = log.pop(at)
            if change == "move":
                log.insert(draw(st.integers(0, len(log))), row)
    return log


WORDS = st.text("ab é\n<\"'{}", min_size=1, max_size=8)
ARGUMENTS = st.dictionaries(
    st.text("xyz", min_size=1, max_size=2), st.integers() | WORDS | st.none(), max_size=2
)


@st.composite
def chats(draw: st.DrawFn) -> list[Chat]:
    """OpenAI messages: a user's words, then turns with calls, each answered, and at last words."""
    found: list[Chat] = []
    count = 0
    for _ in range(draw(st.integers(1, 3))):
        found.append({"role": "user", "content": draw(WORDS)})
        for _ in range(draw(st.integers(0, 2))):
            ids = [f"id_{count + i}" for i in range(draw(st.integers(1, 3)))]
            count += len(ids)
            calls = [
                {"id": id, "type": "function", "function": {"name": "f", "arguments": draw(ARGUMENTS)}}
                for id in ids
            ]
            found.append({"role": "assistant", "content": draw(st.none() | WORDS), "tool_calls": calls})
            for id in draw(st.permutations(ids)):
                result: Chat = {"role": "tool", "tool_call_id": id, "content": draw(WORDS | st.just(""))}
                if draw(st.booleans()):
                    result["is_error"] = True
                found.append(result)
        found.append({"role": "assistant", "content": draw(WORDS)})
    return found


def turns_of(chat: Sequence[Chat]) -> list[list[Chat]]:
    """Messages, all results behind one turn together."""
    found: list[list[Chat]] = []
    for message in chat:
        if message["role"] == "tool" and found[-1][0]["role"] == "tool":
            found[-1].append(message)
        else:
            found.append([message])
    return found


def blocks(message: Chat) -> list[Chat]:
    """A message of the assistant, or a result, in Anthropic's blocks."""
    if message["role"] == "tool":
        failed = {"is_error": True} if message.get("is_error") else {}
        return [
            {
                "type": "tool_result",
                "tool_use_id": message["tool_call_id"],
                "content": message["content"],
                **failed,
            }
        ]
    text = [{"type": "text", "text": message["content"]}] if message["content"] else []
    calls = [one["function"] | {"id": one["id"]} for one in message.get("tool_calls", ())]
    return text + [
        {"type": "tool_use", "id": one["id"], "name": one["name"], "input": one["arguments"]} for one in calls
    ]


def same(messages: Sequence[Mapping[str, Any]], chat: Sequence[Chat]) -> None:
    assert [from_openai(one) for one in messages] == [from_openai(one) for one in chat]
