"""`Transcript`: a session of a log that joins calls and results by their place, and has no ids.

What the formats of published tool-call datasets have in common: JSON or Python's literals in text, tools as
text, and calls that need an id before their results can name it. Nothing is ever run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from toolfinch.dialects import strict_json
from toolfinch.dialects.pythonic import read_value
from toolfinch.errors import DataError
from toolfinch.message import Message, Role, ToolCall, tool

_CALL_KEYS = {"name", "arguments", "parameters", "id", "type", "index", "function"}


class Transcript:
    """Messages as they are told. Calls without an id get `call_1`, `call_2`, … in their order."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.waiting: list[ToolCall] = []
        """Calls of the assistant's last turn that have no result yet."""
        self._ids: set[str] = set()
        self._made = 0

    def say(self, role: Role, text: str) -> None:
        """A turn of the system, the user, or an assistant that calls nothing."""
        self.waiting = []
        self.messages.append(Message(role, text))

    def call(self, text: str, calls: Sequence[ToolCall]) -> None:
        """An assistant's turn that calls. Right behind another of its own it is the same turn."""
        earlier: tuple[ToolCall, ...] = ()
        if self.messages and self.messages[-1].role == "assistant":
            last = self.messages.pop()
            text, earlier = "\n".join(part for part in (last.content, text) if part), last.calls
        for one in calls:
            if one.id:
                self._ids.add(one.id)
        named = [one if one.id else ToolCall(one.name, one.arguments, self._new_id()) for one in calls]
        self.messages.append(Message("assistant", text, (*earlier, *named)))
        self.waiting = [*self.waiting, *named] if earlier else named

    def result(self, text: str, name: Any = "", id: Any = "", *, is_error: bool = False) -> None:
        """What a tool returned: for the call of that id, else the first of that name, else the first.

        Where no call waits it stays a result without one, for `pairs.unpaired` to count.
        """
        given = str(id) if id else ""
        named = name if isinstance(name, str) else ""
        waiting = self.waiting
        if len(waiting) == 1 and not given:  # most are: a call, its result
            call = waiting[0]
            self.waiting = []
        else:
            fits = [one for one in waiting if (one.id == given if given else one.name == named)]
            call = next(iter(fits or (waiting if not given else [])), ToolCall("", {}, given))
            self.waiting = [one for one in waiting if one is not call]
        self.messages.append(tool(text, call.id, named or call.name, is_error=is_error))

    def _new_id(self) -> str:
        self._made += 1
        while (new := f"call_{self._made}") in self._ids:
            self._made += 1
        return new


def call(name: Any, arguments: Any, id: Any = "") -> ToolCall:
    """A call as a log has it, its arguments an object or the text of one, or nothing for none.

    Raises DataError.
    """
    if not isinstance(name, str) or not name:
        raise DataError("a call without a name")
    if isinstance(arguments, str) and arguments.strip():
        try:
            arguments = read_value(arguments)
        except ValueError as error:
            raise DataError("a call's arguments are neither JSON nor a Python literal") from error
    elif arguments is None or isinstance(arguments, str):
        arguments = {}
    if not isinstance(arguments, dict):
        raise DataError(f"a call's arguments are no object: {type(arguments).__name__}")
    try:
        msgspec.json.encode(arguments)
    except RecursionError as error:  # what cannot be written again is no call
        raise DataError("a value that JSON cannot hold") from error
    return ToolCall(name, arguments, str(id) if isinstance(id, str | int) else "")


def read_calls(value: Any) -> list[ToolCall]:
    """The calls in a decoded value or its text: one, a list of them, or one after the other.

    Each is `name` with `arguments` or `parameters`, perhaps inside of OpenAI's `function`. Raises DataError.
    """
    if isinstance(value, str):
        try:
            value = several(value)
        except ValueError as error:
            raise DataError("a call is neither JSON nor a Python literal") from error
    found = value if isinstance(value, list) else [value]
    if not found:
        raise DataError("a turn of calls without one")
    return [_call(one) for one in found]


def _call(value: Any) -> ToolCall:
    body = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(body, dict):
        raise DataError("a call is no object")
    if not (set(value) <= _CALL_KEYS and set(body) <= _CALL_KEYS):
        raise DataError("a call has keys beside its name and arguments")
    if "arguments" in body and "parameters" in body:
        raise DataError("a call has arguments twice")
    return call(body.get("name"), body.get("arguments", body.get("parameters")), value.get("id"))


def read_tools(value: Any) -> list[Any] | None:
    """Tools as a list, or as text that holds a list or one definition after the other; None for nothing said.

    Raises DataError.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        found = _listed(value) if isinstance(value, str) else value
        found = [found] if isinstance(found, dict) else found
        if not isinstance(found, list):
            raise DataError(f"tools: expected a list, got {type(found).__name__}")
        found = [
            read_value(one) if isinstance(one, str) and one.lstrip().startswith("{") else one for one in found
        ]
    except ValueError as error:
        raise DataError("tools: neither JSON nor a Python literal") from error
    if not all(isinstance(one, dict | str) for one in found):
        raise DataError("tools: one is neither an object nor a name")
    return found


@lru_cache(maxsize=1024)
def _listed(text: str) -> list[Any]:
    return several(text)  # rows repeat a few lists thousands of times


def several(text: str) -> list[Any]:
    """The items of a list, or values one after the other: JSON, or Python's literals one a line.

    Raises ValueError where any of the text is neither.
    """
    try:
        value = read_value(text)
        return value if isinstance(value, list) else [value]
    except ValueError:
        pass
    try:
        return _one_after_the_other(text)
    except ValueError:
        return [read_value(line) for line in text.splitlines() if line.strip()]


def _one_after_the_other(text: str) -> list[Any]:
    found = []
    at = 0
    while text[at:].strip():
        value, at = strict_json.first(text, at)
        found.append(value)
    return found


def as_text(value: Any) -> str:
    """A result as the model reads it: text as it is, anything else as JSON. Raises DataError."""
    if isinstance(value, str):
        return value
    try:
        return strict_json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError("a value that JSON cannot hold") from error


def session_id(row: Mapping[str, Any]) -> str:
    given = row.get("id")
    return str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
