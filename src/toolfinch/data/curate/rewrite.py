"""Conversations rewritten from some definitions of their tools to others, and values with them.

A value is only written otherwise (`"5"` as `5`, `"Celsius"` as `celsius`), never made up: whatever does not fit the
new definition after that leaves the conversation as it is.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec

from toolfinch.data.curate import toolset
from toolfinch.data.curate.aliases import align, key
from toolfinch.data.stage import Changed
from toolfinch.example import Conversation, Mark
from toolfinch.message import Message, ToolCall, canonical
from toolfinch.schema import validator, violations
from toolfinch.tool import Tool

Route = tuple[Tool, ...]
"""The definitions of one tool from the one that was offered to the one that is wanted."""

RENAMED, ARGUMENT, TYPE = "tool renamed", "argument renamed", "type changed"
DEFAULT, DEFINITION = "argument left out: the default", "tool definition replaced"
_KEPT = 1000


class _Unfit(Exception):
    """A call that cannot be rewritten: the conversation stays as it is."""


class Repair:
    """Rewrites conversations whose tools have a route; a change as stages have it."""

    def __init__(self, routes: Mapping[bytes, tuple[Route, ...]], current: Sequence[Tool] = ()) -> None:
        self.routes = dict(routes)
        self.by_name = _by_name(self.routes)
        self.current = tuple(current)
        self.made: dict[bytes, tuple[Tool, ...]] = {}
        """Lists of tools by the digest of what they were: rows that shared one share one again."""

    def __call__(self, one: Conversation) -> Conversation | Changed:
        ways = {tool.name: self.routes.get(toolset.of_tool(tool), ((tool,),)) for tool in one.tools}
        tools = self._tools(one.tools, ways)
        offered = {tool.name: tool for tool in tools}
        if len(offered) < len(tools):
            return one  # two of its tools would have one name
        called = {call.name for message in one.messages for call in message.calls} - set(ways)
        for name in sorted(called):
            if found := self._called(name, offered):
                ways[name] = found
        ways = {name: found for name, found in ways.items() if len(found[0]) > 1}
        if not ways:
            return one
        did: Counter[str] = Counter()
        try:
            messages, marks = _rewritten(one, ways, did)
        except _Unfit:
            return one
        did[DEFINITION] += sum(was != now for was, now in zip(one.tools, tools, strict=True))
        after = msgspec.structs.replace(one, tools=tools, messages=messages, marks=marks)
        return Changed(after, {what: count for what, count in did.items() if count}) if after != one else one

    def _tools(self, tools: tuple[Tool, ...], ways: Mapping[str, tuple[Route, ...]]) -> tuple[Tool, ...]:
        if not any(len(ways[tool.name][0]) > 1 for tool in tools):
            return tools
        digest = toolset.digest(tools) + "\0".join(tool.name for tool in tools).encode()
        if digest not in self.made:
            if len(self.made) >= _KEPT:
                self.made.clear()
            self.made[digest] = tuple(ways[tool.name][0][-1] for tool in tools)
        return self.made[digest]

    def _called(self, name: str, offered: Mapping[str, Tool]) -> tuple[Route, ...]:
        """The way of a call to a tool that is not offered, as where the tools come from a file of today."""
        if found := self.by_name.get(name):
            return found if found[0][-1].name in offered else ()
        spelled = [tool for tool in offered.values() if key(tool.name) == key(name)]
        if len(spelled) != 1:
            return ()
        return ((msgspec.structs.replace(spelled[0], name=name), spelled[0]),)


def _by_name(routes: Mapping[bytes, tuple[Route, ...]]) -> dict[str, tuple[Route, ...]]:
    """The ways from names of the past that have led to one tool only."""
    found: defaultdict[str, list[tuple[Route, ...]]] = defaultdict(list)
    for _, ways in sorted(routes.items()):
        found[ways[0][0].name].append(ways)
    return {
        name: tuple(route for ways in several for route in ways)
        for name, several in found.items()
        if len({ways[0][-1].name for ways in several}) == 1
    }


def _rewritten(
    one: Conversation, ways: Mapping[str, tuple[Route, ...]], did: Counter[str]
) -> tuple[tuple[Message, ...], dict[int, Mark]]:
    """Raises _Unfit where a call that is there to learn does not fit the tool that it now is of."""
    messages: list[Message] = []
    marks = dict(one.marks)
    for index, message in enumerate(one.messages):
        mark = marks.get(index)
        if message.calls:
            made = [
                _call(call, ways.get(call.name, ()), bool(mark and mark.skip), did) for call in message.calls
            ]
            if mark is not None:
                marks[index] = _marked(mark, message.calls, made, ways)
            message = msgspec.structs.replace(message, calls=tuple(call for call, _ in made))
        elif message.result is not None and message.result.name in ways:
            name = ways[message.result.name][0][-1].name
            message = msgspec.structs.replace(
                message, result=msgspec.structs.replace(message.result, name=name)
            )
        elif mark is not None:
            marks[index] = _marked(mark, (), (), ways)
        messages.append(message)
    return tuple(messages), marks


def _call(call: ToolCall, ways: tuple[Route, ...], skip: bool, did: Counter[str]) -> tuple[ToolCall, Route]:
    """The call on the first way on which it fits, and that way; one of a skipped turn need not."""
    for route in ways:
        arguments, steps = _arguments(call.arguments, route)
        if not violations(route[-1], arguments):
            did[RENAMED] += route[-1].name != call.name
            did.update(steps)
            return ToolCall(route[-1].name, arguments, call.id), route
    if ways and not skip:
        raise _Unfit
    return (ToolCall(ways[0][-1].name, call.arguments, call.id), ways[0]) if ways else (call, ())


def _arguments(arguments: dict[str, Any], route: Route) -> tuple[dict[str, Any], Counter[str]]:
    steps: Counter[str] = Counter()
    for old, new in pairwise(route):
        arguments = _object(arguments, old.parameters, new.parameters, steps)
    return arguments, steps


def _object(
    value: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any], did: Counter[str]
) -> dict[str, Any]:
    """An object under the names and types of another schema; what has no counterpart stays under its own name."""
    pairs = _aligned(canonical(old), canonical(new))
    before, after = old.get("properties", {}), new.get("properties", {})
    made: dict[str, Any] = {}
    for name, part in value.items():
        if name not in pairs:
            spelled = [other for other in after if other not in value and key(other) == key(name)]
            if name not in before and len(spelled) == 1:
                pairs = {**pairs, name: spelled[0]}
        if name not in pairs:
            known = before.get(name)
            if (
                isinstance(known, Mapping)
                and "default" in known
                and canonical(known["default"]) == canonical(part)
            ):
                did[DEFAULT] += 1
            elif (name in after and name in before) or name in made:
                raise _Unfit  # the name is another parameter's by now
            else:
                made[name] = part
            continue
        if pairs[name] in made:
            raise _Unfit
        did[ARGUMENT] += pairs[name] != name
        made[pairs[name]] = _value(part, before.get(name), after[pairs[name]], did)
    return made


@lru_cache(maxsize=10_000)
def _aligned(old: bytes, new: bytes) -> dict[str, str]:
    return align(msgspec.json.decode(old), msgspec.json.decode(new))


def _value(value: Any, old: Any, new: Any, did: Counter[str]) -> Any:
    """The value as the new schema writes it; as it is where that is not certain."""
    if not isinstance(new, Mapping):
        return value
    old = old if isinstance(old, Mapping) else {}
    if isinstance(value, dict) and old.get("properties") and new.get("properties"):
        return _object(value, old, new, did)
    if isinstance(value, list) and isinstance(new.get("items"), Mapping):
        return [_value(part, old.get("items"), new["items"], did) for part in value]
    if not isinstance(value, str | int | float) or _fits(value, new):
        return value
    fitting = {canonical(other): other for other in _spellings(value, new) if _fits(other, new)}
    if len(fitting) != 1:
        return value
    did[TYPE] += 1
    return next(iter(fitting.values()))


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    object_ = Tool("", parameters={"type": "object", "properties": {"x": dict(schema)}})
    return validator(object_).is_valid({"x": value})


_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,10})?")


def _spellings(value: str | int | float, schema: Mapping[str, Any]) -> list[Any]:
    """What the same value may be written as: enum members that differ in case and marks, text, number, boolean."""
    said = _text(value)
    if enum := schema.get("enum"):
        return [one for one in enum if one is not None and key(_text(one)) == key(said)]
    if not isinstance(value, str):
        return [said]
    plain = value.strip()
    if plain.lower() in ("true", "false"):
        return [plain.lower() == "true"]
    if not _NUMBER.fullmatch(plain):
        return []
    number = float(plain)
    return [int(number) if number.is_integer() else number]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _marked(
    mark: Mark,
    before: Sequence[ToolCall],
    after: Sequence[tuple[ToolCall, Route]],
    ways: Mapping[str, tuple[Route, ...]],
) -> Mark:
    """The mark under the new names. Other acceptable values that cannot be rewritten are no longer acceptable."""
    accept = list(mark.accept)
    optional = list(mark.optional)
    for place, (call, (_, route)) in enumerate(zip(before, after, strict=True)):
        if place < len(accept):
            accept[place] = _accepted(call, accept[place], route)
        if place < len(optional):
            names = (_renamed(name, route) for name in optional[place])
            optional[place] = tuple(name for name in names if name)
    later = tuple(ways[name][0][-1].name if name in ways else name for name in mark.later)
    return msgspec.structs.replace(mark, accept=tuple(accept), optional=tuple(optional), later=later)


def _accepted(call: ToolCall, accept: dict[str, tuple[Any, ...]], route: Route) -> dict[str, tuple[Any, ...]]:
    made: dict[str, tuple[Any, ...]] = {}
    for name, values in accept.items():
        new = _renamed(name, route)
        kept: list[Any] = []
        for value in values if new else ():
            try:
                arguments, _ = _arguments({**call.arguments, name: value}, route)
            except _Unfit:
                continue
            if new in arguments and (not route or not violations(route[-1], arguments)):
                kept.append(arguments[new])
        if kept:
            made[new] = tuple(kept)
    return made


def _renamed(name: str, route: Route) -> str:
    """The argument's name in the end; "" where the tool does not have it any more."""
    for old, new in pairwise(route):
        pairs = _aligned(canonical(old.parameters), canonical(new.parameters))
        if name not in pairs:
            return ""
        name = pairs[name]
    return name
