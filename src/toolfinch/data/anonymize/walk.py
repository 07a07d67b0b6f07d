"""Every text of a conversation, mapped: what is said, arguments at any depth, ids, sources, tags, marks, tools' words.

Names of tools, of their arguments and of properties stay, and so does a value that its schema fixes (`enum`, `const`):
a model has to write them as they are. Numbers are texts here, and stay numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from toolfinch.data.anonymize.decoded import number
from toolfinch.example import Conversation, Mark
from toolfinch.message import Message, ToolCall, ToolResult
from toolfinch.tool import Tool

Of = Callable[[str, str], str]
"""From the key that a text is the value of, and the text, to what it becomes."""
_BRANCHES = ("anyOf", "oneOf", "allOf")
_OF_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs")


class Shape:
    """What a schema says that matters here: which values it fixes, and the shapes inside."""

    __slots__ = ("fixed", "inner", "items", "other")

    def __init__(self, schemas: Sequence[Any]) -> None:
        every = list(_branches(schemas))
        self.fixed: list[Any] = []
        properties: dict[str, list[Any]] = {}
        items, other = [], []
        for schema in every:
            self.fixed += schema.get("enum", ())
            self.fixed += [schema["const"]] if "const" in schema else []
            for name, inner in schema.get("properties", {}).items():
                properties.setdefault(name, []).append(inner)
            items.append(schema.get("items"))
            other.append(schema.get("additionalProperties"))
        self.inner = {name: Shape(inner) for name, inner in properties.items()}
        self.items = Shape([one for one in items if isinstance(one, dict)]) if any(items) else None
        some = [one for one in other if isinstance(one, dict)]
        self.other = Shape(some) if some else None


def _branches(schemas: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for schema in schemas:
        if isinstance(schema, dict):
            yield schema
            for key in _BRANCHES:
                yield from _branches(schema.get(key, ()))


Shapes = Mapping[str, Shape]


def shapes(tools: Sequence[Tool]) -> Shapes:
    """Of each tool's arguments."""
    return {tool.name: Shape([tool.parameters]) for tool in tools}


def mapped(one: Conversation, of: Of, shapes: Shapes) -> Conversation:
    """The conversation with every text but those of its tools mapped."""
    return msgspec.structs.replace(
        one,
        id=of("", one.id),
        source=of("", one.source),
        scenario=of("", one.scenario),
        tags=tuple(of("", tag) for tag in one.tags),
        messages=tuple(_message(message, of, shapes) for message in one.messages),
        marks={place: _mark(mark, place, one.messages, of, shapes) for place, mark in one.marks.items()},
    )


def texts(one: Conversation, shapes: Shapes) -> Iterator[tuple[str, str]]:
    """What `mapped` asks for: each key and text. Quicker, as nothing is made."""
    yield from (("", text) for text in (one.id, one.source, one.scenario, *one.tags))
    for message in one.messages:
        yield "content", message.content
        if message.result is not None:
            if message.result.content != message.content:
                yield "content", message.result.content
            yield "", message.result.call_id
        for call in message.calls:
            yield from _texts(call.arguments, "", shapes.get(call.name))
            yield "", call.id
    if one.marks:
        asked: list[tuple[str, str]] = []

        def of(key: str, text: str) -> str:
            asked.append((key, text))
            return text

        for place, mark in one.marks.items():
            _mark(mark, place, one.messages, of, shapes)
        yield from asked


def _texts(one: Any, key: str, shape: Shape | None) -> Iterator[tuple[str, str]]:
    """What `value` asks for."""
    if isinstance(one, str):
        if shape is None or not (shape.fixed and one in shape.fixed):
            yield key, one
    elif isinstance(one, dict):
        for name, inner in one.items():
            within = shape and shape.inner.get(name)
            if not within:
                yield "", name
            yield from _texts(inner, name, within or (shape and shape.other))
    elif isinstance(one, list | tuple):
        for inner in one:
            yield from _texts(inner, key, shape and shape.items)
    elif (
        not isinstance(one, bool)
        and isinstance(one, int | float)
        and (shape is None or one not in shape.fixed)
    ):
        yield key, number(one)


def _message(message: Message, of: Of, shapes: Shapes) -> Message:
    content, result = of("content", message.content), message.result
    if result is not None:
        said = content if result.content == message.content else of("content", result.content)
        result = ToolResult(said, of("", result.call_id), result.name, result.is_error)
    calls = tuple(
        ToolCall(call.name, value(call.arguments, "", shapes.get(call.name), of), of("", call.id))
        for call in message.calls
    )
    return Message(message.role, content, calls, result)


def _mark(mark: Mark, place: int, messages: Sequence[Message], of: Of, shapes: Shapes) -> Mark:
    mark = msgspec.structs.replace(mark, scenario=of("", mark.scenario)) if mark.scenario else mark
    if not mark.accept:
        return mark
    calls = messages[place].calls if 0 <= place < len(messages) else ()
    accept = []
    for call, accepted in enumerate(mark.accept):
        shape = shapes.get(calls[call].name) if call < len(calls) else None
        accept.append(
            {
                name: tuple(value(one, name, shape and shape.inner.get(name), of) for one in several)
                for name, several in accepted.items()
            }
        )
    return msgspec.structs.replace(mark, accept=tuple(accept))


def value(one: Any, key: str, shape: Shape | None, of: Of) -> Any:
    """A decoded value, mapped; `key` is what it is the value of."""
    if isinstance(one, str):
        return one if shape is not None and shape.fixed and one in shape.fixed else of(key, one)
    if isinstance(one, dict):
        if shape is None:
            return {of("", name): value(inner, name, None, of) for name, inner in one.items()}
        made = {}
        for name, inner in one.items():
            within = shape.inner.get(name)
            made[name if within else of("", name)] = value(inner, name, within or shape.other, of)
        return made
    if isinstance(one, list | tuple):
        within = shape.items if shape is not None else None
        return [value(inner, key, within, of) for inner in one]
    if (
        isinstance(one, bool)
        or not isinstance(one, int | float)
        or (shape is not None and one in shape.fixed)
    ):
        return one
    written = number(one)
    replaced = of(key, written)
    return type(one)(replaced) if replaced != written and replaced.isdigit() else one


def tool(one: Tool, text: Callable[[str], str]) -> Tool:
    """A tool with its descriptions, defaults and examples mapped."""
    return msgspec.structs.replace(
        one, description=text(one.description), parameters=_schema(one.parameters, text)
    )


def _schema(node: Any, text: Callable[[str], str]) -> Any:
    if not isinstance(node, dict):
        return node
    out: dict[str, Any] = {}
    for key, inner in node.items():
        if key in ("title", "description", "$comment") and isinstance(inner, str):
            out[key] = text(inner)
        elif key == "default":
            out[key] = value(inner, "", Shape([node]), lambda _, one: text(one))
        elif key == "examples" and isinstance(inner, list):
            out[key] = [value(one, "", Shape([node]), lambda _, one: text(one)) for one in inner]
        elif key in _OF_NAMED and isinstance(inner, dict):
            out[key] = {name: _schema(one, text) for name, one in inner.items()}
        elif isinstance(inner, list) and key not in ("enum", "required", "type"):
            out[key] = [_schema(one, text) for one in inner]
        else:
            out[key] = _schema(inner, text)
    return out
