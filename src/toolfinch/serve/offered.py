"""The tools of a request: read, held to by the engine's grammar, or refused or set aside by name and path.

One tool that cannot be used makes a request a 400, unless the request says that such tools are to be set aside: then
the others stay, and the reply says which are missing and why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from toolfinch.caller import ToolCaller
from toolfinch.callers.local import LocalCaller
from toolfinch.decode.grammar import Constraint
from toolfinch.errors import SchemaError
from toolfinch.serve.refusal import RequestError
from toolfinch.tool import Tool
from toolfinch.tool import read as read_tool


class Offered(msgspec.Struct, frozen=True):
    """Tools that can be used, and why others cannot."""

    tools: tuple[Tool, ...] = ()
    places: tuple[str, ...] = ()
    """Where in the request each of `tools` stands: `tools[0].function`."""
    aside: tuple[tuple[str, str], ...] = ()
    """Tools that were set aside: name ("" where it has none) and `path: reason`."""
    behind: frozenset[str] = frozenset()
    """Names of the tools that stand behind the server, which a tool choice may mean as well."""

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(f"{why}: set aside" for _, why in self.aside)


_TOOL_ERROR = re.compile(r"(?:tool|tools\[\d+\](?:\.function)?) '(?P<name>[^']*)': (?P<rest>.*)", re.DOTALL)


def read(
    raw: Sequence[Any],
    *,
    limit: int,
    set_aside: bool = False,
    flat: bool = False,
    behind: frozenset[str] = frozenset(),
) -> Offered:
    """The `tools` of a request; `flat` is the Responses API's shape, without `function` around name and schema.

    Raises RequestError naming tool and path, with 413 for more than `limit` tools.
    """
    if len(raw) > limit:
        counts = {"tools": len(raw), "limit": limit}
        raise RequestError(
            f"tools: {len(raw)} tools, and a request may have {limit}",
            status=413,
            code="too_many_tools",
            counts=counts,
        )
    # An assistant sends the same tools with every request, and reading one takes longer than all else.
    return msgspec.structs.replace(_read(msgspec.json.encode(raw), set_aside, flat), behind=behind)


@lru_cache(maxsize=64)
def _read(encoded: bytes, set_aside: bool, flat: bool) -> Offered:
    tools: dict[str, Tool] = {}
    places: list[str] = []
    aside: list[tuple[str, str]] = []
    for i, one in enumerate(msgspec.json.decode(encoded)):
        try:
            tool = _tool(one, f"tools[{i}]", flat=flat)
            place = f"tools[{i}]" if flat else f"tools[{i}].function"
            if tool.name in tools:
                raise RequestError(f"{place}.name: {tool.name!r} is given twice")
        except RequestError as error:
            if not set_aside:
                raise
            aside.append((_name(one, flat=flat), str(error)))
        else:
            tools[tool.name] = tool
            places.append(place)
    return Offered(tuple(tools.values()), tuple(places), tuple(aside))


def _tool(raw: Any, where: str, *, flat: bool) -> Tool:
    if not isinstance(raw, dict):
        raise RequestError(f"{where}: expected an object, got {type(raw).__name__}")
    if raw.get("type") != "function":
        raise RequestError(f"{where}.type: only 'function' is supported, got {raw.get('type')!r}")
    if not flat:
        if "function" not in raw:
            raise RequestError(f"{where}.function: missing")
        where = f"{where}.function"
    elif "function" in raw:
        raise RequestError(f"{where}.function: name and parameters stand beside type here")
    try:
        return read_tool(raw, where)
    except SchemaError as error:
        found = _TOOL_ERROR.fullmatch(str(error))
        message = f"{where}.{found['rest']} (tool {found['name']!r})" if found else str(error)
        raise RequestError(message.replace(".function.function", ".function", 1)) from error


def _name(raw: Any, *, flat: bool) -> str:
    body = raw if flat or not isinstance(raw, Mapping) else raw.get("function")
    name = body.get("name") if isinstance(body, Mapping) else None
    return name if isinstance(name, str) else ""


def held(caller: ToolCaller, offered: Offered) -> Offered:
    """The tools without those that the caller's grammar cannot hold calls to, which are set aside.

    Compiles each tool that it has not met before, in about a millisecond.
    """
    reasons = [why_not(caller, tool) for tool in offered.tools]
    bad = [
        (tool.name, f"{place}.{why} (tool {tool.name!r})")
        for tool, place, why in zip(offered.tools, offered.places, reasons, strict=True)
        if why
    ]
    good = [i for i, why in enumerate(reasons) if not why]
    return Offered(
        tuple(offered.tools[i] for i in good),
        tuple(offered.places[i] for i in good),
        (*offered.aside, *bad),
        offered.behind,
    )


def located(caller: ToolCaller, offered: Offered, error: SchemaError) -> RequestError:
    """What a caller said of one tool's schema, as a refusal that says where in the request it is."""
    bad = held(caller, offered).aside[len(offered.aside) :]
    return RequestError(bad[0][1] if bad else str(error))


_known: WeakKeyDictionary[LocalCaller, dict[bytes, str]] = WeakKeyDictionary()
_KNOWN = 4096
"""Tools whose verdict is kept; an assistant sends the same ones with every request."""


def why_not(caller: ToolCaller, tool: Tool) -> str:
    """`path: reason` where the caller's grammar cannot hold calls to the tool's schema, else ""."""
    if not isinstance(caller, LocalCaller):
        return ""  # an endpoint's own affair
    known, encoded = _known.setdefault(caller, {}), msgspec.json.encode(tool)
    if (verdict := known.get(encoded)) is None:
        verdict = _verdict(caller, tool)
        if len(known) >= _KNOWN:
            known.clear()  # perhaps while another thread looks
        known[encoded] = verdict
    return verdict


def _verdict(caller: LocalCaller, tool: Tool) -> str:
    def why(schema: Mapping[str, Any]) -> str:
        try:
            Constraint(
                caller.engine, caller.dialect, [Tool(tool.name, parameters=dict(schema))], required=False
            )
        except SchemaError as error:
            found = _TOOL_ERROR.fullmatch(str(error))
            return found["rest"] if found else str(error)
        return ""

    reason = why(tool.parameters)
    if not reason:
        return ""
    path, reason = _deepest(tool.parameters, "parameters", reason, why)
    return f"{path}: {reason}"


def _deepest(
    schema: Mapping[str, Any], path: str, reason: str, why: Callable[[Mapping[str, Any]], str]
) -> tuple[str, str]:
    """The innermost schema that by itself cannot be held to, and why."""
    for step, part in _parts(schema):
        alone = {"type": "object", "properties": {"x": part}, "required": ["x"]}
        if said := why(alone):
            return _deepest(part, path + step, said, why)
    return path, reason


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in schema.items():
        if key in ("properties", "patternProperties"):
            yield from ((f".{key}.{name}", part) for name, part in value.items() if isinstance(part, Mapping))
        elif key in ("prefixItems", "anyOf", "oneOf", "allOf"):
            yield from ((f".{key}[{i}]", part) for i, part in enumerate(value) if isinstance(part, Mapping))
        elif key in ("items", "additionalProperties") and isinstance(value, Mapping):
            yield f".{key}", value
