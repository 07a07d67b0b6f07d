"""What the readers of public suites share: typed rows, tools to choose from, gold calls in schema types.

Left out: anything that only one suite needs.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from toolfinch.data import dataset
from toolfinch.data.funnel import Dropped
from toolfinch.errors import DataError, SchemaError
from toolfinch.example import Example, ExpectedCall
from toolfinch.message import ToolCall, canonical
from toolfinch.schema import violations
from toolfinch.tool import Tool
from toolfinch.tool import read as read_tool

T = TypeVar("T")


def lines(path: Path, row: type[T]) -> Iterator[tuple[str, T]]:
    """The rows of a file of JSON lines, each with `file:row`. Raises DataError naming file, row and key."""
    for number, line in dataset.scan(path):
        try:
            found = msgspec.json.decode(line, type=row)
        except (msgspec.ValidationError, *dataset.NOT_JSON) as error:
            raise DataError(f"{path}:{number}: {error}") from error
        yield f"{path.name}:{number}", found


def document(path: Path, content: type[T]) -> T:
    """A file that is one JSON document. Raises DataError naming the file and the place in it."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        return msgspec.json.decode(path.read_bytes(), type=content)
    except (msgspec.ValidationError, *dataset.NOT_JSON) as error:
        raise DataError(f"{path}: {error}") from error


def tool(raw: Mapping[str, Any], where: str) -> Tool:
    """`tool.read`, with the file in the error."""
    try:
        return read_tool(raw)
    except SchemaError as error:
        raise DataError(f"{where}: {error}") from error


class Catalogue:
    """The tools that a suite has for all its requests, where it does not say which to offer for one."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self.tools = tools
        named: dict[str, set[str]] = {}
        for name in tools:
            for word in _words(name):
                named.setdefault(word, set()).add(name)
        # A word of many names (get, calculate) tells nothing of what a tool is for.
        self.alike = {word: names for word, names in named.items() if len(names) <= len(tools) // 8}

    def offered(self, seed: str, gold: Iterable[str], others: int) -> tuple[Tool, ...]:
        """The tools named in `gold` and up to `others` more, drawn and ordered by a hash of `seed`.

        The same on every machine, whatever Python's random generator does. None that is drawn shares a
        telling word with a right one: catalogues have tools that differ in name only (`get_translation`,
        `translate_text`), and either would be right. So the choice is easier than among similar tools.
        """
        names = list(self.tools)
        chosen = dict.fromkeys(gold)
        alike = {name for right in chosen for word in _words(right) for name in self.alike.get(word, ())}
        alike -= chosen.keys()
        size = min(len(chosen) + others, len(names) - len(alike))
        for draw in itertools.count():
            if len(chosen) >= size:
                break
            name = names[int.from_bytes(_hash(seed, draw)) % len(names)]
            if name not in alike:
                chosen.setdefault(name)
        return tuple(self.tools[name] for name in sorted(chosen, key=lambda name: _hash(seed, name)))


def _words(name: str) -> set[str]:
    """The longer words of a name by their first five letters, so that plurals and verb forms agree."""
    return {word[:5].lower() for word in re.findall(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}", name) if len(word) > 3}


def _hash(seed: str, what: object) -> bytes:
    return blake2b(f"{seed} {what}".encode(), digest_size=8).digest()


def expected_call(name: str, arguments: Mapping[str, Any], tool: Tool) -> ExpectedCall:
    """A gold call with its values in the schema's types; a value that was written otherwise is right as well.

    `"40.7"` for a number becomes 40.7, and 7 for a string "7". What is no such value stays as it is.
    """
    properties = tool.parameters["properties"]
    values = {key: typed(value, properties.get(key, {})) for key, value in arguments.items()}
    accept = {k: (v,) for k, v in arguments.items() if canonical(v) != canonical(values[k])}
    return ExpectedCall(ToolCall(name, values), accept)


def typed(value: Any, schema: Any) -> Any:
    """The value in the schema's type, where it is only written in another."""
    wanted = schema.get("type") if isinstance(schema, Mapping) else None
    if wanted == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or wanted not in _PYTHON:
        return value
    try:
        read = ast.literal_eval(value)  # the suites were written from Python: True, ['a', 'b']
    except (ValueError, SyntaxError):
        return value
    return read if type(read) in _PYTHON[wanted] else value


_PYTHON = {"integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,)}


def checked(example: Example) -> Example | Dropped:
    """The example, or why no caller that keeps to the tools' schemas could be right on it.

    Raises DataError where the example does not offer a tool that it expects.
    """
    tools = {tool.name: tool for tool in example.tools}
    for call in (expected.call for expected in example.expected.calls):
        if call.name not in tools:
            raise DataError(f"{example.source}: {call.name!r} is not among the tools")
        found = violations(tools[call.name], call.arguments)
        if found:
            return Dropped(example.id, f"the gold call does not fit {call.name}'s schema: {found[0]}")
    return example
