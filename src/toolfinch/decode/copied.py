"""`copied`: how much of what a reply passes as arguments stands in the conversation.

A value that a small model made up is the commonest wrong one that a grammar lets through. Left out: which message a
value stands in, and values that are computed (a sum, tomorrow's date), which are right and stand nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from toolfinch.grounding import normal, ungrounded
from toolfinch.message import Message, ToolCall

READ = 1_000_000
"""Characters of a conversation, its last ones, that are looked through."""


def copied(calls: Sequence[ToolCall], messages: Sequence[Message]) -> float | None:
    """The share of the calls' argument values that stand in the messages; None where there is no value.

    A value is a number or a string that is not empty, at any depth; true, false and null say nothing. It stands
    there in any spelling that `grounding` knows: `"2025-03-03"` where the user says *March 3*.
    """
    found = [stands for _, _, stands in values(calls, messages)]
    return sum(found) / len(found) if found else None


def values(calls: Sequence[ToolCall], messages: Sequence[Message]) -> Iterator[tuple[ToolCall, str, bool]]:
    """Each value's call, the name of its argument, and whether it stands in the messages."""
    pairs = [(c, key, leaf) for c in calls for key, value in c.arguments.items() for leaf in _leaves(value)]
    if not pairs:
        return
    sources = tuple(text for message in messages for text in _texts(message))
    whole = normal("\n".join(sources))[-READ:].casefold()
    known: dict[str, bool] = {}
    for call, key, leaf in pairs:
        if leaf not in known:
            known[leaf] = _stands(leaf, whole, sources)
        yield call, key, known[leaf]


def _leaves(value: Any) -> Iterator[str]:
    todo = [value]
    while todo:
        match todo.pop():
            case bool() | None:
                continue
            case int() | float() as number:
                yield repr(number)
            case str() as text if text.strip():
                yield text
            case dict() as members:
                todo.extend(members.values())
            case list() | tuple() as items:
                todo.extend(items)


def _stands(leaf: str, whole: str, sources: tuple[str, ...]) -> bool:
    plain = normal(leaf).casefold()
    digits = plain.lstrip("-").replace(".", "", 1).isdecimal()
    if not digits and plain in whole:  # a 3 stands in every 13
        return True
    if not ungrounded(leaf, ()):  # nothing but plain words, which are there as they are or not at all
        return False
    return len(whole) < READ and not ungrounded(leaf, sources)


def _texts(message: Message) -> Iterator[str]:
    if message.content:
        yield message.content
    for call in message.calls:
        yield msgspec.json.encode(call.arguments).decode()
