"""`Message`, `ToolCall`, `ToolResult`: one turn of a conversation.

`arguments` is always a dict in here. Text forms (OpenAI's JSON string, a dialect's tags) exist only at the
borders: `from_openai` and `to_openai` below, and the dialects. Images, audio and other content parts are
left out: a message's content is text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from toolfinch.errors import DataError

Role = Literal["system", "user", "assistant", "tool"]
ROLES = ("system", "user", "assistant", "tool")


class ToolCall(msgspec.Struct, frozen=True):
    """A request to run one tool."""

    name: str
    arguments: dict[str, Any]
    id: str = ""
    """Joins the call to its result; empty where the log gives none."""

    def same(self, other: ToolCall) -> bool:
        """Equal name and arguments; the id is an address, not a part of the decision."""
        return self.name == other.name and canonical(self.arguments) == canonical(other.arguments)


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool returned, as the text that the model reads."""

    content: str
    call_id: str = ""
    name: str = ""
    is_error: bool = False


class Message(msgspec.Struct, frozen=True):
    """One turn. `calls` only where the role is assistant, `result` exactly where it is tool."""

    role: Role
    content: str = ""
    calls: tuple[ToolCall, ...] = ()
    result: ToolResult | None = None


def system(text: str) -> Message:
    return Message("system", text)


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str = "", *calls: ToolCall) -> Message:
    return Message("assistant", text, calls)


def tool(content: str, call_id: str = "", name: str = "", *, is_error: bool = False) -> Message:
    return Message("tool", content, result=ToolResult(content, call_id, name, is_error))


def canonical(value: Any) -> bytes:
    """JSON with sorted keys: equal bytes for equal values, `1` and `1.0` and `True` apart."""
    return msgspec.json.encode(value, order="deterministic")


def from_openai(raw: Any, where: str = "message") -> Message:
    """Read one OpenAI chat message. `arguments` may be a JSON string (the standard) or an object.

    Raises DataError, naming `where` and the key, for anything that is not such a message.
    """
    if not isinstance(raw, (dict, Mapping)):  # `dict` by itself is quicker to tell
        raise DataError(f"{where}: expected an object, got {type(raw).__name__}")
    role = raw.get("role")
    if role == "developer":
        role = "system"
    if role not in ROLES:
        raise DataError(f"{where}.role: expected one of {', '.join(ROLES)}")
    content = raw.get("content")
    if not isinstance(content, str):
        content = "" if content is None else _text(content, f"{where}.content")
    if role == "tool":
        call_id = raw.get("tool_call_id") or ""
        if not isinstance(call_id, str):
            raise DataError(f"{where}.tool_call_id: expected a string, got {type(call_id).__name__}")
        return tool(content, call_id, str(raw.get("name") or ""), is_error=raw.get("is_error") is True)
    raw_calls = raw.get("tool_calls")
    if raw_calls is None:
        return Message(cast(Role, role), content)
    if role != "assistant":
        raise DataError(f"{where}.tool_calls: only an assistant message may have them")
    if not isinstance(raw_calls, (list, Sequence)) or isinstance(raw_calls, str):
        raise DataError(f"{where}.tool_calls: expected a list, got {type(raw_calls).__name__}")
    calls = tuple(call_from_openai(c, f"{where}.tool_calls[{i}]") for i, c in enumerate(raw_calls))
    return Message("assistant", content, calls)


def call_from_openai(raw: Any, where: str) -> ToolCall:
    """Read one entry of `tool_calls`. Raises DataError; a key that is repeated in the arguments is one, too."""
    function = raw.get("function") if isinstance(raw, (dict, Mapping)) else None
    if not isinstance(function, (dict, Mapping)):
        raise DataError(f"{where}.function: missing")
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise DataError(f"{where}.function.name: missing")
    arguments = function.get("arguments")
    if arguments is None or arguments == "":
        arguments = {}
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(text := arguments)
            if not unique_keys(text, arguments):
                _STRICT.decode(text)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise DataError(f"{where}.function.arguments: not JSON ({error})") from error
    if not isinstance(arguments, dict):
        raise DataError(f"{where}.function.arguments: expected an object, got {type(arguments).__name__}")
    call_id = raw.get("id") or ""
    return ToolCall(name, arguments, str(call_id) if isinstance(call_id, str | int) else "")


def unique_keys(text: str, value: Any) -> bool:
    """Whether no object in JSON text that was read as `value` has a key twice; False where that is not certain.

    Of a pair that was lost to another of its key the colon is missing when the value is written again. Reading the
    text with a check at every object takes many times longer. Raises RecursionError.
    """
    return "\\u" not in text and text.count(":") == msgspec.json.encode(value).count(b":")


def _without_repeats(pairs: list[tuple[str, Any]]) -> None:
    """One reader takes the first of two values, another the last: such a call says nothing for certain."""
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key is repeated")


_STRICT = json.JSONDecoder(object_pairs_hook=_without_repeats)


def _text(content: Any, where: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        parts = []
        for i, part in enumerate(content):
            if not isinstance(part, Mapping) or not isinstance(part.get("text"), str):
                raise DataError(f"{where}[{i}]: only text parts can be read")
            parts.append(part["text"])
        return "".join(parts)
    raise DataError(f"{where}: expected text, got {type(content).__name__}")


def to_openai(message: Message, *, arguments: Literal["string", "object"] = "string") -> dict[str, Any]:
    """The OpenAI shape of a message; `arguments="object"` is what most chat templates want."""
    if message.result is not None:
        out: dict[str, Any] = {"role": "tool", "tool_call_id": message.result.call_id}
        if message.result.name:
            out["name"] = message.result.name
        if message.result.is_error:
            out["is_error"] = True
        return {**out, "content": message.result.content}
    if not message.calls:
        return {"role": message.role, "content": message.content}
    calls = []
    for call in message.calls:
        body: Any = call.arguments
        if arguments == "string":
            body = msgspec.json.encode(call.arguments).decode()
        calls.append({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": body}})
    return {"role": message.role, "content": message.content or None, "tool_calls": calls}
